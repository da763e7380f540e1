"""What an atlas holds, one dataclass per thing; each field has its line with its unit.

The writer takes these records and the queries return them, so the two halves of the project share
no other vocabulary. `FeatureRecord` is a row of scalars (its fields are the columns of the table
`feature`); the `…Panel` and `…Group` records are packed (`stored_….py`). Fields that are ROUNDED,
and logits and scores besides, keep 16 significant bits (off by less than 0.0016%).
Positions count from the start of the context, BOS included; `context_id` is the row of the corpus
array. Knows no SQL and computes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from jaxtyping import Float, Int, Integer
from numpy import float32, ndarray, zeros

from app.db.stored.compact import ROUNDED

Group = Literal["top", "interval", "quantile", "silent", "near"]
GROUPS: tuple[Group, ...] = ("top", "interval", "quantile", "silent", "near")

RankingMode = Literal["fires", "rate", "promotes", "suppresses"]
RANKING_MODES: tuple[RankingMode, ...] = ("fires", "rate", "promotes", "suppresses")

LivesAs = Literal["", "point", "region"]
LIVES_AS: tuple[LivesAs, ...] = ("", "point", "region")
"""Neither word, point-like, region-like (`app/stats/summary_facts.py` has the rule)"""


@dataclass(frozen=True)
class ModelRecord:
    """One language model of the atlas."""

    model: str
    """slug: the first part of every address under it"""
    name: str
    """name or folder name the model was loaded by"""
    architecture: str
    """the model's own class, e.g. GPTNeoXForCausalLM; empty where only imports know of it"""
    n_layers: int | None
    d_model: int | None
    d_vocab: int
    """entries of the vocabulary, which `TokenRecord`s hold"""
    n_ctx: int | None
    """longest input, in tokens"""
    weights_hash: str
    tokenizer_hash: str
    imported: bool = False
    """whether no model was at hand: its vocabulary is then the texts other tools' files hold, or
    that of a tokenizer with such texts behind it, and grows with the next import"""


@dataclass(frozen=True)
class TokenRecord:
    """One entry of a model's vocabulary: the id, the exact text, and what it is good for."""

    token_id: int
    token: str
    r"""exact text; bytes that are not valid UTF-8 alone are escaped as \xNN"""
    piece: str
    """the vocabulary's own string for it"""
    token_bytes: bytes
    """exact bytes; empty where they are not known"""
    special: bool
    """BOS, EOS, padding or unknown: never counted, never an example"""
    producible: bool
    """id → text → id gives the id back"""


@dataclass(frozen=True)
class CorpusRecord:
    """The text a dictionary was run over, as contexts of equal length."""

    name: str
    source: str
    hash: str
    n_contexts: int
    context_size: int
    """tokens in a context, BOS included"""
    n_tokens: int | None
    """counted tokens, the N of every rate; None where an import's source doesn't say"""
    n_documents: int
    packing: str
    """packed, document, array (token ids used as they are), or examples: the texts of an import,
    of any length up to `context_size`"""
    prepend_bos: bool | None
    position_zero: str
    """what is done with position 0; printed on the pages"""
    first_position: int | None = 0
    """position in the model's input of the first token a stored context has; None where an
    import's source doesn't say: its positions then count from the text's own beginning"""
    settings: dict[str, Any] = field(default_factory=dict)
    """everything else the tokens stage was told"""

    @property
    def n_counted(self) -> int:
        """`n_tokens` of a corpus that a dictionary was run over here: it is known."""
        assert self.n_tokens is not None, "only imports don't know over how many tokens"
        return self.n_tokens


@dataclass(frozen=True)
class ContextRecord:
    """One stored context: its tokens and where its documents begin."""

    context_id: int
    token_ids: Integer[ndarray, " context_size"]
    document_ids: Int[ndarray, " context_size"]
    """row of the corpus' document list at every token; -1 for BOS, separators and padding"""


