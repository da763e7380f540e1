"""What every piece of every stage may know without a model: settings and where things lie.

Small and picklable, so that it can be sent to any process on any machine that sees the same folder.
Imports no torch: processes that only count must start fast.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.precompute.settings import PrecomputeSettings

TOKENS = "tokens"
ACTIVATIONS = "activations"


@dataclass(frozen=True)
class FeatureRange:
    """Features [first, last) of a dictionary."""

    sae: str
    first: int
    last: int

    @property
    def name(self) -> str:
        """Of a piece: in the order of features."""
        return f"{self.first:08d}-{self.last:08d}"


@dataclass(frozen=True)
class Job:
    """One run of the job, as a worker sees it."""

    settings: PrecomputeSettings
    folder: Path
    """the workplace; on storage that all workers share"""
    model_slug: str
    saes: tuple[str, ...]
    """address parts of the dictionaries"""
    per_shard: int
    """contexts in an event shard"""
    keeps_activations: bool
    """whether the activations at the hooks stay on disk until the job ends"""
    batch_contexts: int
    """contexts in a batch of the model"""
    tile_features: int
    """encoder columns multiplied at once"""
    commits: Mapping[str, str] = field(default_factory=dict)
    """where names of model and dictionaries on the hub led, by name"""

    @property
    def output(self) -> Path:
        """The atlas that is added to, as every worker finds it."""
        return self.folder.with_name(self.folder.name.removesuffix(".building"))

    @property
    def corpus_folder(self) -> Path:
        """The token contexts."""
        return self.folder / TOKENS

    def events_folder(self, sae: str) -> Path:
        """The event shards of a dictionary."""
        return self.folder / "events" / sae

    def result(self, stage: str, piece: str) -> Path:
        """Where what a piece found is kept, if it writes no files of its own."""
        return self.folder / stage / f"{piece}.result"
