"""A scatter of two columns over all features of a dictionary, as the server draws it.

Takes the columns, gives what the macro `scatter_figure` prints. Knows no page.
"""

from dataclasses import dataclass

import numpy as np

from app.db.catalog import Sae
from app.db.columns import FeatureColumns
from app.web.charts.axes import Axis
from app.web.charts.plot import from_top
from app.web.charts.scales import Tick
from app.web.charts.scatter import Picture, draw_cells
from app.web.pages.points.columns import axis_name, axis_of
from app.web.urls import points_url, sae_url
from app.web.views import PointsView

_N_COLUMNS, _N_ROWS = 60, 28
"""Squares of the drawing."""


@dataclass(frozen=True)
class ScatterPlot:
    """One drawing and what a script needs to draw dots in its place."""

    x_axis: Axis
    x_name: str
    y_name: str
    y_ticks: list[Tick]
    """`at` counts from the top"""
    picture: Picture
    n_drawn: int
    n_undrawn: int
    """features with both values and no place on a logarithmic axis"""
    points_url: str
    list_url: str
    """where a dragged rectangle leads, with its two ranges added"""
    brush: None = None
    kept_bits: str = ""


def scatter_plot(sae: Sae, values: FeatureColumns, x: str, y: str) -> ScatterPlot:
    """All features that have both values."""
    x_axis, y_axis = axis_of(x, values[x]), axis_of(y, values[y])
    across, up = x_axis.places(values[x]), y_axis.places(values[y])
    drawn = np.isfinite(across) & np.isfinite(up)
    known = np.isfinite(values[x]) & np.isfinite(values[y])
    return ScatterPlot(
        x_axis=x_axis,
        x_name=axis_name(x, x_axis),
        y_name=axis_name(y, y_axis),
        y_ticks=from_top(y_axis.ticks),
        picture=draw_cells(across, up, np.ones(across.size, bool), _N_COLUMNS, _N_ROWS),
        n_drawn=int(drawn.sum()),
        n_undrawn=int((known & ~drawn).sum()),
        points_url=points_url(sae, PointsView(x=x, y=y).arguments()),
        list_url=sae_url(
            sae, [("sort", f"-{y}"), ("columns", f"top_tokens,density,max_activation,{y}")]
        ),
    )
