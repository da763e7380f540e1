"""The tables of an atlas and the number of their version.

Packed blobs (`compact.py`, `stored_….py`; `codec.py` for whole corpora) hold what is only ever read
whole; columns hold what is sorted, filtered or joined. Features have no index besides their primary
key: lists are made from columns kept in memory (`columns.py`). Knows no query and no record values.
"""

from dataclasses import fields
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)
from sqlalchemy.types import TypeEngine

from app.db.records import FeatureRecord
from app.db.stored.pieces import Pieces

SCHEMA_VERSION = 7
"""Raised whenever a reader of the old tables would go wrong; there is no migration of a build
product: the atlas is built again."""

PAGE_SIZE = 16_384
"""Bytes of a page of the file: rows of one to three kilobytes leave a tenth of 4,096 bytes' pages
empty, and half as much of these."""

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)
"""Values are JSON texts."""

model = Table(
    "model",
    metadata,
    Column("model_id", Integer, primary_key=True),
    Column("model", String, nullable=False, unique=True),
    Column("record", JSON, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("model_id", Integer, primary_key=True, autoincrement=False),
    Column("token_id", Integer, primary_key=True, autoincrement=False),
    Column("token", String, nullable=False),
    Column("piece", String, nullable=False),
    Column("token_bytes", LargeBinary, nullable=False),
    Column("special", Boolean, nullable=False),
    Column("producible", Boolean, nullable=False),
    Column("stripped", String, nullable=False),
    Column("folded", String, nullable=False),
    Index("token_by_stripped", "model_id", "stripped", "token_id"),
    Index("token_by_folded", "model_id", "folded", "token_id"),
    sqlite_with_rowid=False,
)

corpus = Table(
    "corpus",
    metadata,
    Column("corpus_id", Integer, primary_key=True),
    Column("model_id", Integer, nullable=False),
    Column("hash", String, nullable=False),
    Column("record", JSON, nullable=False),
    Index("corpus_by_hash", "model_id", "hash", unique=True),
)

corpus_token = Table(
    "corpus_token",
    metadata,
    Column("corpus_id", Integer, primary_key=True, autoincrement=False),
    Column("token_id", Integer, primary_key=True, autoincrement=False),
    Column("n_occurrences", Integer, nullable=False),
    sqlite_with_rowid=False,
)

document = Table(
    "document",
    metadata,
    Column("corpus_id", Integer, primary_key=True, autoincrement=False),
    Column("document_id", Integer, primary_key=True, autoincrement=False),
    Column("name", String, nullable=False),
    sqlite_with_rowid=False,
)

context = Table(
    "context",
    metadata,
    Column("corpus_id", Integer, primary_key=True, autoincrement=False),
    Column("context_id", Integer, primary_key=True, autoincrement=False),
    Column("tokens", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

sae = Table(
    "sae",
    metadata,
    Column("sae_id", Integer, primary_key=True),
    Column("model_id", Integer, nullable=False),
    Column("corpus_id", Integer, nullable=False),
    Column("sae", String, nullable=False),
    Column("record", JSON, nullable=False),
    Index("sae_by_slug", "model_id", "sae", unique=True),
)

SORTABLE: tuple[str, ...] = (
    "density",
    "n_active",
    "n_contexts_active",
    "max_activation",
    "mean_activation",
    "std_activation",
    "skewness",
    "kurtosis",
    "top_token_share",
    "top_token_rate",
    "context_share",
    "ablation_token_effect",
    "run_length",
    "span_fill",
    "region_lift",
    "near_share",
    "smoothed_share",
    "max_logit",
    "decoder_norm",
    "encoder_decoder_cosine",
    "position_zero_n_active",
    "position_zero_max",
    "nearest_cosine",
    "times_nearest",
    "neuron_share",
    "encoder_norm",
    "delta_ce",
    "kl",
    "pair_interaction",
)
"""Columns of a feature that lists sort by and filter as ranges, besides `feature_index` itself."""

STUDIED = frozenset(field.name for field in fields(FeatureRecord) if field.default is None)
"""Columns that studies fill in: without a value where the study was skipped."""


def _type_of(annotation: object) -> type[TypeEngine[Any]]:
    if annotation == list[list[str]]:
        return Pieces
    kinds: dict[object, type[TypeEngine[Any]]] = {
        int: Integer, float: Float, bytes: LargeBinary, int | None: Integer, float | None: Float,
    }  # fmt: skip
    return kinds.get(annotation, JSON)


feature = Table(
    "feature",
    metadata,
    Column("sae_id", Integer, primary_key=True, autoincrement=False),
    *(
        Column(
            field.name,
            _type_of(field.type),
            primary_key=field.name == "feature_index",
            autoincrement=False,
        )
        for field in fields(FeatureRecord)
    ),
    sqlite_with_rowid=False,
)

feature_panel = Table(
    "feature_panel",
    metadata,
    Column("sae_id", Integer, primary_key=True, autoincrement=False),
    Column("feature_index", Integer, primary_key=True, autoincrement=False),
    Column("panels", LargeBinary, nullable=False),
)
"""See `stored/panels.py`."""

feature_example = Table(
    "feature_example",
    metadata,
    Column("sae_id", Integer, primary_key=True, autoincrement=False),
    Column("feature_index", Integer, primary_key=True, autoincrement=False),
    Column("examples", LargeBinary, nullable=False),
    Column("ablations", LargeBinary),
)
"""All groups of a feature that has any (see `stored/examples.py`, `stored/ablations.py`)."""

direction_map = Table(
    "direction_map",
    metadata,
    Column("sae_id", Integer, primary_key=True, autoincrement=False),
    Column("method", String, nullable=False),
    Column("positions", LargeBinary, nullable=False),
)
"""`positions` are little-endian float32 pairs in order of feature_index. Atlases built before this
table have none."""

decoder_file = Table(
    "decoder_file",
    metadata,
    Column("sae_id", Integer, primary_key=True, autoincrement=False),
    Column("hash", String, nullable=False),
    Column("n_bytes", Integer, nullable=False),
)
"""The file beside the atlas with a dictionary's unit decoder rows (see `directions.py`), by the
SHA-256 of its bytes; large dictionaries have none."""

study = Table(
    "study",
    metadata,
    Column("sae_id", Integer, primary_key=True, autoincrement=False),
    Column("study", String, primary_key=True),
    Column("other_id", Integer, primary_key=True, autoincrement=False),
    Column("record", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""What a study found about a dictionary, alone (`other_id` 0) or beside another one (see
`studies.py`, `stored/study.py`)."""

feature_study = Table(
    "feature_study",
    metadata,
    Column("sae_id", Integer, primary_key=True, autoincrement=False),
    Column("study", String, primary_key=True),
    Column("feature_index", Integer, primary_key=True, autoincrement=False),
    Column("record", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""The same about single features."""

token_ranking = Table(
    "token_ranking",
    metadata,
    Column("sae_id", Integer, primary_key=True, autoincrement=False),
    Column("token_id", Integer, primary_key=True, autoincrement=False),
    Column("firings", LargeBinary),
    Column("promotes", LargeBinary),
    Column("suppresses", LargeBinary),
)
"""`firings` holds the rankings `fires` and `rate` (see `stored/rankings.py`)."""

text_layout = Table(
    "text_layout",
    metadata,
    Column("corpus_id", Integer, primary_key=True, autoincrement=False),
    Column("layout", LargeBinary, nullable=False),
)
"""Full-text search, made anew from the tables above by `fulltext/write.py`: where the words of the
stored contexts lie."""

text_word = Table(
    "text_word",
    metadata,
    Column("corpus_id", Integer, primary_key=True, autoincrement=False),
    Column("word", String, primary_key=True),
    Column("places", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

example_places = Table(
    "example_places",
    metadata,
    Column("sae_id", Integer, primary_key=True, autoincrement=False),
    Column("first_feature", Integer, primary_key=True, autoincrement=False),
    Column("places", LargeBinary, nullable=False),
)

feature_tokens = Table(
    "feature_tokens",
    metadata,
    Column("sae_id", Integer, primary_key=True, autoincrement=False),
    Column("first_feature", Integer, primary_key=True, autoincrement=False),
    Column("tokens", LargeBinary, nullable=False),
)

summary_word = Table(
    "summary_word",
    metadata,
    Column("sae_id", Integer, primary_key=True, autoincrement=False),
    Column("word", String, primary_key=True),
    Column("features", LargeBinary, nullable=False),
    Column("features_short", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

__all__ = ["SCHEMA_VERSION", "SORTABLE", "metadata"]
