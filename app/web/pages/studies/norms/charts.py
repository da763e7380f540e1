"""The charts of the page: the distribution of norms, and norms by position.

Takes the study's record. Knows no template.
"""

import numpy as np

from app.db.study_records.norms import Norms
from app.web.charts.by_position import position_chart
from app.web.charts.columns import Series
from app.web.charts.plot import Chart
from app.web.charts.spread import At, Bins, spread_chart
from app.web.text import number


def norm_chart(found: Norms) -> Chart:
    """Counts on a log scale: outliers are few."""
    norm = found.norm
    return spread_chart(
        Bins("counted tokens", norm.edges, norm.counts, norm.n),
        kind="spread",
        label="Histogram of norms",
        x_name="‖x‖ (log scale)",
        log=True,
        log_counts=True,
        at=[
            At(f"median {number(norm.median)}", norm.median),
            At(f"outliers from {number(found.threshold)} on", found.threshold),
        ],
    )


def norms_by_position(found: Norms) -> Chart:
    """Means and largest norms, position 0 apart."""
    zero = None if found.zero is None else (found.zero.minimum, found.zero.maximum)
    mean, most = found.position_mean, found.position_maximum
    return position_chart(
        [Series("mean", "", mean.tolist()), Series("largest", "line-third", most.tolist())],
        zero,
        kind="spread",
        label="Norms by position in the context",
        y_name="‖x‖ (log scale)",
        level=("outliers from here on", found.threshold) if np.isfinite(found.threshold) else None,
        note=""
        if zero is None
        else "The bar at the left is position 0, from the least to the "
        "largest; it is counted in no other figure.",
    )
