"""What can be asked of the model and what it answers: the bodies of requests, here and over HTTP.

Positions count from the start of the text as the model sees it, BOS included; log-probabilities are
natural logarithms. A text is tokenized as the job does it, with BOS where the contexts of the
dictionary's corpus begin with one; `token_ids` are taken as they are. Knows no model.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["activations", "ablation", "top", "steer"]
Measure = Literal["ablation", "context", "blocks", "pairs", "minimal"]
MEASURES: tuple[Measure, ...] = ("ablation", "context", "blocks", "pairs", "minimal")

MOST_CHARACTERS = 20_000
"""of a text; how many tokens it may have is a setting"""

FeatureIndex = Annotated[int, Field(ge=0, lt=2**31)]
Address = Annotated[str, Field(max_length=200, pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")]


class Body(BaseModel):
    """Strict about names; every field says what it is."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class Asked(Body):
    """A text for the model."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["text"]}, {"required": ["token_ids"]}]}
    )

    text: str | None = Field(default=None, max_length=MOST_CHARACTERS)
    """the text itself"""
    token_ids: list[Annotated[int, Field(ge=0, lt=2**31)]] | None = Field(
        default=None, max_length=MOST_CHARACTERS
    )
    """instead of a text: what the model reads, BOS included"""

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if (self.text is None) == (self.token_ids is None):
            raise ValueError("Give either text or token_ids.")
        return self


class ActivationsAsked(Asked):
    """Features of one dictionary on every token of a text."""

    sae: Address
    """`model/sae`"""
    features: list[FeatureIndex] = Field(min_length=1, max_length=64)
    """feature_index of each"""
    at: int | None = Field(default=None, ge=0)
    """position whose next tokens are predicted; by default the last"""
    n_predictions: int = Field(default=10, ge=0, le=50)
    """most likely next tokens listed"""


class AblationAsked(Asked):
    """What one feature's activation at one token rests on."""

    sae: Address
    """`model/sae`"""
    feature_index: FeatureIndex
    position: int | None = Field(default=None, ge=0)
    """the token; by default the one with the largest activation"""
    measures: list[Measure] = Field(default=["ablation"], min_length=1, max_length=5)
    """ablation: each token before it deleted, and replaced; context: how many tokens before it
    are enough; blocks: all occurrences of a token at once, and contiguous blocks; pairs: two
    tokens at once; minimal: the least text that keeps 80% of the activation"""


class TopAsked(Asked):
    """The features that fire on a text."""

    saes: list[Address] = Field(min_length=1, max_length=64)
    """dictionaries `model/sae` of one model"""
    start: int | None = Field(default=None, ge=0)
    """first position looked at; by default the first"""
    stop: int | None = Field(default=None, ge=0)
    """position behind the last; by default the end"""
    sort: Literal["activation", "share", "rarity"] = "activation"
    """activation; activation over the feature's largest in its corpus; or density, rarest first"""
    max_density: float = Field(default=1.0, ge=0, le=1)
    """features that fire on a larger share of the corpus are left out"""
    size: int = Field(default=50, ge=1, le=200)


class Change(Body):
    """One feature held or pushed."""

    sae: Address
    """`model/sae`"""
    feature_index: FeatureIndex
    how: Literal["add", "clamp"] = "add"
    """add so much to it, or clamp it to so much"""
    strength: float = Field(ge=-1e6, le=1e6)
    """in units of the activation"""


class SteerAsked(Asked):
    """A text continued by the model, and by the model with some features changed."""

    changes: list[Change] = Field(min_length=1, max_length=8)
    """all at once; features of one model"""
    n_tokens: int = Field(default=32, ge=1, le=256)
    """most tokens written; the server may have a lower limit"""
    temperature: float = Field(default=1.0, ge=0, le=5)
    """0 always takes the likeliest token"""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """both continuations draw with the same random numbers"""
    positions: Literal["end", "all"] = "end"
    """changed are the prompt's last token and all that is written, or every token but the first"""


