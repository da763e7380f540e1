"""What an atlas holds: its models, dictionaries, corpora and documents. Read-only queries."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from app.db import schema
from app.db.records import CorpusRecord, ImportRecord, ModelRecord, QualityRecord, SaeRecord

# Made once: the making of a statement takes longer than its answer.
_DOCUMENT_NAMES = select(schema.document.c.document_id, schema.document.c.name).where(
    schema.document.c.corpus_id == bindparam("corpus"),
    schema.document.c.document_id.in_(bindparam("ids", expanding=True)),
)


@dataclass(frozen=True)
class Sae:
    """A dictionary with the keys under which its rows stand and the corpus it was run over."""

    sae_id: int
    model_id: int
    corpus_id: int
    record: SaeRecord
    model: ModelRecord
    corpus: CorpusRecord

    @property
    def address(self) -> str:
        """`model/sae`, the identity under which everything refers to it."""
        return f"{self.record.model}/{self.record.sae}"

    @property
    def is_runnable(self) -> bool:
        """Whether its weights and its model's are files that can be loaded again: not those of
        imports, nor of functions or firings that were given."""
        return self.record.imported is None and bool(self.model.weights_hash)

    @property
    def numbers(self) -> str:
        """How its features are numbered, for a sentence: "features 0 to 2,047"."""
        if self.record.has_gaps:
            return f"{self.record.n_features:,} features up to {self.record.n_indices - 1:,}"
        return f"features 0 to {self.record.n_indices - 1:,}"


def limit_to(connection: Connection, dictionary: tuple[str, str]) -> None:
    """From here on the atlas seems to hold this dictionary (model, sae) alone, on this connection.

    For those who may see no other: whatever lists or finds dictionaries does it through here.
    """
    connection.execution_options(only_dictionary=dictionary)


def list_saes(connection: Connection) -> list[Sae]:
    """Every dictionary of the atlas, by model, then in the order they were added."""
    statement = _select_saes().order_by(schema.sae.c.model_id, schema.sae.c.sae_id)
    return [_sae(row) for row in connection.execute(_limited(connection, statement))]


def find_sae(connection: Connection, model: str, sae: str) -> Sae | None:
    """The dictionary at an address, or None."""
    statement = _select_saes().where(schema.model.c.model == model, schema.sae.c.sae == sae)
    row = connection.execute(_limited(connection, statement)).one_or_none()
    return None if row is None else _sae(row)


def document_names(
    connection: Connection, corpus_id: int, document_ids: Iterable[int]
) -> dict[int, str]:
    """Names of the documents asked for; unknown ids are absent."""
    wanted = sorted(set(document_ids))
    rows = connection.execute(_DOCUMENT_NAMES, {"corpus": corpus_id, "ids": wanted})
    return {row.document_id: row.name for row in rows}


def _limited(connection: Connection, statement: Any) -> Any:
    only = connection.get_execution_options().get("only_dictionary")
    if only is None:
        return statement
    return statement.where(schema.model.c.model == only[0], schema.sae.c.sae == only[1])


def _select_saes() -> Any:
    return (
        select(
            schema.sae.c.sae_id,
            schema.sae.c.model_id,
            schema.sae.c.corpus_id,
            schema.sae.c.record,
            schema.model.c.record.label("model_record"),
            schema.corpus.c.record.label("corpus_record"),
        )
        .join(schema.model, schema.model.c.model_id == schema.sae.c.model_id)
        .join(schema.corpus, schema.corpus.c.corpus_id == schema.sae.c.corpus_id)
    )


def _sae(row: Row[Any]) -> Sae:
    imported = row.record["imported"]
    record = {
        **row.record,
        "quality": QualityRecord(**row.record["quality"]),
        "imported": None if imported is None else ImportRecord(**imported),
    }
    return Sae(
        row.sae_id,
        row.model_id,
        row.corpus_id,
        SaeRecord(**record),
        ModelRecord(**row.model_record),
        CorpusRecord(**row.corpus_record),
    )
