"""How much of the text before the peak holds it up: the share of the activation that is left.

One orientation everywhere: what is left when only the last k tokens and the peak stay. Takes the
ablations of the top examples; knows no query and no page.
"""

from dataclasses import dataclass

import numpy as np

from app.web import text
from app.web.charts.columns import Series, curves
from app.web.charts.plot import Chart
from app.web.charts.scales import Tick
from app.web.pages.feature.material import Material


@dataclass(frozen=True)
class KeptRow:
    """One number of kept tokens."""

    kept: str
    """"nothing", "1 token", "16 tokens" """
    bar: float
    """percent of the bar's width, 0 to 100"""
    filled: str
    truncated: str
    n: int
    """examples behind the mean"""


@dataclass(frozen=True)
class ContextNeeded:
    """The mean over the measured top examples, as a curve and as a table."""

    sentence: str
    curve: Chart
    rows: list[KeptRow]
    group: str
    """whose examples were averaged, in words"""


def build_context_needed(material: Material) -> ContextNeeded | None:
    """The panel, or None where it was not measured."""
    group = "top" if "top" in material.ablations else next(iter(material.ablations), None)
    if group is None:
        return None
    ablations = material.ablations[group]
    filled, n_filled = _means(ablations.context_filled)
    truncated, _ = _means(ablations.context_truncated)
    if not np.isfinite(filled).any():
        return None
    kept = ablations.kept.tolist()
    rows = [
        KeptRow(
            "nothing" if k == 0 else f"{k} token{'s' if k > 1 else ''}",
            round(100 * float(np.clip(filled[i], 0, 1)), 1),
            text.percent(float(filled[i])),
            text.percent(float(truncated[i])),
            int(n_filled[i]),
        )
        for i, k in enumerate(kept)
        if np.isfinite(filled[i])
    ]
    n_measured = int(np.isfinite(ablations.context_filled).any(axis=1).sum())
    words = f"{n_measured} {group} example{'s' if n_measured > 1 else ''}"
    return ContextNeeded(_sentence(rows, words), _curve(kept, filled, truncated), rows, words)


def _means(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the examples [a, k] → [k] and how many stand behind it, NaN left out."""
    known = np.isfinite(values)
    n = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan), n


def _sentence(rows: list[KeptRow], words: str) -> str:
    return (
        f"{rows[0].filled} of the activation is left when only the peak token keeps its place and "
        f"the text before it is filled from other contexts (mean of {words})."
    )


def _curve(kept: list[int], filled: np.ndarray, truncated: np.ndarray) -> Chart:
    last = max(len(kept) - 1, 1)
    return curves(
        [Tick(100 * i / last, str(k)) for i, k in enumerate(kept)],
        [
            Series("filled from other contexts", "line", filled.tolist()),
            Series("cut off", "line-second", truncated.tolist()),
        ],
        kind="context-curve",
        label="Share of the activation left by number of tokens kept before the peak",
        x_name="tokens kept before the peak",
        y_name="activation left",
        high=max(1.0, float(np.nanmax(filled)), float(np.nanmax([*truncated, 0.0]))),
        as_percent=True,
    )
