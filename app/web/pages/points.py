"""A dictionary as points: the numbers a script draws, and the scatter above the list.

`build` gives two or three numbers of every feature; `scatter_panel` the drawing of the server with
all a script needs to take its place. What the list keeps is dark, all else pale. Knows no template.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import HTTPException
from jaxtyping import Bool, Float
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.maps import get_direction_map
from app.web.charts.axes import Axis, make_axis
from app.web.charts.plot import from_top
from app.web.charts.scales import Tick
from app.web.charts.scatter import Picture, draw_cells, short_numbers
from app.web.memory import Memory
from app.web.pages.feature_list import FeatureList
from app.web.ranges import parse_range
from app.web.urls import map_url, points_url, sae_url
from app.web.views import DictionaryView, PointsView


@dataclass(frozen=True)
class ColumnWords:
    """How a column is called and counted on an axis."""

    label: str
    unit: str
    """after the label in brackets; empty where the label says it"""
    share: bool
    """written as a percentage"""
    log: bool | None
    """None lets the values decide"""


COLUMNS: dict[str, ColumnWords] = {
    "density": ColumnWords("density", "share of tokens", True, True),
    "max_activation": ColumnWords("max activation", "", False, None),
    "mean_activation": ColumnWords("mean activation", "of active tokens", False, None),
    "top_token_share": ColumnWords("share of top token", "of the activation", True, False),
    "top_token_rate": ColumnWords("rate on top token", "of its occurrences", True, False),
    "context_share": ColumnWords("left without context", "of the activation", True, False),
    "ablation_token_effect": ColumnWords("effect of deletion", "mean, at most", True, False),
    "n_active": ColumnWords("firings", "", False, True),
    "n_contexts_active": ColumnWords("contexts", "with a firing", False, True),
    "std_activation": ColumnWords("std of activation", "of active tokens", False, None),
    "skewness": ColumnWords("skewness", "of the active values", False, False),
    "kurtosis": ColumnWords("kurtosis", "of the active values", False, None),
    "encoder_decoder_cosine": ColumnWords("encoder–decoder cosine", "", False, False),
    "position_zero_n_active": ColumnWords("firings at position 0", "", False, None),
    "position_zero_max": ColumnWords("max at position 0", "", False, None),
    "run_length": ColumnWords("run length", "mean, tokens", False, None),
    "span_fill": ColumnWords("span fill", "share of tokens", True, False),
    "decoder_norm": ColumnWords("decoder norm", "", False, None),
    "max_logit": ColumnWords("max logit", "per unit of activation", False, None),
    "map_x": ColumnWords("map, across", "", False, False),
    "map_y": ColumnWords("map, up", "", False, False),
}
CHOICES = {name: words.label for name, words in COLUMNS.items() if not name.startswith("map_")}
"""Columns an axis or a colour can be chosen from, with their labels."""

_N_COLUMNS, _N_ROWS = 72, 30
"""Squares of the server's drawing."""


@dataclass(frozen=True)
class PointsPage:
    """Two or three numbers of every feature; there is no page, only the twin."""

    sae: Sae
    view: PointsView
    values: dict[str, Float[ndarray, " d_sae"]]
    x_axis: Axis
    y_axis: Axis
    color_axis: Axis | None
    """None where no colour is asked for"""

    def as_json(self) -> dict[str, Any]:
        """x, y and color: a column's name, its axis, its values in order of feature_index in four
        significant digits, null where there is none."""
        view = self.view
        return {
            "model": self.sae.record.model,
            "sae": self.sae.record.sae,
            "d_sae": self.sae.record.d_sae,
            "x": self._column(view.x, self.x_axis),
            "y": self._column(view.y, self.y_axis),
            "color": self._column(view.color, self.color_axis) if self.color_axis else None,
        }

    def _column(self, name: str, axis: Axis) -> dict[str, Any]:
        words = COLUMNS[name]
        return {
            "column": name,
            "label": words.label,
            "share": words.share,
            **axis.as_json(),
            "values": short_numbers(self.values[name]),
        }


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


def build(connection: Connection, sae: Sae, view: PointsView, memory: Memory) -> PointsPage:
    """The numbers a view asks for.

    Raises:
        HTTPException: 404 where a map is asked for and there is none.
    """
    names = [name for name in (view.x, view.y, view.color) if name]
    values = _column_arrays(connection, sae, names, memory)
    return PointsPage(
        sae,
        view,
        values,
        axis_of(view.x, values[view.x]),
        axis_of(view.y, values[view.y]),
        color_axis_of(view.color, values[view.color]) if view.color else None,
    )


def axis_of(name: str, values: Float[ndarray, " d_sae"]) -> Axis:
    """The axis of a column by its name."""
    return make_axis(values, COLUMNS[name].share, COLUMNS[name].log)


def color_axis_of(name: str, values: Float[ndarray, " d_sae"]) -> Axis:
    """The axis of a colour: it holds all but the outermost hundredth of the values at either end,
    so that a few large ones don't make all others pale."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.01, 0.99]) if finite.size else (0.0, 1.0)
    return axis_of(name, finite[(finite >= low) & (finite <= high)])


def scatter_panel(
    connection: Connection, sae: Sae, view: DictionaryView, listed: FeatureList
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
        choices=CHOICES,
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
        map_url=map_url(sae) if get_direction_map(connection, sae.sae_id) else "",
    )


def axis_name(name: str, axis: Axis) -> str:
    """A column with its unit and, where it is one, its logarithmic scale."""
    words = COLUMNS[name]
    more = ", ".join(filter(None, (words.unit, "log scale" if axis.log else "")))
    return f"{words.label} ({more})" if more else words.label


def _column_arrays(
    connection: Connection, sae: Sae, names: Sequence[str], memory: Memory
) -> dict[str, Float[ndarray, " d_sae"]]:
    columns = memory.columns(connection, sae.sae_id)
    places: dict[str, Float[ndarray, " d_sae"]] = {}
    if any(name.startswith("map_") for name in names):
        found = get_direction_map(connection, sae.sae_id)
        if found is None:
            raise HTTPException(404, f"This atlas has no map of directions of {sae.address}.")
        positions = found.positions.astype(np.float64)
        places = {"map_x": positions[:, 0], "map_y": positions[:, 1]}
    return {name: places[name] if name in places else columns[name] for name in names}


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