@dataclass(frozen=True)
class QualityRecord:
    """How well a dictionary reconstructs, in the model's scale; None where it was not measured."""

    l0: float | None = None
    """mean number of features active at a counted token"""
    mse: float | None = None
    """mean over counted tokens of ‖x − x̂‖² / d_in; of a transcoder x is what it predicts, and
    divided is by d_out"""
    explained_variance: float | None = None
    """1 − Σ‖x−x̂‖² / Σ‖x−x̄‖², pooled over the corpus"""
    cosine: float | None = None
    """mean cosine of x and x̂"""
    gamma: float | None = None
    """E‖x̂‖² / E[x·x̂]: below 1 the reconstruction is too short"""
    n_dead: int | None = None
    """features that never fired in n_tokens tokens"""
    n_dense_1: int | None = None
    """features firing on more than 1% of tokens"""
    n_dense_10: int | None = None
    """features firing on more than 10% of tokens"""
    ce_clean: float | None = None
    """next-token cross-entropy of the untouched model, nats"""
    ce_clean_error: float | None = None
    """standard error, contexts as the unit sampled; so are the other errors"""
    ce_spliced: float | None = None
    """the same with the reconstruction in place at counted positions, nats"""
    ce_spliced_error: float | None = None
    ce_zero_ablated: float | None = None
    """the same with zero in place, nats"""
    ce_zero_ablated_error: float | None = None
    ce_mean_ablated: float | None = None
    """the same with the corpus' mean activation in place, nats"""
    ce_mean_ablated_error: float | None = None
    delta_ce: float | None = None
    """ce_spliced − ce_clean, nats"""
    delta_ce_error: float | None = None
    """of the difference token by token"""
    kl: float | None = None
    """mean KL(clean ‖ spliced) of the next-token distribution, nats"""
    kl_error: float | None = None
    ce_recovered_mean: float | None = None
    """(CE_mean − CE_spliced) / (CE_mean − CE_clean), never clipped"""
    ce_recovered_zero: float | None = None
    """(CE_zero − CE_spliced) / (CE_zero − CE_clean), never clipped"""
    n_ce_tokens: int | None = None
    """target tokens behind the cross-entropies"""
    n_ce_contexts: int | None = None
    """contexts they come from"""
    spliced_positions: str | None = None
    """which positions were changed, in words"""


@dataclass(frozen=True)
class ImportRecord:
    """Where a dictionary came from that was not run here: another tool's files."""

    format: str
    """the importer's name, e.g. saedashboard"""
    title: str
    """how pages call it, e.g. SAEDashboard"""
    source: str
    """name of the file or folder"""
    model_name: str
    """how the source calls the model"""
    sae_name: str
    """and the dictionary"""
    n_features: int
    """features the source holds, so many rows the atlas has"""
    n_indices: int
    """one more than the largest feature_index among them"""
    absent: list[str] = field(default_factory=list)
    """what the source's format never holds, each in words"""
    approximate: list[str] = field(default_factory=list)
    """what it rounds or samples, likewise"""
    settings: dict[str, Any] = field(default_factory=dict)
    """the source's own"""


@dataclass(frozen=True)
class SaeRecord:
    """One dictionary of the atlas and how it was run."""

    model: str
    sae: str
    """slug: the second part of every address under it"""
    hook_name: str
    """empty where an import's source doesn't name it; so are the next two"""
    sae_format: str
    architecture: str
    d_in: int | None
    """None where an import's source doesn't say; so is the next"""
    d_sae: int | None
    """features of the dictionary; the atlas may hold fewer of an import, see `n_features`"""
    convention: str
    """which input scaling and decoder norms hold, in one line"""
    weights_hash: str
    linear_path: str
    """how the feature reaches the residual stream; empty where there is no linear path"""
    quality: QualityRecord
    n_tokens_unproducible: int
    """tokens left out of the adjusted logit lens: the tokenizer can't produce them"""
    n_tokens_outlier: int
    """tokens left out of it: unembedding norm more than 6 MAD above the median"""
    mean_final_norm_scale: float | None
    """mean of the final norm's denominator on the corpus; adjusted logit × mean activation / this
    is the average direct contribution in logits"""
    ablation: dict[str, Any]
    """settings of the ablated-text stage: examples, window, replacements; empty if skipped"""
    hidden_pre_sample: dict[str, Any]
    """which contexts the stored sample of hidden_pre covers"""
    recipe: dict[str, Any]
    """everything needed to make this dictionary's part again"""
    hook_name_out: str | None = None
    """the hook a transcoder predicts; None for an autoencoder"""
    d_out: int | None = None
    """width of what a transcoder writes; None for an autoencoder, whose d_in it is"""
    imported: ImportRecord | None = None
    """None where it was run here"""

    @property
    def width(self) -> int:
        """`d_in` of a dictionary that was run here: it is known."""
        assert self.d_in is not None, "only imports don't know their input's width"
        return self.d_in

    @property
    def n_features(self) -> int:
        """Features the atlas holds of it."""
        if self.imported is not None:
            return self.imported.n_features
        assert self.d_sae is not None, "a dictionary that was run has a size"
        return self.d_sae

    @property
    def n_indices(self) -> int:
        """One more than the largest feature_index the atlas holds of it."""
        return self.n_features if self.imported is None else self.imported.n_indices

    @property
    def has_gaps(self) -> bool:
        """Whether some feature_index below `n_indices` is not held."""
        return self.n_features < self.n_indices

    @property
    def output_hook(self) -> str:
        """The hook that the reconstruction stands for, and features write at."""
        return self.hook_name_out or self.hook_name

    @property
    def output_width(self) -> int:
        """Numbers of a decoder row."""
        return self.d_out or self.width

    @property
    def width_name(self) -> str:
        """What that number is called."""
        return "d_in" if self.d_out is None else "d_out"

    @property
    def place(self) -> str:
        """Its hook as pages name it, a transcoder's both."""
        if self.hook_name_out is None:
            return self.hook_name
        return f"{self.hook_name} → {self.hook_name_out}"


