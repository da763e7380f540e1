"""One dictionary of a run: what it is called, where it reads and writes, where its events go.

A plain record that the stages hand to each other. How the dictionaries of a run are read, named and
matched to the model `targets.py` knows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from app.precompute.coder import Coder
from app.sae.dictionary import Dictionary


@dataclass(frozen=True)
class Target:
    """A dictionary in its place."""

    sae: str
    """its part of the address"""
    dictionary: Coder
    hook_name: str
    """whose activations it reads"""
    folder: Path
    """of its event shards"""
    hook_name_out: str | None = None
    """whose activations a transcoder predicts; None for an autoencoder"""

    @property
    def output_hook(self) -> str:
        """The hook its reconstruction stands for, and its features write at."""
        return self.hook_name_out or self.hook_name

    @property
    def hooks(self) -> tuple[str, str]:
        """Where it reads and where it writes."""
        return self.hook_name, self.output_hook

    @property
    def d_out(self) -> int:
        """Width of what it writes."""
        return self.dictionary.d_out

    @property
    def weights(self) -> Dictionary:
        """The dictionary, where its matrices are at hand. ValueError where they are not."""
        if not isinstance(self.dictionary, Dictionary):
            raise ValueError(f"{self.sae} has no matrices to look at")
        return self.dictionary

    @property
    def directions(self) -> Float[Tensor, "d_sae d_out"]:
        """What each feature writes per unit. ValueError where no decoder rows are at hand."""
        found = self.dictionary.directions
        if found is None:
            raise ValueError(f"{self.sae} has no decoder rows to look at")
        return found

    def firing_threshold(self) -> Float64[np.ndarray, " d_sae"] | None:
        """The `hidden_pre` above which each feature fires; None under per-token top-k."""
        found = self.dictionary.firing_threshold()
        return None if found is None else found.detach().cpu().numpy().astype(np.float64)


def hooks_of(targets: Iterable[Target]) -> list[str]:
    """Every hook that these dictionaries read or write, once each."""
    return list(dict.fromkeys(name for target in targets for name in target.hooks))
