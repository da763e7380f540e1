"""What a study is to the job: pieces, a task, a price, and what is stored of what it found.

Knows no study.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from jaxtyping import Shaped
from numpy import ndarray

from app.db.studies import StudyRecord
from app.precompute.drivers.driver import Piece, Task
from app.precompute.preparation import Run
from app.precompute.studies.catalog import Listed
from app.precompute.workplace.findings import Findings


@dataclass(frozen=True)
class Price:
    """What a study costs; said before it is spent."""

    n_tokens: int = 0
    """tokens of forward pass through the model, at most"""
    words: str = ""
    """of what, in a few words: "64 contexts with each of 12 dictionaries"; what it costs besides"""


@dataclass(frozen=True)
class Harvest:
    """What a study found, as it is stored."""

    of_dictionaries: Mapping[str, StudyRecord] = field(default_factory=dict)
    """by dictionary of the run"""
    of_pairs: Mapping[tuple[str, str], StudyRecord] = field(default_factory=dict)
    """by two dictionaries of the atlas: the record belongs to the first"""
    of_features: Mapping[str, Sequence[tuple[int, StudyRecord]]] = field(default_factory=dict)
    """by dictionary of the run: (feature_index, record), ascending"""
    columns: Mapping[str, Mapping[str, Shaped[ndarray, " d_sae"]]] = field(default_factory=dict)
    """by dictionary of the run: columns of `FeatureRecord`, NaN where undefined"""


@dataclass(frozen=True)
class Study:
    """How one study is done."""

    listed: Listed
    unit: str
    """what its pieces count, for progress: "contexts", "features" """
    task: Task
    price: Callable[[Run], Price]
    """before any stage has run"""
    pieces: Callable[[Run, Findings], Sequence[Piece]]
    """once all stages it reads from are done; none where there is nothing to measure. Its stage is
    `listed.name`, of all dictionaries together"""
    harvest: Callable[[Run, Findings], Harvest]
    """from the results of its pieces, `findings.of(listed.name)`"""