@dataclass(frozen=True)
class FeatureRecord:
    """The scalars of one feature: what lists sort and filter by. None where undefined."""

    feature_index: int
    n_active: int | None
    """counted tokens with activation > 0; 0 also where an import's source says it never fired, None
    where the source doesn't say how often, as all below"""
    density: float | None
    """n_active / N"""
    max_activation: float | None
    mean_activation: float | None
    """mean of the active values"""
    std_activation: float | None
    """population standard deviation of the active values"""
    skewness: float | None
    kurtosis: float | None
    """fourth standardised moment of the active values, 3 for a normal"""
    n_contexts_active: int | None
    decoder_norm: float | None
    """‖W_dec[f]‖"""
    threshold: float | None
    """the `hidden_pre` above which it fires; None where other features have a say (top-k)"""
    encoder_decoder_cosine: float | None
    top_token_id: int | None
    """token with the largest share of the feature's activation mass"""
    top_token_share: float | None
    """that share, 0 to 1"""
    top_token_rate: float | None
    """share of that token's occurrences on which the feature fires"""
    context_share: float | None
    """mean share of the activation left when only the peak token keeps its place and the text
    before it is filled from other contexts, over the top examples measured"""
    ablation_token_id: int | None
    """context token whose deletion lowers the peak most, averaged over the examples that have it"""
    ablation_token_effect: float | None
    """that mean effect as a share of the example's baseline; negative lowers"""
    run_length: float | None
    """mean number of consecutive firings"""
    span_fill: float | None
    """share of tokens between first and last firing on which it fires"""
    lives_as: int | None
    """place in `LIVES_AS`, by the summary's rule"""
    max_logit: float | None
    """largest adjusted direct logit per unit of activation"""
    position_zero_n_active: int | None
    """firings at position 0, kept apart from every other count"""
    position_zero_max: float | None
    """largest activation at position 0"""
    summary: list[list[str]]
    """the sentence as [kind, text] pieces; kind is text, number or token"""
    short: list[list[str]]
    """the short form, in the same pieces"""
    sparkline: bytes
    """the activation histogram's counts, 50 here, scaled to 0–255, any count at least 1; empty
    without a histogram"""
    ablation_strip: bytes
    """mean deletion effect at −16 … −1 and replacement at the peak (0), as signed bytes of percent
    of the baseline, −128 where not measured; empty when the feature has none"""
    top_tokens: list[int]
    """up to 3 token ids with the largest share of mass"""
    delta_ce: float | None = None
    """change of the next token's cross-entropy, nats, when it is removed at one of its firings;
    mean over firings"""
    kl: float | None = None
    """KL of the next token's distribution, with it ‖ without it, nats; the same mean"""
    pair_interaction: float | None = None
    """strongest interaction of two deletions on `hidden_pre`, as a share of it; mean over the
    examples taken apart; negative where either suffices, positive where both are needed"""
    region_lift: float | None = None
    """how often it fires 16 tokens after a firing, as a multiple of what each token's own rate
    gives, over five spans or more; None where not measured, as the next four"""
    near_share: float | None = None
    """share of the silent tokens inside its spans that were near to firing"""
    n_span_switches: int | None = None
    """neighbouring tokens inside its spans of which one fires and one is silent"""
    smoothed_share: float | None = None
    """share of these switches that are gone once activations are averaged over five tokens"""
    smoothed_share_shuffled: float | None = None
    """the same of its activations in random order inside each span"""
    nearest_cosine: float | None = None
    """signed cosine to the nearest other decoder row; this and all below are studies' findings,
    None where the study was skipped"""
    times_nearest: int | None = None
    """living features whose nearest neighbour it is"""
    neuron_share: float | None = None
    """share of its decoder row's L1 norm in the largest entry"""
    encoder_norm: float | None = None
    """‖W_enc[:, f]‖"""

    @property
    def never_fired(self) -> bool:
        """Whether it is known to fire nowhere in its corpus."""
        return self.n_active == 0


