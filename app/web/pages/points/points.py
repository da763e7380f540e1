"""A dictionary as points: two or three numbers of every feature, for charts that draw them all.

Takes the columns a view names, gives their values and axes. Knows no drawing and no template.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import HTTPException
from jaxtyping import Float
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.maps import get_direction_map
from app.web.charts.axes import Axis
from app.web.charts.scatter import short_numbers
from app.web.memory import Memory
from app.web.pages.points.columns import COLUMNS, axis_of, color_axis_of
from app.web.views import PointsView


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