class Answer(BaseModel):
    """Base of what is answered."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Read(Answer):
    """The text as the model read it."""

    token_ids: list[int]
    tokens: list[str]
    """exact texts; bytes that are no text alone are escaped"""
    counted: list[bool]
    """false where the atlas' statistics count nothing: position 0 and special tokens"""


class FeatureRead(Answer):
    """One feature on every token."""

    feature_index: int
    activations: list[float]
    hidden_pre: list[float]
    """before ReLU, threshold or top-k"""


class Prediction(Answer):
    """One possible next token."""

    token_id: int
    token: str
    log_prob: float


class ActivationsAnswer(Read):
    """Activations, and what the model expected."""

    log_probs: list[float | None]
    """of each token after those before it; none for the first"""
    features: list[FeatureRead]
    at: int
    """position whose next tokens were predicted"""
    predictions: list[Prediction]
    """most likely first"""


class Effects(Answer):
    """Tokens before the peak changed one at a time; differences are changed minus unchanged."""

    mode: Literal["delete", "replace"]
    positions: list[int]
    effects: list[float]
    """of the activation"""
    hidden_pre_effects: list[float]


class ContextLeft(Answer):
    """What is left when only the last tokens are kept."""

    kept: list[int]
    """tokens kept before the peak"""
    activation_share: list[float | None]
    """of the baseline, what is before them filled with other text; null where the corpus' contexts
    are not at hand"""
    truncated_share: list[float | None]
    """the same, cut off"""


class Removal(Answer):
    """Several tokens deleted at once."""

    positions: list[int]
    effect: float
    """on the activation"""
    hidden_pre_effect: float


class Block(Removal):
    """A contiguous block."""

    parts: float
    """sum of the effects on hidden_pre of its tokens, each deleted alone"""
    joint: bool
    """deleting it costs more than its parts: it was halved"""
    smallest: bool
    """joint, and neither half is"""


class Blocks(Answer):
    """Every occurrence of a token at once, and contiguous blocks."""

    occurrences: list[Removal]
    """tokens that stand there several times, strongest loss first"""
    blocks: list[Block]
    """from the whole window down"""


class Pairs(Answer):
    """Two of the last tokens deleted: what is more or less than the sum of both."""

    positions: list[int]
    interactions: list[list[float]]
    """effect of both − effect of one − effect of the other, on hidden_pre; negative where either
    suffices, positive where the loss of one already takes all. The diagonal is 0"""


class Minimal(Answer):
    """The least text that keeps most of the activation."""

    share: float
    """that was to be kept"""
    suffix: list[int]
    """positions of the shortest end of the text that keeps it"""
    suffix_share: float
    fewest: list[int] | None
    """positions left after one token after the other was taken away, each time the one that costs
    least (greedy: there may be a shorter one); null where the suffix is too long to try"""
    fewest_share: float | None


class AblationAnswer(Read):
    """One feature at one token, and what was asked to be measured."""

    feature_index: int
    position: int
    baseline: float
    """activation with nothing changed"""
    hidden_pre_baseline: float
    activations: list[float]
    """on every token of the text"""
    ablation: list[Effects] | None = None
    context: ContextLeft | None = None
    blocks: Blocks | None = None
    pairs: Pairs | None = None
    minimal: Minimal | None = None
    silent: bool = False
    """the feature does not fire there, so nothing was measured that is a share of it"""


class TopFeature(Answer):
    """One feature on a text."""

    sae: str
    feature_index: int
    activation: float
    """its largest in the span"""
    position: int
    """where"""
    share: float | None
    """of its largest activation in the corpus; may be above 1"""
    density: float
    n_positions: int
    """counted tokens of the span on which it fires"""


class TopAnswer(Read):
    """The strongest features of a span."""

    start: int
    stop: int
    n_firing: int
    """features that fire anywhere in the span, over all dictionaries"""
    n_dense: int
    """of these, left out as too dense"""
    features: list[TopFeature]


class Written(Answer):
    """One token of a continuation."""

    token_id: int
    token: str
    log_prob: float
    """under the untouched model"""
    steered_log_prob: float
    """under the changed one"""


class SteerAnswer(Read):
    """The prompt and both continuations; an end of text ends one early."""

    plain: list[Written]
    steered: list[Written]
