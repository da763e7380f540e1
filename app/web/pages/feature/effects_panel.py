"""What the model loses when a feature is removed at its firings, as the page prints it.

Takes the study's record of one feature and its stored examples; gives a sentence, means with their
spread, the course over the tokens that follow, and the firings one by one. Knows no query.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from app.db.study_records.effects import FeatureEffects
from app.stats.effect_sentence import effect_sentence
from app.stats.importance import weighted_mean
from app.stats.wording import Piece
from app.web import text
from app.web.charts.columns import Series, curves
from app.web.charts.plot import Chart
from app.web.charts.scales import Tick
from app.web.pages.feature.material import Material
from app.web.token_text import Pieces, text_pieces

MOST_ROWS = 5
_BYTES, _BYTES_OF_COURSE, _BYTES_OF_ROW, _BYTES_BRIEF = 2_100, 1_700, 360, 800


@dataclass(frozen=True)
class Measure:
    """One number over firings."""

    name: str
    mean: str
    """over all firings, estimated from those drawn"""
    spread: str
    """smallest and largest of those drawn"""
    n: str
    top: str
    """mean over the top examples; empty where none has it"""


@dataclass(frozen=True)
class Moved:
    """A token and what became of its probability."""

    pieces: Pieces
    change: str


@dataclass(frozen=True)
class RemovedRow:
    """One firing at which the feature was removed."""

    name: str
    """its example, "quantile-3" or "top-1" """
    activation: str
    next: Pieces | None
    delta_ce: str
    kl: str
    lost: Moved | None
    gained: Moved | None


@dataclass(frozen=True)
class EffectsPanel:
    """What the partial prints."""

    sentence: list[Piece]
    """empty with fewer than five cases behind it"""
    n_drawn: int
    n_firings: int
    n_read: int
    measures: list[Measure]
    course: Chart | None
    """None where only the next token was read"""
    rows: list[RemovedRow]
    """by what they cost, largest first; none beside a tested reading"""
    n_left_out: int

    @property
    def n_bytes(self) -> int:
        """What it takes of the page, nearly."""
        course = _BYTES_OF_COURSE if self.course else 0
        return _BYTES + course + _BYTES_OF_ROW * len(self.rows) if self.rows else _BYTES_BRIEF


def effect_token_ids(found: FeatureEffects | None, everything: bool) -> set[int]:
    """Every token id the panel may print; of all tokens kept, as the twin needs them."""
    if found is None:
        return set()
    listed = slice(None) if everything else slice(1)
    ids = [found.next_id, found.lost_id[:, listed].ravel(), found.gained_id[:, listed].ravel()]
    return set(np.unique(np.concatenate(ids)).tolist()) - {-1}


def build_effects(
    material: Material, found: FeatureEffects | None, brief: bool = False
) -> EffectsPanel | None:
    """The panel; None where the feature was not removed anywhere.

    Args:
        brief: the sentence alone, where the page has no room for more.
    """
    if found is None or not found.weight.size:
        return None
    mean, n_drawn = weighted_mean(found.delta_ce[:, 0], found.weight)
    lost = [material.token(i).token if i >= 0 else None for i in found.lost_id[:, 0].tolist()]
    rows = _rows(material, found)
    return EffectsPanel(
        sentence=effect_sentence(mean, n_drawn, lost, int(found.changes_likeliest.sum())),
        n_drawn=int((found.weight > 0).sum()),
        n_firings=found.weight.size,
        n_read=found.delta_ce.shape[1],
        measures=_measures(found),
        course=None if brief else _course(found),
        rows=[] if brief else rows[:MOST_ROWS],
        n_left_out=len(rows) if brief else max(0, len(rows) - MOST_ROWS),
    )


def effects_json(material: Material, found: FeatureEffects | None) -> dict[str, Any] | None:
    """Every firing with every number, for the twin."""
    if found is None:
        return None
    return {
        "delta_ce": material.record.delta_ce,
        "kl": material.record.kl,
        "firings": [_firing_json(material, found, i) for i in range(found.weight.size)],
    }


def _measures(found: FeatureEffects) -> list[Measure]:
    measures = [("cross-entropy of the next token", found.delta_ce[:, 0])]
    if found.delta_ce.shape[1] > 1:
        n = found.delta_ce.shape[1] - 1
        known = np.isfinite(found.delta_ce[:, 1:]).any(axis=1)
        after = np.where(known, np.nansum(found.delta_ce[:, 1:].astype(np.float64), axis=1), np.nan)
        measures.append((f"of the {n} after it, together", after))
    measures.append(("KL of the next token’s distribution", found.kl))
    return [_measure(found, name, values) for name, values in measures]


def _measure(found: FeatureEffects, name: str, values: Float[np.ndarray, " n"]) -> Measure:
    mean, n = weighted_mean(values, found.weight)
    drawn = values[np.isfinite(values) & (found.weight > 0)]
    top = values[np.isfinite(values) & (found.top_rank >= 0)]
    return Measure(
        name,
        text.signed(mean, 2),
        f"{text.signed(float(drawn.min()), 2)} … {text.signed(float(drawn.max()), 2)}" if n else "",
        f"of {n}",
        f"{text.signed(float(top.astype(np.float64).mean()), 2)} ({top.size})" if top.size else "",
    )


def _course(found: FeatureEffects) -> Chart | None:
    """Mean change for the next token, the one after it …"""
    n_read = found.delta_ce.shape[1]
    if n_read < 2:
        return None
    means = [weighted_mean(column, found.weight)[0] for column in found.delta_ce.T]
    is_top = (found.top_rank >= 0).astype(np.float32)
    top = [weighted_mean(column, is_top)[0] for column in found.delta_ce.T]
    known = [value for value in (*means, *top) if np.isfinite(value)]
    step = max(1, n_read // 4)
    shown = range(0, n_read, step)
    return curves(
        [Tick(100 * i / (n_read - 1), f"+{i + 1}") for i in shown],
        [Series("drawn firings", "line", means), Series("top examples", "line-second", top)],
        kind="effect-course",
        label="Change of cross-entropy, token by token after the firing",
        x_name="tokens after the firing",
        y_name="ΔCE, nats",
        low=min(0.0, *known) if known else 0.0,
    )


def _rows(material: Material, found: FeatureEffects) -> list[RemovedRow]:
    order = np.argsort(-np.nan_to_num(found.delta_ce[:, 0].astype(np.float64)), kind="stable")
    return [_row(material, found, i) for i in order.tolist()]


def _row(material: Material, found: FeatureEffects, i: int) -> RemovedRow:
    group, rank = _place(found, i)
    stored = material.groups.get(group)  # pyright: ignore[reportArgumentType]
    known = stored is not None and rank < stored.activation.size
    next_id = int(found.next_id[i])
    return RemovedRow(
        f"{group}-{rank + 1}",
        text.number(float(stored.activation[rank])) if stored is not None and known else "",
        text_pieces(material.token(next_id).token) if next_id >= 0 else None,
        text.signed(float(found.delta_ce[i, 0]), 2),
        text.number(float(found.kl[i]), 2),
        _moved(material, found.lost_id[i, 0], found.lost_from[i, 0], found.lost_to[i, 0]),
        _moved(material, found.gained_id[i, 0], found.gained_from[i, 0], found.gained_to[i, 0]),
    )


def _moved(material: Material, token_id: Any, before: Any, after: Any) -> Moved | None:
    if token_id < 0:
        return None
    change = f"{text.percent(float(before))} → {text.percent(float(after))}"
    return Moved(text_pieces(material.token(int(token_id)).token), change)


def _place(found: FeatureEffects, i: int) -> tuple[str, int]:
    """(group, row) of the example that a firing is."""
    if found.top_rank[i] >= 0:
        return "top", int(found.top_rank[i])
    return "quantile", int(found.sample_rank[i])


def _firing_json(material: Material, found: FeatureEffects, i: int) -> dict[str, Any]:
    group, rank = _place(found, i)
    return {
        "group": group,
        "rank": rank + 1,
        "weight": float(found.weight[i]),
        "next_token_id": int(found.next_id[i]) if found.next_id[i] >= 0 else None,
        "ce": _number(found.ce[i]),
        "delta_ce": [_number(value) for value in found.delta_ce[i]],
        "kl": _number(found.kl[i]),
        "changes_likeliest": bool(found.changes_likeliest[i]),
        "lost": list(
            _tokens_json(material, found.lost_id[i], found.lost_from[i], found.lost_to[i])
        ),
        "gained": list(
            _tokens_json(material, found.gained_id[i], found.gained_from[i], found.gained_to[i])
        ),
    }


def _tokens_json(
    material: Material, ids: np.ndarray, before: np.ndarray, after: np.ndarray
) -> Iterable[dict[str, Any]]:
    for token_id, old, new in zip(ids.tolist(), before.tolist(), after.tolist(), strict=True):
        if token_id >= 0:
            token = material.token(token_id).token
            yield {"token_id": token_id, "token": token, "before": old, "after": new}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
