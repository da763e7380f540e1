"""The tables `neighbors` (the same direction) and `coactive` (the same tokens)."""

from collections.abc import Iterator

from app.exchange.reader.records import Feature
from app.exchange.tables.columns import FEATURE_KEY, Column, Row, Table, key_of

_OTHER = Column("other_index", "int", "", "the other feature's number")


def _neighbors(feature: Feature) -> Iterator[Row]:
    for rank, one in enumerate(feature.neighbors):
        yield {
            **key_of(feature),
            "rank": rank,
            "other_index": one.feature_index,
            "cosine_similarity": one.cosine_similarity,
        }


NEIGHBORS = Table(
    "neighbors",
    "The nearest other features by decoder row.",
    (
        *FEATURE_KEY,
        Column("rank", "int", "", "from 0 for the nearest"),
        _OTHER,
        Column("cosine_similarity", "float", "cosine", "of the decoder rows, signed"),
    ),
    _neighbors,
)


def _coactive(feature: Feature) -> Iterator[Row]:
    for rank, one in enumerate(feature.coactive):
        yield {
            **key_of(feature),
            "rank": rank,
            "other_index": one.feature_index,
            "n_joint": one.n_joint,
            "jaccard": one.jaccard,
            "lift": one.lift,
        }


COACTIVE = Table(
    "coactive",
    "Features that fire on the same tokens.",
    (
        *FEATURE_KEY,
        Column("rank", "int", "", "by Jaccard, from 0"),
        _OTHER,
        Column("n_joint", "int", "tokens", "on which both fire"),
        Column("jaccard", "float", "share, 0 to 1", "n_joint / tokens on which either fires"),
        Column("lift", "float", "", "n_joint as a multiple of what chance gives"),
    ),
    _coactive,
)