@dataclass(frozen=True)
class DirectionMap:
    """The decoder directions of a dictionary in two dimensions."""

    method: str
    """how the positions were made, in words"""
    positions: Float[ndarray, "d_sae 2"]
    """one row a feature, in the method's own unit; only their places to each other mean anything"""


def _no_edges() -> Float[ndarray, " 0"]:
    return zeros(0, dtype=float32)


@dataclass(frozen=True)
class HistogramPanel:
    """Activation histogram: bin j = (max·j/n, max·(j+1)/n]; the counts sum to n_active.

    An import's has the edges of its source, and what sums to what is the source's affair.
    """

    max_activation: float
    counts: Integer[ndarray, " n_bins"]
    """of tokens; millionths of all where an import's source has shares"""
    source_edges: Float[ndarray, " n_bins_plus_1"] = field(default_factory=_no_edges)
    """empty where the bins are those above"""
    in_millionths: int = 0
    """1 where the source has shares"""


@dataclass(frozen=True)
class LogitLensPanel:
    """Direct effect on the logits per unit of activation, strongest tokens and distribution.

    Of an import: what its source lists as raw, the rest empty and NaN; NaN too is an effect of
    which the source has the token alone.
    """

    raw_positive_ids: Integer[ndarray, " k"]
    raw_positive: Float[ndarray, " k"]
    raw_negative_ids: Integer[ndarray, " k"]
    raw_negative: Float[ndarray, " k"]
    adjusted_positive_ids: Integer[ndarray, " k"]
    adjusted_positive: Float[ndarray, " k"]
    adjusted_negative_ids: Integer[ndarray, " k"]
    adjusted_negative: Float[ndarray, " k"]
    histogram_edges: Float[ndarray, " n_bins_plus_1"]
    histogram_counts: Integer[ndarray, " n_bins"]
    mean: float
    """mean adjusted logit over the kept vocabulary before it was subtracted"""
    std: float
    skewness: float
    kurtosis: float
    """fourth standardised moment, 3 for a normal; NaN where all logits are equal"""


@dataclass(frozen=True)
class TokenPanel:
    """The feature's strongest tokens by share of its activation mass, and what is left out."""

    token_id: Integer[ndarray, " n"]
    n_active: Integer[ndarray, " n"]
    n_occurrences: Integer[ndarray, " n"]
    share: Annotated[Float[ndarray, " n"], ROUNDED]
    mean: Annotated[Float[ndarray, " n"], ROUNDED]
    max: Annotated[Float[ndarray, " n"], ROUNDED]
    n_token_ids: int
    """distinct tokens the feature fires on"""
    left_out_n_active: int
    """firings on tokens not listed"""
    left_out_share: float
    """their share of the activation mass"""


@dataclass(frozen=True)
class LocalityPanel:
    """Token or region: runs, lift over distance, spans. NaN where undefined."""

    run_length_counts: Integer[ndarray, " 8"]
    """runs of length 1 … 7, and 8 or more"""
    n_runs: int
    n_cut_runs: int
    """runs that touch an edge of their context"""
    run_length_mean: float
    run_length_median: float
    single_run_share: float
    lift: Annotated[Float[ndarray, " 64"], ROUNDED]
    """P(active at t+τ | active at t) / density for τ = 1 … 64"""
    lift_null: Annotated[Float[ndarray, " 64"], ROUNDED]
    """the same if each token id fired at its own rate, whatever its place"""
    n_null_sample: int
    """firings the null was averaged over"""
    firings_per_context: float
    span_fill: float
    n_spans: int
    n_sample_spans: int
    """spans in the contexts whose `hidden_pre` was kept; this and the next two are 0 where the
    feature has no threshold of its own"""
    n_span_silent: int
    """silent counted tokens inside them"""
    n_span_near: int
    """of these, those whose `hidden_pre` lies at most 10% of the mean active value below firing"""


@dataclass(frozen=True)
class PlacesPanel:
    """Where in contexts and documents the feature fires."""

    position_n_active: Integer[ndarray, " context_size"]
    position_n_tokens: Integer[ndarray, " context_size"]
    """counted tokens at every position of the corpus"""
    document_id: Integer[ndarray, " n"]
    """the documents with most firings, at most 10"""
    document_n_active: Integer[ndarray, " n"]
    document_n_tokens: Integer[ndarray, " n"]
    n_documents_active: int


