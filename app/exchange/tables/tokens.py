"""The tables `tokens` (what a feature fires on) and `logits` (what it promotes and suppresses)."""

from collections.abc import Iterator

from app.exchange.reader.records import Feature
from app.exchange.tables.columns import FEATURE_KEY, Column, Row, Table, key_of

_ACTIVATION, _SHARE = "activation", "share, 0 to 1"
_TOKEN = (
    Column(
        "token_id",
        "int",
        "",
        "of the vocabulary; null where imported files give none",
    ),
    Column("token", "text", "", "its exact text; bytes that are no text alone as \\xNN"),
)


def _tokens(feature: Feature) -> Iterator[Row]:
    key = key_of(feature)
    for rank, one in enumerate(feature.tokens):
        yield {**key, "rank": rank, **vars(one), "rate": one.rate}


TOKENS = Table(
    "tokens",
    "The feature's strongest tokens by share of its activation mass, at most 64.",
    (
        *FEATURE_KEY,
        Column("rank", "int", "", "by share, from 0"),
        *_TOKEN,
        Column("n_active", "int", "tokens", "firings on it"),
        Column("n_occurrences", "int", "tokens", "of it in the corpus, counted positions"),
        Column("rate", "float", _SHARE, "n_active / n_occurrences"),
        Column("share", "float", _SHARE, "of the feature's activation mass"),
        Column("mean", "float", _ACTIVATION, "where it fires on the token"),
        Column("max", "float", _ACTIVATION, "on the token"),
    ),
    _tokens,
)


def _logits(feature: Feature) -> Iterator[Row]:
    lens = feature.logit_lens
    if lens is None:
        return
    key = key_of(feature)
    scales = (("adjusted", lens.adjusted), ("raw", lens.raw), ("as imported", lens.imported))
    for scale, found in scales:
        for side, tokens in (("promoted", found.positive), ("suppressed", found.negative)):
            for rank, one in enumerate(tokens):
                yield {**key, "scale": scale, "side": side, "rank": rank, **vars(one)}


LOGITS = Table(
    "logits",
    "Tokens whose logits the feature raises and lowers most, by the direct path.",
    (
        *FEATURE_KEY,
        Column("scale", "text", "", "adjusted (final norm's gain, centred, minus the mean), raw "
               "(W_dec · W_U) or as imported (what was subtracted isn't known)"),
        Column("side", "text", "", "promoted or suppressed"),
        Column("rank", "int", "", "from 0 for the strongest"),
        *_TOKEN,
        Column("logit", "float", "logits per activation", "direct effect"),
    ),
    _logits,
)  # fmt: skip
