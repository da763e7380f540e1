"""`/{model}/{sae}/map`: every feature at the place of its decoder direction, in two dimensions.

`build` gives the server's drawing, the features that fire on a searched token, and what a script
needs to draw every point; `MapPage` is all the template may show.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import HTTPException
from jaxtyping import Float
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_features
from app.db.maps import get_direction_map
from app.db.records import TokenRecord
from app.web.charts.scatter import Picture, draw_cells
from app.web.memory import Memory
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.pages.map_search import MapHit, search_map
from app.web.pages.points import CHOICES, COLUMNS, axis_name, color_axis_of
from app.web.pages.policy import corpus_sentence
from app.web.text import number, percent
from app.web.urls import map_url, points_url, search_url
from app.web.views import MapView, PointsView, SearchView

_LISTED = 10
_SQUARES = 120
"""of the server's drawing, along its longer side"""

_MARGIN = 0.02
"""of the longer side, around the outermost features"""

_ACTIVATIONS = ("max_activation", "mean_activation")
_HEAT = tuple(f"heat-{step}" for step in range(2, 10))
"""The palest two steps can't be seen as dots on paper"""
_INK = tuple(f"ink-{step}" for step in range(5))
_EFFECT = ("effect-n5", "effect-n4", "effect-n3", "effect-n2")


@dataclass(frozen=True)
class Legend:
    """What the colours of the dots stand for."""

    name: str
    """the column, with its unit and scale"""
    steps: tuple[str, ...]
    """classes from the lowest to the highest value"""
    low: str
    high: str


@dataclass(frozen=True)
class MapMark:
    """A feature that fires on the searched token."""

    feature_index: int
    share: float
    """share of its activation mass on the tokens, 0 to 1"""
    x: float
    """percent of the picture, from the left"""
    y: float
    """percent of the picture, from the top"""
    radius: float
    """in squares of the picture"""


@dataclass(frozen=True)
class ListedHit:
    """One of the first of these, as the list shows it."""

    hit: MapHit
    row: FeatureRow
    bar: float
    """length of its bar, percent"""


@dataclass(frozen=True)
class Frame:
    """The part of the plane that holds all features: the same unit both ways."""

    left: float
    bottom: float
    width: float
    height: float


@dataclass(frozen=True)
class MapPage:
    """Context of `pages/map.html`."""

    sae: Sae
    view: MapView
    method: str
    """how the map was made, in words"""
    n_dead: int
    n_hollow: int
    """features without a place on the scale of the colour"""
    frame: Frame
    picture: Picture
    marked: MapMark | None
    """the feature marked by the address"""
    choices: dict[str, str]
    """columns that can colour the dots"""
    legend: Legend
    tokens: list[TokenRecord]
    """what `q` stands for"""
    marks: list[MapMark]
    """features that fire on it, strongest first"""
    hits: list[ListedHit]
    """the first of them"""
    n_left_out: int
    """features beyond the stored lists of the tokens, counted token by token"""
    search_url: str
    """the same search over everything; empty without one"""
    points_url: str
    clear_url: str
    """the map without the search"""
    default_color: str
    corpus_note: str

    def as_json(self) -> dict[str, Any]:
        """How the map was made, where its numbers are, and the features that fire on `q`."""
        return {
            "model": self.sae.record.model,
            "sae": self.sae.record.sae,
            "d_sae": self.sae.record.d_sae,
            "method": self.method,
            "points_url": self.points_url,
            "q": self.view.q,
            "tokens": [{"token_id": t.token_id, "token": t.token} for t in self.tokens],
            "results": [
                {"feature_index": mark.feature_index, "share": mark.share} for mark in self.marks
            ],
            "n_left_out": self.n_left_out,
        }


