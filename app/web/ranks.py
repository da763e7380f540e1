"""Where a value stands among the living features of its dictionary.

An atlas never changes while it is open, so the sorted columns of a dictionary are read once and
kept per build. Knows columns by name, no page.
"""

from threading import Lock

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sqlalchemy import Connection

from app.db.features import column_values

RANKED = (
    "density",
    "max_activation",
    "context_share",
    "top_token_share",
    "run_length",
    "n_contexts_active",
)


class Ranks:
    """Sorted columns of one dictionary, dead features left out."""

    def __init__(self, columns: dict[str, Float[ndarray, " n"]]) -> None:
        living = columns["density"] > 0
        self._sorted = {
            name: np.sort(values[living & np.isfinite(values)]) for name, values in columns.items()
        }

    def share_below(self, column: str, value: float | None) -> float | None:
        """Share of the other living features with a smaller value, half of the ties counted;
        None without a value or without others to compare with.
        """
        ordered = self._sorted[column]
        if value is None or not np.isfinite(value) or ordered.size < 2:
            return None
        below = np.searchsorted(ordered, value, "left")
        equal = np.searchsorted(ordered, value, "right") - below
        return min(1.0, float((below + max(equal - 1, 0) / 2) / (ordered.size - 1)))


class RankCache:
    """The ranks of the dictionaries that were asked for, by build."""

    def __init__(self) -> None:
        self._ranks: dict[tuple[str, int], Ranks] = {}
        self._lock = Lock()

    def get(self, connection: Connection, build_id: str, sae_id: int) -> Ranks:
        """The ranks of one dictionary; read on first use."""
        key = (build_id, sae_id)
        with self._lock:
            if key not in self._ranks:
                self._ranks = {k: v for k, v in self._ranks.items() if k[0] == build_id}
                self._ranks[key] = Ranks(column_values(connection, sae_id, RANKED))
            return self._ranks[key]