@dataclass(frozen=True)
class NeighborPanel:
    """Nearest features by cosine of the decoder rows, signed, self excluded."""

    feature_index: Integer[ndarray, " n"]
    cosine_similarity: Annotated[Float[ndarray, " n"], ROUNDED]


@dataclass(frozen=True)
class CoactivePanel:
    """Features that fire on the same tokens, by Jaccard."""

    feature_index: Integer[ndarray, " n"]
    n_joint: Integer[ndarray, " n"]
    jaccard: Float[ndarray, " n"]
    lift: Float[ndarray, " n"]
    p_other_given_this: Float[ndarray, " n"]
    p_this_given_other: Float[ndarray, " n"]
    n_tokens: int
    """tokens the joint counts were taken over"""


@dataclass(frozen=True)
class FeaturePanels:
    """All packed panels of one feature; None where the job had nothing to measure."""

    histogram: HistogramPanel | None
    logit_lens: LogitLensPanel | None
    tokens: TokenPanel | None
    locality: LocalityPanel | None
    places: PlacesPanel | None
    neighbors: NeighborPanel | None
    coactive: CoactivePanel | None


@dataclass(frozen=True)
class ExampleGroup:
    """The examples of one group, in rank order, with the activations in their contexts."""

    context_id: Integer[ndarray, " n"]
    position: Integer[ndarray, " n"]
    """of the peak (for silent examples and near misses: of the token where it did not fire)"""
    activation: Float[ndarray, " n"]
    hidden_pre: Float[ndarray, " n"]
    """pre-activation at the position; NaN where not measured"""
    band: Integer[ndarray, " n"]
    """row of the bands below; -1 for groups without bands"""
    repeats: Integer[ndarray, " n"]
    """contexts whose window up to the peak is identical, this one included"""
    window_start: Integer[ndarray, " n"]
    window_stop: Integer[ndarray, " n"]
    """exclusive"""
    firing_indptr: Integer[ndarray, " n_plus_1"]
    firing_position: Integer[ndarray, " m"]
    """positions with activation > 0 in the whole context, not only in the window, ascending,
    example by example"""
    firing_activation: Float[ndarray, " m"]
    band_low: Float[ndarray, " b"]
    """activation, exclusive (interval) or inclusive (quantile)"""
    band_high: Float[ndarray, " b"]
    band_n_active: Integer[ndarray, " b"]
    """-1 where an import's source doesn't say"""
    band_share: Float[ndarray, " b"]
    """exact share of the active tokens in the band; NaN where an import's source doesn't say"""
    n_candidates: int
    """silent: all occurrences it was drawn from; near: silent tokens of the sample; else the
    contexts or firings there were; -1 of an import"""


@dataclass(frozen=True)
class AblationGroup:
    """Ablated text of the examples of one group that have it.

    Effects are activation (hidden_pre) with the change minus without it.
    """

    rank: Integer[ndarray, " a"]
    """row in the example group, from 0"""
    baseline: Float[ndarray, " a"]
    hidden_pre_baseline: Float[ndarray, " a"]
    delete_indptr: Integer[ndarray, " a_plus_1"]
    delete_position: Integer[ndarray, " d"]
    delete_effect: Float[ndarray, " d"]
    delete_hidden_pre_effect: Float[ndarray, " d"]
    replace_indptr: Integer[ndarray, " a_plus_1"]
    replace_position: Integer[ndarray, " r"]
    replace_effect: Float[ndarray, " r"]
    replace_hidden_pre_effect: Float[ndarray, " r"]
    kept: Integer[ndarray, " k"]
    """tokens before the peak that keep their places, with the peak"""
    context_filled: Float[ndarray, "a k"]
    """share of the baseline left, text before filled from other contexts; NaN where nothing is
    left to fill or the example was not measured"""
    context_truncated: Float[ndarray, "a k"]
    """the same with the text before cut off: moves it to the start of a document"""


@dataclass(frozen=True)
class TokenRanking:
    """The strongest features of one token under one ranking."""

    feature_index: Integer[ndarray, " n"]
    score: Float[ndarray, " n"]
    """fires: share of the feature's mass; rate: n_active / occurrences; promotes, suppresses:
    adjusted logit"""
    share: Float[ndarray, " n"]
    """share of the feature's mass (empty for logits)"""
    n_active: Integer[ndarray, " n"]
    """firings of the feature on the token (empty for logits)"""
    n_total: int
    """features with any score here; those beyond the listed are left out"""


@dataclass(frozen=True)
class FeatureBundle:
    """Everything the job writes about one feature."""

    record: FeatureRecord
    panels: FeaturePanels
    examples: Mapping[Group, ExampleGroup]
    ablations: Mapping[Group, AblationGroup]
