"""One dictionary of a run: what it is called, where it reads, where its events go.

A plain record that the stages hand to each other. How the dictionaries of a run are read, named and
matched to the model `targets.py` knows.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

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

    @property
    def weights(self) -> Dictionary:
        """The dictionary, where its matrices are at hand. ValueError where they are not."""
        if not isinstance(self.dictionary, Dictionary):
            raise ValueError(f"{self.sae} has no matrices to look at")
        return self.dictionary

    def firing_threshold(self) -> Float64[np.ndarray, " d_sae"] | None:
        """The `hidden_pre` above which each feature fires; None under per-token top-k."""
        found = self.dictionary.firing_threshold()
        return None if found is None else found.detach().cpu().numpy().astype(np.float64)
