"""What removing single features really did, beside what was predicted: dots and figures.

Takes the removals of two dictionaries; knows no query and no template.
"""

from dataclasses import dataclass

import numpy as np

from app.db.catalog import Sae
from app.db.study_records.connections import Removals
from app.stats.connections import Prediction, judged
from app.web import text
from app.web.charts.axes import make_axis
from app.web.charts.plot import Chart, Polyline, from_top, percent


@dataclass(frozen=True)
class Dot:
    """One removal in the plane of predicted and real change."""

    x: str
    y: str
    css: str
    label: str


@dataclass(frozen=True)
class JudgedRow:
    """How well one kind of removals was predicted."""

    kind: str
    n: int
    correlation: str
    slope: str
    same_sign: str


def judged_by_kind(removals: Removals) -> dict[str, Prediction]:
    """All of them, and each kind by itself."""
    predicted, real = removals.predicted.astype(float), removals.real.astype(float)
    kinds = {
        "all": np.ones(len(real), bool),
        "the strongest": ~removals.is_drawn,
        "drawn at random": removals.is_drawn,
    }
    return {kind: judged(predicted[rows], real[rows]) for kind, rows in kinds.items()}


def judged_row(kind: str, found: Prediction) -> JudgedRow:
    """As printed."""
    return JudgedRow(
        kind,
        found.n,
        text.number(found.correlation, 2),
        text.number(found.slope, 2),
        text.percent(found.same_sign),
    )


def removal_scatter(removals: Removals, below: Sae, above: Sae) -> tuple[Chart | None, list[Dot]]:
    """Both axes alike, so that the diagonal is where a removal does what was predicted."""
    predicted, real = removals.predicted.astype(float), removals.real.astype(float)
    if not len(real):
        return None, []
    axis = make_axis(np.concatenate([predicted, real]), log=False)
    chart = Chart(
        kind="removals",
        label=f"Change of hidden_pre in {above.record.sae} when a feature of {below.record.sae} is "
        "removed: predicted across, real upwards",
        x_name="predicted change",
        y_name="real change",
        x_ticks=axis.ticks,
        y_ticks=from_top(axis.ticks),
        lines=[Polyline("0,100 100,0", "line-second", "as predicted")],
    )
    x, y = axis.places(predicted), axis.places(real)
    dots = [
        Dot(
            percent(100 * float(x[i])),
            percent(100 - 100 * float(y[i])),
            "drawn" if removals.is_drawn[i] else "strong",
            f"{removals.removed_index[i]} taken from {removals.feature_index[i]}: predicted "
            f"{text.signed(predicted[i])}, real {text.signed(real[i])}",
        )
        for i in range(len(real))
    ]
    return chart, dots
