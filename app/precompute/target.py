"""One dictionary of a run: what it is called, where it reads, where its events go.

A plain record that the stages hand to each other. How the dictionaries of a run are read, named and
matched to the model `targets.py` knows.
"""

from dataclasses import dataclass
from pathlib import Path

from app.sae.dictionary import Dictionary


@dataclass(frozen=True)
class Target:
    """A dictionary in its place."""

    sae: str
    """its part of the address"""
    dictionary: Dictionary
    hook_name: str
    """whose activations it reads"""
    folder: Path
    """of its event shards"""
