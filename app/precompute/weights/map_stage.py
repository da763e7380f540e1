"""Stage 4 as pieces of a driver: the map of decoder directions, each dictionary's as one piece.

Takes a run and a dictionary's name; gives the map and what is to be said about it. A map is made
as a whole: no part of it exists before the rest, so its piece can't be cut. How it is made
`direction_map.py` knows.
"""

from dataclasses import dataclass

from app.db.records import DirectionMap
from app.precompute.drivers.driver import Piece, Task
from app.precompute.preparation import Run
from app.precompute.weights.direction_map import direction_map
from app.precompute.workplace.stage_recipes import stage_name


@dataclass(frozen=True)
class Map:
    """The map of a dictionary, and what is to be said about how it was made."""

    found: DirectionMap | None
    said: list[str]


def draw_map(run: Run, sae: str) -> Map:
    """The decoder directions of one dictionary in two dimensions."""
    settings, said = run.job.settings, list[str]()
    W_dec = run.target(sae).dictionary.directions
    if W_dec is None:
        raise ValueError(f"{sae} has no decoder rows")
    return Map(direction_map(W_dec, settings.direction_map, settings.seed, said.append), said)


def map_pieces(run: Run) -> list[Piece]:
    """One for each dictionary whose decoder rows are known; none where no map is asked for."""
    if run.job.settings.direction_map == "none":
        return []
    return [
        Piece((stage_name("map", target.sae),), "all", target.dictionary.config.d_sae, target.sae)
        for target in run.targets
        if target.dictionary.directions is not None
    ]


MAP = Task(draw_map, "machine")