def build(connection: Connection, sae: Sae, view: MapView, memory: Memory) -> MapPage:
    """The map under a view.

    Raises:
        HTTPException: 404 where there is no map, or no such feature to mark.
    """
    found = get_direction_map(connection, sae.sae_id)
    if found is None:
        raise HTTPException(
            404,
            f"This atlas has no map of directions of {sae.address}: build it again with "
            "`feature-atlas precompute --replace`.",
        )
    if view.feature is not None and view.feature >= sae.record.d_sae:
        raise HTTPException(
            404, f"{sae.address} has features 0 to {sae.record.d_sae - 1:,}, not {view.feature}."
        )
    values = memory.columns(connection, sae.sae_id)
    frame = _frame(found.positions)
    x, y = _places(found.positions, frame)
    search = search_map(connection, sae, view.q)
    rows = _rows(connection, sae, [hit.feature_index for hit in search.hits[:_LISTED]])
    columns, n_rows = _squares(frame)
    largest = max((hit.share for hit in search.hits), default=1.0)
    return MapPage(
        sae=sae,
        view=view,
        method=found.method,
        n_dead=int((values["density"] == 0).sum()),
        n_hollow=_n_hollow(view.color, values[view.color]),
        frame=frame,
        picture=draw_cells(x, y, values["density"] > 0, columns, n_rows),
        marked=None if view.feature is None else _mark(view.feature, 1.0, 1.0, x, y),
        choices=CHOICES,
        legend=_legend(view.color, values[view.color]),
        tokens=search.tokens,
        marks=[_mark(hit.feature_index, hit.share, largest, x, y) for hit in search.hits],
        hits=[
            ListedHit(hit, row, round(100 * hit.share, 2))
            for hit, row in zip(search.hits, rows, strict=False)
        ],
        n_left_out=search.n_left_out,
        search_url=_search_url(sae, view.q),
        points_url=points_url(sae, PointsView(x="map_x", y="map_y", color=view.color).arguments()),
        clear_url=map_url(sae, view.arguments(q="")),
        default_color=MapView.model_fields["color"].default,
        corpus_note=corpus_sentence(sae),
    )


def _rows(connection: Connection, sae: Sae, indices: list[int]) -> list[FeatureRow]:
    records = get_features(connection, sae.sae_id, indices)
    return make_rows(connection, sae.model_id, [records[index] for index in indices])


def _search_url(sae: Sae, text: str) -> str:
    view = SearchView(q=text, mode="fires", sae=sae.address)
    return search_url(view.arguments()) if text else ""


def _frame(positions: Float[ndarray, "d_sae 2"]) -> Frame:
    low, high = positions.min(axis=0).astype(float), positions.max(axis=0).astype(float)
    margin = _MARGIN * max(float((high - low).max()), 1e-6)
    # a map that is all but a line keeps some height
    size = np.maximum(high - low + 2 * margin, 20 * margin)
    corner = (low + high - size) / 2
    return Frame(*corner.tolist(), *size.tolist())


def _places(
    positions: Float[ndarray, "d_sae 2"], frame: Frame
) -> tuple[Float[ndarray, " d_sae"], Float[ndarray, " d_sae"]]:
    x, y = positions[:, 0].astype(float), positions[:, 1].astype(float)
    return (x - frame.left) / frame.width, (y - frame.bottom) / frame.height


def _squares(frame: Frame) -> tuple[int, int]:
    longer = max(frame.width, frame.height)
    return (
        max(1, round(_SQUARES * frame.width / longer)),
        max(1, round(_SQUARES * frame.height / longer)),
    )


def _mark(
    feature_index: int,
    share: float,
    largest: float,
    x: Float[ndarray, " d_sae"],
    y: Float[ndarray, " d_sae"],
) -> MapMark:
    """Areas are in proportion to shares; the largest has a radius of 1.6 squares."""
    return MapMark(
        feature_index,
        share,
        round(100 * float(x[feature_index]), 3),
        round(100 * (1 - float(y[feature_index])), 3),
        round(max(0.5, 1.6 * (share / largest) ** 0.5), 2),
    )


def _n_hollow(column: str, values: Float[ndarray, " d_sae"]) -> int:
    return int(np.isnan(color_axis_of(column, values).places(values)).sum())


def _legend(column: str, values: Float[ndarray, " d_sae"]) -> Legend:
    """The ends say so where values lie beyond them."""
    axis = color_axis_of(column, values)
    write = percent if COLUMNS[column].share else number
    steps = _HEAT if column in _ACTIVATIONS else _INK
    if column == "ablation_token_effect":
        steps = _EFFECT
    # what has no place on a logarithmic axis has no colour
    finite = values[np.isfinite(values) & ((values > 0) | (not axis.log))]
    below, above = bool((finite < axis.low).any()), bool((finite > axis.high).any())
    return Legend(
        axis_name(column, axis),
        steps,
        ("≤ " if below else "") + write(axis.low),
        ("≥ " if above else "") + write(axis.high),
    )
