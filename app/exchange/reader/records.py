"""What the reader gives, one dataclass for each thing; each field has its line with its unit.

Positions count from the start of the context, BOS included; indices from the first token that is
stored, which is the same but for imports. What an atlas doesn't have is None (or an empty tuple),
never a number that stands for it. Knows no database.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Float64, Int64

from app.db.records import FeatureRecord, Group


@dataclass(frozen=True)
class Histogram:
    """Counts over edges."""

    edges: Float64[np.ndarray, " n_bins_plus_1"]
    counts: Int64[np.ndarray, " n_bins"] | Float64[np.ndarray, " n_bins"]
    """shares where an import's source has these"""

    @property
    def centers(self) -> Float64[np.ndarray, " n_bins"]:
        """The middle of each bin."""
        return (self.edges[:-1] + self.edges[1:]) / 2


@dataclass(frozen=True)
class TokenLogit:
    """A token and what the feature does to its logit."""

    token_id: int | None
    """None where an import's source gives none"""
    token: str
    logit: float | None
    """per unit of activation; None where only the token is known"""


@dataclass(frozen=True)
class Logits:
    """The tokens a feature promotes and suppresses most."""

    positive: tuple[TokenLogit, ...]
    """largest first"""
    negative: tuple[TokenLogit, ...]
    """smallest first"""


@dataclass(frozen=True)
class LogitLens:
    """Direct effect on the logits per unit of activation; effects through later layers aside."""

    raw: Logits
    """W_dec[f] · W_U"""
    adjusted: Logits
    """with the final norm's gain, centred, odd tokens left out, minus the mean"""
    imported: Logits
    """as an import's files have them, which don't say what was subtracted; it has no others"""
    histogram: Histogram | None
    """of the adjusted logits over the kept vocabulary; an import's is its source's own"""
    std: float | None
    """of the adjusted logits, as the next two"""
    skewness: float | None
    kurtosis: float | None
    """fourth standardised moment, 3 for a normal"""


@dataclass(frozen=True)
class TokenStatistic:
    """How a feature stands to one token."""

    token_id: int | None
    """None where an import's source gives none"""
    token: str
    n_active: int
    """firings on it"""
    n_occurrences: int | None
    """of the token in the corpus, counted positions"""
    share: float | None
    """of the feature's activation mass, 0 to 1"""
    mean: float | None
    """activation where it fires on the token"""
    max: float | None

    @property
    def rate(self) -> float | None:
        """Share of the token's occurrences on which the feature fires."""
        return self.n_active / self.n_occurrences if self.n_occurrences else None


@dataclass(frozen=True)
class Band:
    """The range of activations an example was drawn from."""

    number: int
    """from 0 for the weakest"""
    low: float
    high: float
    n_active: int | None
    """firings in it"""
    share: float | None
    """of the feature's firings, 0 to 1"""


@dataclass(frozen=True)
class Effects:
    """Changes one at a time: activation (hidden_pre) with the change minus without it."""

    positions: Int64[np.ndarray, " n"]
    """of the tokens changed"""
    activation: Float32[np.ndarray, " n"]
    hidden_pre: Float32[np.ndarray, " n"]


@dataclass(frozen=True)
class Ablation:
    """The ablated text of one example."""

    baseline: float
    """activation at the peak without a change"""
    hidden_pre_baseline: float
    delete: Effects
    """each earlier token deleted"""
    replace: Effects
    """each earlier token, and the peak, replaced by others of the corpus"""
    kept: Int64[np.ndarray, " k"]
    """tokens before the peak that keep their places; empty where it was not measured"""
    context_filled: Float32[np.ndarray, " k"]
    """share of the baseline left, text before filled from other contexts; NaN where not measured"""
    context_truncated: Float32[np.ndarray, " k"]
    """the same with the text before cut off"""


@dataclass(frozen=True)
class Context:
    """One stored context with the feature's activations on it."""

    context_id: int
    """row of the corpus array; of an import by order of appearance"""
    first_position: int | None
    """of its first token: 0, but for imports; None where an import's source doesn't say"""
    token_ids: tuple[int | None, ...]
    """None for a token to which an import's source gives no id"""
    tokens: tuple[str, ...]
    """exact texts; bytes that are no text alone are escaped as \\xNN"""
    document_ids: Int64[np.ndarray, " context_size"]
    """-1 for BOS, separators and padding"""


