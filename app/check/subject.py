"""What is checked beyond the tables: a dictionary, a sample of its features, its events."""

from dataclasses import dataclass

from jaxtyping import Int64
from numpy import ndarray

from app.db.catalog import Sae
from app.stats.corpus import Corpus
from app.stats.events import EventStore


@dataclass(frozen=True)
class Beside:
    """The events of a dictionary and the contexts they were counted over, memory-mapped."""

    store: EventStore
    corpus: Corpus


@dataclass
class Subject:
    """One dictionary under examination."""

    sae: Sae
    n_active: Int64[ndarray, " d_sae"]
    """as the atlas has it"""
    sample: Int64[ndarray, " n"]
    """features that are computed again, ascending; all of them fire"""
    beside: Beside | None = None
    """None where there are none that are its own"""
