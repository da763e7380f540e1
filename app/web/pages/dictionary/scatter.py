"""The scatter above a dictionary's list: a drawing, and what a script needs to take its place.

What the list keeps is dark, all else pale. Takes the list of a view, gives the context of
`partials/scatter.html`. Knows no template and no other page.
"""

from base64 import b64encode
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.web.charts.axes import Axis
from app.web.charts.plot import from_top
from app.web.charts.scales import Tick
from app.web.charts.scatter import Picture, draw_cells
from app.web.memory import Memory
from app.web.pages.dictionary.feature_list import FeatureList
from app.web.pages.points.columns import axis_name, axis_of, choices_of
from app.web.ranges import parse_range
from app.web.urls import map_url, points_url, sae_url
from app.web.views import DictionaryView, PointsView

_N_COLUMNS, _N_ROWS = 72, 30
"""Squares of the server's drawing."""


@dataclass(frozen=True)
class Brush:
    """The ranges the list is filtered to, where they are ranges of the axes; percent of the plot,
    from the left and from the top."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class ScatterPanel:
    """Context of `partials/scatter.html`."""

    x: str
    """column across"""
    y: str
    """column up"""
    x_axis: Axis
    x_name: str
    """with its unit and its scale"""
    y_name: str
    y_ticks: list[Tick]
    """of the axis up; `at` counts from the top here"""
    choices: dict[str, str]
    picture: Picture
    brush: Brush | None
    n_drawn: int
    """features with a place on both axes"""
    n_undrawn: int
    n_kept: int
    """of those drawn, how many the list keeps"""
    filtered: bool
    kept_bits: str
    """the features the list keeps, a bit each from the lowest on, in base64; empty for all"""
    hidden: list[tuple[str, str]]
    """the rest of the view, for the form of the axes"""
    defaults: dict[str, str]
    """axes that stay out of addresses"""
    points_url: str
    list_url: str
    """the list without ranges on the two axes"""
    map_url: str
    """empty where the atlas has no map"""


def scatter_panel(
    connection: Connection, sae: Sae, view: DictionaryView, listed: FeatureList, memory: Memory
) -> ScatterPanel:
    """The scatter of a dictionary's page; `listed` is the list under the same view."""
    values, kept = listed.columns, listed.kept
    x_axis, y_axis = axis_of(view.x, values[view.x]), axis_of(view.y, values[view.y])
    x, y = x_axis.places(values[view.x]), y_axis.places(values[view.y])
    drawn = np.isfinite(x) & np.isfinite(y)
    without = view.arguments(**{view.x: "", view.y: "", "next": None})
    defaults = {name: DictionaryView.model_fields[name].default for name in ("x", "y")}
    return ScatterPanel(
        x=view.x,
        y=view.y,
        x_axis=x_axis,
        x_name=axis_name(view.x, x_axis),
        y_name=axis_name(view.y, y_axis),
        y_ticks=from_top(y_axis.ticks),
        choices=choices_of(values.measured),
        picture=draw_cells(x, y, kept, _N_COLUMNS, _N_ROWS),
        brush=_brush(view, x_axis, y_axis),
        n_drawn=int(drawn.sum()),
        n_undrawn=int((~drawn).sum()),
        n_kept=int((drawn & kept).sum()),
        filtered=view.filtered(),
        kept_bits=_bits(kept) if view.filtered() else "",
        hidden=[item for item in view.arguments() if item[0] not in ("x", "y")],
        defaults=defaults,
        points_url=points_url(sae, PointsView(x=view.x, y=view.y).arguments()),
        list_url=sae_url(sae, without),
        map_url=map_url(sae) if memory.has_map(connection, sae.sae_id) else "",
    )


def _bits(kept: Bool[ndarray, " d_sae"]) -> str:
    return b64encode(np.packbits(kept, bitorder="little").tobytes()).decode()


def _brush(view: DictionaryView, x_axis: Axis, y_axis: Axis) -> Brush | None:
    """None where neither axis has a range."""
    x_text, y_text = getattr(view, view.x), getattr(view, view.y)
    if not (x_text or y_text):
        return None
    left, right = _span(x_axis, x_text)
    bottom, top = _span(y_axis, y_text)
    return Brush(
        round(100 * left, 3),
        round(100 * (1 - top), 3),
        round(100 * (right - left), 3),
        round(100 * (top - bottom), 3),
    )


def _span(axis: Axis, text: str) -> tuple[float, float]:
    """A range as shares of its axis, cut to it; open sides reach its ends."""
    low, high = parse_range(text)
    places = axis.places(
        np.array([axis.low if low is None else low, axis.high if high is None else high])
    )
    # what has no place on a logarithmic axis lies below it
    start, stop = np.clip(np.nan_to_num(places, nan=0.0), 0.0, 1.0).tolist()
    return start, stop