@dataclass(frozen=True)
class Example:
    """One text of a feature. The window is what pages show; the whole context is there too."""

    group: Group
    """top, interval, quantile, silent or near"""
    rank: int
    """place in its group, from 0"""
    context: Context
    token_index: int
    """of the token it was chosen for, in `context.tokens`"""
    activation: float
    """there; 0 for silent examples and near misses"""
    hidden_pre: float | None
    """pre-activation there"""
    band: Band | None
    repeats: int
    """contexts whose window up to the peak is the same, this one included"""
    document: str | None
    """name of what the token stands in"""
    window_start: int
    """its first token, in `context.tokens`"""
    window_stop: int
    """exclusive"""
    firing_indices: Int64[np.ndarray, " n_firings"]
    """every firing in `context.tokens`, ascending; position 0 is not counted"""
    firing_activations: Float32[np.ndarray, " n_firings"]
    ablation: Ablation | None

    @property
    def position(self) -> int | None:
        """Of the token it was chosen for; None where an import's source doesn't say."""
        return self._position(self.token_index)

    @property
    def window_position(self) -> int | None:
        """Of the window's first token; likewise."""
        return self._position(self.window_start)

    def _position(self, index: int) -> int | None:
        first = self.context.first_position
        return None if first is None else first + index

    @cached_property
    def context_activations(self) -> Float32[np.ndarray, " context_size"]:
        """On every token of the context; 0 where it doesn't fire, and at position 0."""
        values = np.zeros(len(self.context.tokens), np.float32)
        values[self.firing_indices] = self.firing_activations
        return values

    @property
    def token_ids(self) -> tuple[int | None, ...]:
        """Of the window."""
        return self.context.token_ids[self.window_start : self.window_stop]

    @property
    def tokens(self) -> tuple[str, ...]:
        """Texts of the window."""
        return self.context.tokens[self.window_start : self.window_stop]

    @property
    def activations(self) -> Float32[np.ndarray, " n"]:
        """On the tokens of the window."""
        return self.context_activations[self.window_start : self.window_stop]

    @property
    def text(self) -> str:
        """The window in one piece."""
        return "".join(self.tokens)


@dataclass(frozen=True)
class Neighbor:
    """A feature whose decoder row points the same way."""

    feature_index: int
    cosine_similarity: float


@dataclass(frozen=True)
class Coactive:
    """A feature that fires on the same tokens."""

    feature_index: int
    n_joint: int
    """tokens on which both fire"""
    jaccard: float
    lift: float
    """joint firings as a multiple of what chance gives"""


@dataclass(frozen=True)
class Feature:
    """One feature with everything the atlas has about it."""

    model: str
    sae: str
    statistics: FeatureRecord
    """the scalars lists sort by; see `app.db.records.FeatureRecord`"""
    histogram: Histogram | None
    """of the active values, (0, max] in bins of equal width; the counts sum to `n_active`. An
    import's is its source's own"""
    logit_lens: LogitLens | None
    tokens: tuple[TokenStatistic, ...]
    """the strongest by share of the activation mass, at most 64"""
    neighbors: tuple[Neighbor, ...]
    """nearest first"""
    coactive: tuple[Coactive, ...]
    """by Jaccard"""
    examples: tuple[Example, ...]
    """group by group, in rank order"""

    @property
    def feature_index(self) -> int:
        """Its number in the dictionary."""
        return self.statistics.feature_index

    @property
    def summary(self) -> str:
        """The sentence made from its numbers; empty where there is none."""
        return "".join(text for _, text in self.statistics.summary)

    def group(self, name: Group) -> tuple[Example, ...]:
        """The examples of one group, in rank order."""
        return tuple(example for example in self.examples if example.group == name)

    @property
    def top_examples(self) -> tuple[Example, ...]:
        """The contexts with the largest activation in them."""
        return self.group("top")
