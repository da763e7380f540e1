"""What a notebook holds, one dataclass for each thing. Knows neither SQL nor pages."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["label", "note", "list", "entry"]
Action = Literal["made", "changed", "withdrawn", "restored", "imported"]


@dataclass(frozen=True)
class Subject:
    """A feature something is written about, and the dictionary it was then a feature of."""

    model: str
    sae: str
    feature_index: int
    weights_hash: str


@dataclass(frozen=True, kw_only=True)
class Written:
    """What everything that people edit carries."""

    uid: str
    """32 hexadecimal digits, the same in every notebook it is imported into"""
    version: int
    """1 for what nobody has changed; every edit names the version it saw"""
    author: str
    """who wrote it first"""
    created_at: str
    """UTC, 2026-03-01T12:00:00.000Z; so are all times"""
    changed_by: str
    changed_at: str
    withdrawn: bool
    """taken back: kept, with its history, and shown nowhere else"""


@dataclass(frozen=True, kw_only=True)
class _About(Written):
    model: str
    sae: str
    feature_index: int
    weights_hash: str
    """of the dictionary it was written about"""

    @property
    def subject(self) -> Subject:
        """The feature it is about."""
        return Subject(self.model, self.sae, self.feature_index, self.weights_hash)


@dataclass(frozen=True, kw_only=True)
class Label(_About):
    """What a feature is believed to be, in a few words."""

    text: str
    reading: str = ""
    """the claim as an expression that can be tested; empty without one"""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """how the reading did when the label was written; see `Evidence`"""
    source: str = ""
    """where it was imported from, or what wrote it; empty for people here"""
    explainer: str = ""
    """the language model that wrote it"""
    prompt_version: str = ""
    score: float | None = None
    """as its source scored it"""
    score_kind: str = ""
    """what the score is: detection, fuzzing, …"""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """by kind: counts and shares, or under `absent` why there is none; see `TestResult`"""

    @property
    def by_person(self) -> bool:
        """Written here by somebody, not imported and not by a program."""
        return not self.source and not self.explainer


@dataclass(frozen=True)
class Naming:
    """What of a label names its feature."""

    feature_index: int
    uid: str
    text: str
    author: str
    changed_at: str
    by_person: bool
    weights_hash: str


@dataclass(frozen=True)
class Evidence:
    """A reading's score when a label was written; None where a share had no base."""

    precision: float | None
    recall: float | None
    activation_explained: float | None
    """share of the sum of activations on tokens the reading says yes to"""
    f1: float | None
    by_chance: float | None
    """density among the tokens looked at: precision of saying yes at random"""
    n_tokens: int
    """counted tokens looked at"""
    n_says_yes: int
    n_fires: int
    n_both: int
    corpus_hash: str

    def as_json(self) -> dict[str, Any]:
        """As a label keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class TestResult:
    """What a language model that was given only a label's text said of texts kept from it."""

    __test__ = False  # no test of pytest's

    balanced_accuracy: float
    """mean of the shares it got right of texts with the feature and of those without"""
    precision: float | None
    """of those it said yes to, the share with the feature; None where it never did"""
    recall: float
    true_positives: int
    false_negatives: int
    false_positives: int
    true_negatives: int
    by_band: list[list[int]]
    """of texts with the feature: said yes, out of; by fifths of its range, the weakest first"""
    by_kind: dict[str, list[int]]
    """of texts without it: said no, out of; by what they are"""
    scorer: str
    """the language model that was asked"""
    scored_at: str

    def as_json(self) -> dict[str, Any]:
        """As a label keeps it."""
        return asdict(self)


State = Literal["done", "unscored", "unanswered"]


@dataclass(frozen=True)
class Explanation:
    """How far a feature is under some settings of `feature-atlas explain`."""

    settings_hash: str
    state: State
    """done; explained, but a score is still to be asked for; or not even explained"""
    reason: str
    """why it isn't done"""
    label_uid: str
    """empty while there is none"""
    split: Mapping[str, Any]
    """places [context_id, position] of the texts shown and of those kept from the explainer"""
    run_id: str
    changed_at: str


@dataclass(frozen=True, kw_only=True)
class Note(_About):
    """Something longer about a feature, in Markdown."""

    text: str


@dataclass(frozen=True, kw_only=True)
class FeatureList(Written):
    """A list of features under a name of its own."""

    slug: str
    """its address; never changes"""
    title: str
    text: str
    """what it is for, in Markdown"""


@dataclass(frozen=True, kw_only=True)
class Entry(_About):
    """One feature of a list."""

    list_uid: str
    remark: str


@dataclass(frozen=True)
class Star:
    """A feature somebody marked for themselves."""

    author: str
    model: str
    sae: str
    feature_index: int
    weights_hash: str
    created_at: str


@dataclass(frozen=True)
class Shown:
    """Which label of a feature somebody chose; without a choice `label_uid` is empty."""

    label_uid: str = ""
    version: int = 0
    """0 where nobody ever chose"""
    changed_by: str = ""
    changed_at: str = ""


@dataclass(frozen=True)
class Revision:
    """One change of one thing."""

    revision_id: int
    kind: str
    uid: str
    version: int
    action: str
    author: str
    at: str
    record: Mapping[str, Any]
    """the whole thing after it"""
