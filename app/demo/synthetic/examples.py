"""Examples of one invented feature and the ablated text beneath some of them.

Examples are chosen from its firings in the groups DESIGN names; effects of ablation are drawn at
random around a fixed shape: strong on a few places before the peak, weak elsewhere. Knows the
records, no database.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from app.db.records import AblationGroup, ExampleGroup, Group
from app.demo.synthetic.firings import Firings
from app.demo.synthetic.text import SyntheticText

BEFORE, AFTER = 47, 16
ABLATION_WINDOW = 32
KEPT = np.array([0, 1, 2, 4, 8, 16, 32])
N_BANDS, PER_BAND, N_TOP, N_SILENT, N_NEAR = 5, 5, 20, 10, 10
_NO_BANDS = np.zeros(0)

Places = tuple[Int[ndarray, " n"], Int[ndarray, " n"]]


def make_examples(
    firings: Firings,
    text: SyntheticText,
    rng: np.random.Generator,
    threshold: float | None,
    sampled: Int[ndarray, " n"],
) -> tuple[dict[Group, ExampleGroup], dict[Group, AblationGroup]]:
    """All five groups, near misses from the contexts `sampled`, and the ablations of the top 5 and
    of one example of every interval."""
    if firings.n_active == 0:
        return {}, {}
    top = _top(firings, text)
    interval = _banded(firings, text, _interval_bands(firings), rng)
    groups: dict[Group, ExampleGroup] = {
        "top": top,
        "interval": interval,
        "quantile": _banded(firings, text, _quantile_bands(firings), rng),
        "silent": _silent(firings, text, rng),
    }
    near = _near(firings, text, 1.0 if threshold is None else threshold, sampled)
    if near.position.size:
        groups["near"] = near
    first_of_band = np.unique(interval.band, return_index=True)[1]
    ablations: dict[Group, AblationGroup] = {
        "top": _ablate(top, np.arange(min(5, top.position.size)), rng),
        "interval": _ablate(interval, first_of_band, rng),
    }
    return groups, ablations


def _top(firings: Firings, text: SyntheticText) -> ExampleGroup:
    order = np.lexsort((firings.position, firings.context_id, -firings.activation))
    _, first = np.unique(firings.context_id[order], return_index=True)
    rows = order[np.sort(first)[:N_TOP]]
    return _group(
        firings, text, (firings.context_id[rows], firings.position[rows]),
        firings.activation[rows], np.full(rows.size, -1), n_candidates=first.size,
    )  # fmt: skip


def _interval_bands(firings: Firings) -> Int[ndarray, " n_active"]:
    scaled = np.ceil(firings.activation * N_BANDS / firings.activation.max()).astype(np.int64)
    return np.clip(scaled - 1, 0, N_BANDS - 1)


def _quantile_bands(firings: Firings) -> Int[ndarray, " n_active"]:
    order = np.lexsort((firings.position, firings.context_id, firings.activation))
    bands = np.empty(firings.n_active, dtype=np.int64)
    bands[order] = np.arange(firings.n_active) * N_BANDS // firings.n_active
    return bands


def _banded(
    firings: Firings,
    text: SyntheticText,
    bands: Int[ndarray, " n_active"],
    rng: np.random.Generator,
) -> ExampleGroup:
    """From every band, strongest band first, up to five tokens of different contexts."""
    rows: list[int] = []
    for band in range(N_BANDS - 1, -1, -1):
        members = rng.permutation(np.flatnonzero(bands == band))
        _, first = np.unique(firings.context_id[members], return_index=True)
        chosen = members[np.sort(first)[:PER_BAND]]
        rows += chosen[np.argsort(-firings.activation[chosen], kind="stable")].tolist()
    picked = np.array(rows)
    values = [firings.activation[bands == band] for band in range(N_BANDS)]
    counts = np.array([v.size for v in values])
    return _group(
        firings, text, (firings.context_id[picked], firings.position[picked]),
        firings.activation[picked], bands[picked], n_candidates=firings.n_active,
        band_low=np.array([v.min() if v.size else 0.0 for v in values]),
        band_high=np.array([v.max() if v.size else 0.0 for v in values]),
        band_n_active=counts,
    )  # fmt: skip


def _silent(firings: Firings, text: SyntheticText, rng: np.random.Generator) -> ExampleGroup:
    favourite = np.bincount(firings.token_id, weights=firings.activation).argmax()
    candidate = (text.token_ids == favourite) & ~firings.dense(text.token_ids.shape)
    candidate[:, 0] = False
    places = np.argwhere(candidate)
    chosen = places[np.sort(rng.permutation(len(places))[:N_SILENT])]
    return _group(
        firings, text, (chosen[:, 0], chosen[:, 1]), np.zeros(len(chosen)),
        np.full(len(chosen), -1), n_candidates=len(places),
        hidden_pre=-rng.gamma(2.0, 0.5, size=len(chosen)),
    )  # fmt: skip


def _near(
    firings: Firings, text: SyntheticText, threshold: float, sampled: Int[ndarray, " n"]
) -> ExampleGroup:
    """One silent token of each context, by a `hidden_pre` that falls from the threshold on."""
    rng = np.random.default_rng([firings.n_active, sampled.size])  # what others draw stays
    silent = ~firings.dense(text.token_ids.shape)
    silent[:, 0] = False
    found = [rng.choice(np.flatnonzero(silent[c])) for c in sampled if silent[c].any()]
    held = rng.permutation([c for c in sampled if silent[c].any()])[:N_NEAR].astype(np.int64)
    position = np.array(found, np.int64)[np.searchsorted(sampled, held)]
    return _group(
        firings, text, (held, position), np.zeros(held.size), np.full(held.size, -1),
        n_candidates=int(silent[sampled].sum()),
        hidden_pre=threshold - np.cumsum(rng.gamma(1.0, 0.08, held.size)),
    )  # fmt: skip


def _group(
    firings: Firings,
    text: SyntheticText,
    places: Places,
    activation: Float[ndarray, " n"],
    band: Int[ndarray, " n"],
    n_candidates: int,
    hidden_pre: Float[ndarray, " n"] | None = None,
    band_low: Float[ndarray, " b"] = _NO_BANDS,
    band_high: Float[ndarray, " b"] = _NO_BANDS,
    band_n_active: Int[ndarray, " b"] | None = None,
) -> ExampleGroup:
    context_id, position = places
    start = np.maximum(position - BEFORE, 0)
    stop = np.minimum(position + AFTER + 1, text.token_ids.shape[1])
    positions, values, indptr = [], [], [0]
    for context in context_id:
        left, right = np.searchsorted(firings.context_id, [context, context + 1])
        positions.append(firings.position[left:right])
        values.append(firings.activation[left:right])
        indptr.append(indptr[-1] + int(right - left))
    counts = np.zeros(0, dtype=np.int64) if band_n_active is None else band_n_active
    return ExampleGroup(
        context_id=context_id,
        position=position,
        activation=activation,
        hidden_pre=activation.copy() if hidden_pre is None else hidden_pre,
        band=band,
        repeats=np.ones(position.size, dtype=np.int64) + (context_id % 11 == 3) * 6,
        window_start=start,
        window_stop=stop,
        firing_indptr=np.array(indptr),
        firing_position=np.concatenate([np.zeros(0, dtype=np.int64), *positions]),
        firing_activation=np.concatenate([np.zeros(0), *values]),
        band_low=band_low,
        band_high=band_high,
        band_n_active=counts,
        band_share=counts / max(1, int(counts.sum())),
        n_candidates=n_candidates,
    )


def _ablate(
    group: ExampleGroup, rank: Int[ndarray, " a"], rng: np.random.Generator
) -> AblationGroup:
    position, baseline = group.position[rank], group.activation[rank]
    deleted = [np.arange(max(1, p - ABLATION_WINDOW), p) for p in position.tolist()]
    replaced = [np.append(places, p) for places, p in zip(deleted, position, strict=True)]
    delete_effect = _of_all(deleted, position, baseline, rng)
    replace_effect = _of_all(replaced, position, baseline, rng)
    unknown = KEPT[None, :] >= position[:, None]
    filled = 1 - 0.95 * np.exp(-KEPT / 3.0)[None, :] * rng.uniform(0.7, 1, (rank.size, 1))
    empty_ids, empty = np.zeros(0, dtype=np.int64), np.zeros(0)
    return AblationGroup(
        rank=rank,
        baseline=baseline,
        hidden_pre_baseline=baseline,
        delete_indptr=np.cumsum([0, *(d.size for d in deleted)]),
        delete_position=np.concatenate([empty_ids, *deleted]),
        delete_effect=np.concatenate([empty, *map(np.maximum, delete_effect, -baseline)]),
        delete_hidden_pre_effect=np.concatenate([empty, *delete_effect]),
        replace_indptr=np.cumsum([0, *(r.size for r in replaced)]),
        replace_position=np.concatenate([empty_ids, *replaced]),
        replace_effect=np.concatenate([empty, *map(np.maximum, replace_effect, -baseline)]),
        replace_hidden_pre_effect=np.concatenate([empty, *replace_effect]),
        kept=KEPT,
        context_filled=np.where(unknown, np.nan, filled),
        context_truncated=np.where(unknown, np.nan, 0.9 * filled),
    )


def _of_all(
    places: list[Int[ndarray, " m"]],
    peaks: Int[ndarray, " a"],
    baselines: Float[ndarray, " a"],
    rng: np.random.Generator,
) -> list[Float[ndarray, " m"]]:
    """`_effects` of each example: on `hidden_pre`; the activation ends at zero."""
    return [_effects(*one, rng) for one in zip(places, peaks, baselines, strict=True)]


def _effects(
    places: Int[ndarray, " m"], peak: int, baseline: float, rng: np.random.Generator
) -> Float[ndarray, " m"]:
    """Noise of a few percent, one strong place among the last six, all of it at the peak."""
    effect = rng.normal(0, 0.04, size=places.size)
    effect[places == peak - int(rng.integers(1, 7))] = -rng.uniform(0.4, 0.95)
    effect[places == peak - int(rng.integers(2, 12))] += rng.normal(0, 0.25)
    effect[places == peak] = -rng.uniform(0.7, 1.3)
    return baseline * effect
