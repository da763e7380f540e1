"""The table `features`: one row a feature, every scalar an atlas has about it."""

from collections.abc import Iterator

from app.db.records import LIVES_AS
from app.exchange.reader.feature import known
from app.exchange.reader.records import Feature
from app.exchange.tables.columns import FEATURE_KEY, Column, Row, Table, key_of

_ACTIVATION, _SHARE, _NATS = "activation", "share, 0 to 1", "nats"
_TOKENS = "tokens"

SCALARS = (
    Column("n_active", "int", _TOKENS, "counted tokens with activation > 0"),
    Column("density", "float", _SHARE, "n_active / counted tokens of the corpus"),
    Column("max_activation", "float", _ACTIVATION, "largest activation"),
    Column("mean_activation", "float", _ACTIVATION, "mean of the active values"),
    Column("std_activation", "float", _ACTIVATION, "population standard deviation of them"),
    Column("skewness", "float", "", "third standardised moment of them"),
    Column("kurtosis", "float", "", "fourth standardised moment of them, 3 for a normal"),
    Column("n_contexts_active", "int", "contexts", "contexts it fires in"),
    Column("decoder_norm", "float", "", "norm of the decoder row"),
    Column("encoder_norm", "float", "", "norm of the encoder column"),
    Column("threshold", "float", "hidden_pre", "above which it fires; none under top-k"),
    Column("encoder_decoder_cosine", "float", "cosine", "of encoder column and decoder row"),
    Column("top_token_id", "int", "", "token with the largest share of the activation mass"),
    Column("top_token_share", "float", _SHARE, "that share"),
    Column("top_token_rate", "float", _SHARE, "of that token's occurrences on which it fires"),
    Column("context_share", "float", _SHARE, "mean share of the activation left when only the "
           "peak token keeps its place"),
    Column("ablation_token_id", "int", "", "context token whose deletion lowers the peak most"),
    Column("ablation_token_effect", "float", "share of the baseline", "its mean effect"),
    Column("run_length", "float", _TOKENS, "mean number of consecutive firings"),
    Column("span_fill", "float", _SHARE, "of tokens between first and last firing on which it "
           "fires"),
    Column("max_logit", "float", "logits per activation", "largest adjusted direct logit; of an "
           "import as its files have them"),
    Column("position_zero_n_active", "int", _TOKENS, "firings at position 0, in no other count"),
    Column("position_zero_max", "float", _ACTIVATION, "largest activation at position 0"),
    Column("delta_ce", "float", _NATS, "change of the next token's cross-entropy when it is "
           "removed at a firing, mean"),
    Column("kl", "float", _NATS, "KL of the next token's distribution, with it ‖ without it"),
    Column("pair_interaction", "float", "share of hidden_pre", "strongest interaction of two "
           "deletions; negative where either suffices"),
    Column("region_lift", "float", "", "how often it fires 16 tokens after a firing, as a multiple "
           "of what each token's own rate gives"),
    Column("near_share", "float", _SHARE, "of the silent tokens inside its spans that were near "
           "to firing"),
    Column("n_span_switches", "int", "pairs of tokens", "inside its spans, one firing and one "
           "silent"),
    Column("smoothed_share", "float", _SHARE, "of these gone once activations are averaged over "
           "five tokens"),
    Column("smoothed_share_shuffled", "float", _SHARE, "the same in random order"),
    Column("nearest_cosine", "float", "cosine", "to the nearest other decoder row"),
    Column("times_nearest", "int", "features", "living features whose nearest it is"),
    Column("neuron_share", "float", _SHARE, "of the decoder row's L1 norm in its largest entry"),
)  # fmt: skip
"""Fields of `app.db.records.FeatureRecord` under their own names."""

COLUMNS = (
    *FEATURE_KEY,
    *SCALARS,
    Column("lives_as", "text", "", "point or region, where the summary's rule says so"),
    Column("top_token", "text", "", "text of top_token_id"),
    Column("summary", "text", "", "the sentence made from its numbers"),
    Column("histogram_edges", "numbers", _ACTIVATION, "of the bins of the activation histogram"),
    Column("histogram_counts", "numbers", _TOKENS, "active values in each bin; shares where an "
           "import's source has these"),
    Column("logit_std", "float", "logits per activation", "standard deviation of the adjusted "
           "logits"),
    Column("logit_skewness", "float", "", "their third standardised moment"),
    Column("logit_kurtosis", "float", "", "their fourth one, 3 for a normal"),
)  # fmt: skip


def _rows(feature: Feature) -> Iterator[Row]:
    record, histogram, lens = feature.statistics, feature.histogram, feature.logit_lens
    strongest = {one.token_id: one.token for one in feature.tokens}
    top = record.top_token_id
    yield {
        **key_of(feature),
        **{column.name: _scalar(getattr(record, column.name), column) for column in SCALARS},
        "lives_as": LIVES_AS[record.lives_as or 0] or None,
        "top_token": None if top is None else strongest.get(top),
        "summary": feature.summary or None,
        "histogram_edges": None if histogram is None else histogram.edges.tolist(),
        "histogram_counts": None if histogram is None else histogram.counts.tolist(),
        "logit_std": None if lens is None else lens.std,
        "logit_skewness": None if lens is None else lens.skewness,
        "logit_kurtosis": None if lens is None else lens.kurtosis,
    }


def _scalar(value: float | None, column: Column) -> float | int | None:
    if column.kind == "int":
        return None if value is None else int(value)
    return known(value)


FEATURES = Table("features", "One row a feature, dead ones included.", COLUMNS, _rows)
