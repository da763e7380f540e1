"""How a label's scores are said: one row for detection and one for fuzzing, or why there is none.

Takes what a label keeps, which an import may have brought from anywhere: what isn't as
`feature-atlas explain` writes it is left out. Knows no table and no address.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.web import text

_NAMES = {"detection": "Detection", "fuzzing": "Fuzzing", "reading": "Reading"}
"""In the order they are shown"""
_KINDS = {
    "near": "near misses", "silent": "silent on its tokens", "other": "other features' texts",
}  # fmt: skip


@dataclass(frozen=True)
class ScoreRow:
    """One kind of score."""

    kind: str
    name: str
    absent: str
    """why there is none; then all else is empty"""
    balanced_accuracy: str = ""
    found: str = ""
    """of texts with the feature: said yes, out of"""
    rejected: str = ""
    """of texts without it, or with brackets elsewhere: said no, out of"""
    precision: str = ""
    recall: str = ""
    by_band: tuple[str, ...] = ()
    """found, by fifths of the feature's range, the weakest first; empty where there is no text"""
    without: str = ""
    """what the texts without it are"""
    scorer: str = ""


def score_rows(scores: Mapping[str, Any]) -> list[ScoreRow]:
    """The rows of a label; none where nothing was scored or tried."""
    rows = [_row(kind, scores.get(kind)) for kind in _NAMES]
    return [row for row in rows if row is not None]


def short_scores(scores: Mapping[str, Any]) -> str:
    """The same in a few words, as it stands beside the label in the page's head."""
    rows = [row for row in score_rows(scores) if row.kind != "reading"]
    said = [f"{row.kind} {row.balanced_accuracy}" for row in rows if not row.absent]
    return ", ".join(said) or ("not scored" if rows else "")


def _row(kind: str, found: Any) -> ScoreRow | None:
    if not isinstance(found, Mapping):
        return None
    if found.get("absent"):
        return ScoreRow(kind, _NAMES[kind], str(found["absent"]))
    names = ("true_positives", "false_negatives", "false_positives", "true_negatives")
    counts = [count for name in names if isinstance(count := found.get(name), int)]
    if len(counts) < len(names) or kind == "reading":
        return None
    hits, misses, alarms, rejected = counts
    return ScoreRow(
        kind,
        _NAMES[kind],
        "",
        balanced_accuracy=_share(found.get("balanced_accuracy")),
        found=_of(hits, hits + misses),
        rejected=_of(rejected, rejected + alarms),
        precision=_share(found.get("precision")),
        recall=_share(found.get("recall")),
        by_band=_bands(found.get("by_band")),
        without=_without(found.get("by_kind")),
        scorer=str(found.get("scorer") or ""),
    )


def _share(value: Any) -> str:
    return text.percent(value) if isinstance(value, int | float) else text.MISSING


def _of(n: int, total: int) -> str:
    return f"{text.count(n)} of {text.count(total)}"


def _pair(value: Any) -> tuple[int, int] | None:
    whole = isinstance(value, list) and len(value) == 2
    return tuple(value) if whole and all(isinstance(one, int) for one in value) else None  # type: ignore[return-value]


def _bands(value: Any) -> tuple[str, ...]:
    pairs = [_pair(one) for one in value] if isinstance(value, list) else []
    return tuple("" if pair is None or not pair[1] else f"{pair[0]}/{pair[1]}" for pair in pairs)


def _without(value: Any) -> str:
    """“8 of 9 near misses, 9 of 9 other features' texts”."""
    if not isinstance(value, Mapping):
        return ""
    return ", ".join(
        f"{_of(*pair)} {name}"
        for kind, name in _KINDS.items()
        if (pair := _pair(value.get(kind))) is not None
    )
