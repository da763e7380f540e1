"""What other tools' files say of a dictionary's features: the one form every importer reads into.

Only what stands in a file is here: None is "the source doesn't say", and nothing is computed to
fill a gap. A token is a text, with its id where the source keeps ids. How these records become an
atlas, another file of this package knows; how they lie in a file, each importer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Integer

ForeignGroup = Literal["top", "interval", "quantile", "silent"]


@dataclass(frozen=True)
class ForeignBand:
    """The range of activations an example was drawn from."""

    low: float
    """exclusive"""
    high: float
    share: float | None = None
    """of the feature's active tokens, 0 to 1"""


@dataclass(frozen=True)
class ForeignExample:
    """One text with the feature's activation on each of its tokens."""

    group: ForeignGroup
    tokens: Sequence[str]
    activations: Float[np.ndarray, " n_tokens"]
    position: int
    """of the token it was chosen for, from the first one given"""
    token_ids: Sequence[int] | None = None
    band: ForeignBand | None = None
    first_position: int | None = None
    """where in its context the first token given stood; None where the source doesn't say"""
    document: str | None = None
    """what the text was taken from"""
    repeats: int = 1
    """how often the source has it"""


@dataclass(frozen=True)
class ForeignHistogram:
    """Counts (or shares, as the source has them) over edges."""

    edges: Float[np.ndarray, " n_bins_plus_1"]
    counts: Float[np.ndarray, " n_bins"]


@dataclass(frozen=True)
class ForeignLogits:
    """Direct effects on the logits; an effect is NaN where the source names the token alone."""

    promoted: Sequence[str]
    promoted_logits: Float[np.ndarray, " n_promoted"]
    """descending"""
    suppressed: Sequence[str]
    suppressed_logits: Float[np.ndarray, " n_suppressed"]
    """ascending"""
    histogram: ForeignHistogram | None = None


@dataclass(frozen=True)
class ForeignNeighbors:
    """Other features of the dictionary, nearest first."""

    feature_index: Integer[np.ndarray, " n"]
    cosine_similarity: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class ForeignExplanation:
    """What somebody, or some model, wrote about the feature."""

    text: str
    author: str | None = None
    """a model's or a method's name"""


@dataclass(frozen=True)
class ForeignFeature:
    """One feature, as far as the source knows it."""

    feature_index: int
    density: float | None = None
    """share of the source's tokens on which it is active, 0 to 1"""
    n_active: int | None = None
    max_activation: float | None = None
    mean_activation: float | None = None
    """of the active values; so are the next three"""
    std_activation: float | None = None
    skewness: float | None = None
    kurtosis: float | None = None
    """fourth standardised moment, 3 for a normal"""
    histogram: ForeignHistogram | None = None
    """of the active values"""
    logits: ForeignLogits | None = None
    neighbors: ForeignNeighbors | None = None
    examples: Sequence[ForeignExample] = ()
    explanations: Sequence[ForeignExplanation] = ()
    place: str = field(default="", compare=False)
    """file, line and number, for a sentence a verb follows"""

    @property
    def where(self) -> str:
        """The place, or the number where a source has none."""
        return self.place or f"Feature {self.feature_index}"


@dataclass(frozen=True)
class ForeignDictionary:
    """The dictionary whose features these are; what pages and addresses call it."""

    model: str
    """the model's name as the source has it"""
    sae: str
    """the dictionary's, likewise"""
    hook_name: str | None = None
    hook_name_out: str | None = None
    """what a transcoder writes"""
    d_sae: int | None = None
    """None where the source doesn't say how many features there are besides those it holds"""
    d_in: int | None = None
    d_out: int | None = None
    """of a transcoder"""
    n_tokens: int | None = None
    """tokens its statistics were taken over"""
    corpus: str | None = None
    """the dataset's name"""
    n_contexts: int | None = None
    """texts it was run over; most sources hold only some of them"""
    context_size: int | None = None
    """tokens of each, with those it leaves out"""
    dead: Sequence[int] = ()
    """features the source lists as never active"""
    absent: Sequence[str] = ()
    """what the source's format never holds, each in the words a page uses ("activations at the
    first position of a context")"""
    approximate: Sequence[str] = ()
    """what it rounds or samples, likewise ("density, rounded to 0.00001")"""
    source: dict[str, Any] = field(default_factory=dict)
    """the source's own settings, as they stand in its files"""


@dataclass(frozen=True)
class ForeignSource:
    """An opened source. Its features can be read again and again, each time from the files."""

    dictionary: ForeignDictionary
    features: Callable[[], Iterator[ForeignFeature]]
    """ascending by feature_index, one at a time, so that memory doesn't grow with their number;
    AtlasError naming file and line (or feature) of what can't be read"""


@dataclass(frozen=True)
class Importer:
    """One format other tools write."""

    #: How the command line calls it.
    name: str
    #: What lies in its folder, for a sentence.
    layout: str
    #: The dictionaries found at a path; AtlasError if it is no such folder or file.
    open: Callable[[Path], Sequence[ForeignSource]]
    #: How pages call it ("SAEDashboard"); the name above where it has no other.
    title: str = ""
