"""The two sides of a comparison: dictionaries of the run, and those the atlas held before.

Takes a run; gives which of them share a hook, and unit rows of any of them. Rows of the run are its
own, those of the atlas were stored in half precision. Knows not what they are compared for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from app.db.beside import Beside, dictionaries_beside, directions_beside
from app.precompute.preparation import Run
from app.precompute.studies.geometry.nearest import unit
from app.precompute.target import Target
from app.stats.events import EventStore


@dataclass(frozen=True)
class Side:
    """A dictionary, as far as a comparison can tell."""

    sae: str
    hook_name: str
    output_hook: str
    """the same, but for a transcoder"""
    d_out: int
    n: int
    """its features"""
    older: bool
    """the atlas held it before"""

    @property
    def place(self) -> tuple[str, str, int]:
        """What two dictionaries have to share: where they read, where they write, the width."""
        return self.hook_name, self.output_hook, self.d_out


@dataclass(frozen=True)
class Rows:
    """Its directions."""

    block: Callable[[int, int], Float[Tensor, "rows d_out"]]
    """unit rows [start, stop) on the device of the run"""
    living: Bool[ndarray, " n"]


def pairs_of(run: Run) -> list[tuple[Side, Side]]:
    """Every two dictionaries of one place, one of the run at least, which comes first."""
    own = [_side(target) for target in run.targets]
    pairs = list(combinations(own, 2))
    pairs += [(side, other) for side in own for other in _older(run)]
    return [(a, b) for a, b in pairs if a.place == b.place]


def rows_of(run: Run, side: Side) -> Rows:
    """The directions of a side. Memory: those of a dictionary of the run as they are at hand, of
    another one the blocks asked for."""
    device = run.targets[0].weights.W_dec.device
    if not side.older:
        target = run.target(side.sae)
        n_active = EventStore.open(target.folder).n_active()
        return Rows(lambda start, stop: unit(target.weights.W_dec[start:stop]), n_active > 0)
    (beside,) = [each for each in _beside(run) if each.sae == side.sae]
    found = directions_beside(run.job.output, beside.sae_id)
    assert found is not None, "pieces are made of dictionaries that have rows"
    stored, living = found
    return Rows(
        lambda start, stop: unit(torch.from_numpy(np.array(stored[start:stop])).to(device)), living
    )


def without_rows(run: Run) -> list[str]:
    """Dictionaries of the atlas at a hook of the run whose decoder rows are not kept or damaged."""
    places = {target.hooks for target in run.targets}
    return [
        each.sae
        for each in _beside(run)
        if (each.hook_name, each.output_hook) in places and not each.rows_hash
    ]


def _older(run: Run) -> list[Side]:
    return [
        Side(each.sae, each.hook_name, each.output_hook, each.d_out, each.d_sae, older=True)
        for each in _beside(run)
        if each.rows_hash
    ]


def _beside(run: Run) -> list[Beside]:
    return dictionaries_beside(run.job.output, run.job.model_slug, run.job.saes)


def _side(target: Target) -> Side:
    n, d_out = target.weights.W_dec.shape
    return Side(target.sae, *target.hooks, d_out, n, older=False)
