"""The file, its tables and what their rows refer to.

Takes a connection, gives contradictions as sentences. Opens no blob.
"""

from collections.abc import Iterator

from sqlalchemy import Column, Connection, Table, and_, func, inspect, select

from app.db import schema

_SAE = (schema.sae.c.sae_id,)
_CORPUS = (schema.corpus.c.corpus_id,)
_MODEL = (schema.model.c.model_id,)
_FEATURE = (schema.feature.c.sae_id, schema.feature.c.feature_index)

_REFERENCES: tuple[tuple[Table, tuple[str, ...], tuple[Column, ...]], ...] = (
    (schema.token, ("model_id",), _MODEL),
    (schema.corpus, ("model_id",), _MODEL),
    (schema.sae, ("model_id",), _MODEL),
    (schema.sae, ("corpus_id",), _CORPUS),
    (schema.corpus_token, ("corpus_id",), _CORPUS),
    (schema.document, ("corpus_id",), _CORPUS),
    (schema.context, ("corpus_id",), _CORPUS),
    (schema.text_layout, ("corpus_id",), _CORPUS),
    (schema.text_word, ("corpus_id",), _CORPUS),
    (schema.feature, ("sae_id",), _SAE),
    (schema.feature_panel, ("sae_id", "feature_index"), _FEATURE),
    (schema.feature_example, ("sae_id", "feature_index"), _FEATURE),
    (schema.token_ranking, ("sae_id",), _SAE),
    (schema.direction_map, ("sae_id",), _SAE),
    (schema.decoder_file, ("sae_id",), _SAE),
    (schema.study, ("sae_id",), _SAE),
    (schema.feature_study, ("sae_id", "feature_index"), _FEATURE),
    (schema.example_places, ("sae_id",), _SAE),
    (schema.feature_tokens, ("sae_id",), _SAE),
    (schema.summary_word, ("sae_id",), _SAE),
)
"""Columns whose values must stand in columns of another table."""

_TOKENS: tuple[tuple[Table, str], ...] = (
    (schema.token_ranking, "token_id"),
    (schema.feature, "top_token_id"),
    (schema.feature, "ablation_token_id"),
)
"""Columns of a dictionary's rows that name tokens of its model."""


def file_problems(connection: Connection) -> Iterator[str]:
    """What SQLite's own check of the whole file says."""
    for (said,) in connection.exec_driver_sql("PRAGMA integrity_check(5)"):
        if said != "ok":
            yield f"SQLite says: {' '.join(str(said).split())}."


def schema_problems(connection: Connection) -> Iterator[str]:
    """Every table of this version with all of its columns."""
    found = inspect(connection)
    there = set(found.get_table_names())
    for table in schema.metadata.sorted_tables:
        if table.name not in there:
            yield f"there is no table {table.name}."
            continue
        columns = {column["name"] for column in found.get_columns(table.name)}
        for column in table.columns:
            if column.name not in columns:
                yield f"the table {table.name} has no column {column.name}."


def key_problems(connection: Connection) -> Iterator[str]:
    """Everything that refers to a row refers to one that is there."""
    for table, names, referred in _REFERENCES:
        columns = [table.c[name] for name in names]
        other = referred[0].table
        same = and_(*(a == b for a, b in zip(columns, referred, strict=True)))
        without = select(*columns).where(~select(1).select_from(other).where(same).exists())
        yield from _named(connection, table, names, without, f"is not in {other.name}")
    token = schema.token
    for table, name in _TOKENS:
        same = and_(token.c.model_id == schema.sae.c.model_id, token.c.token_id == table.c[name])
        without = (
            select(table.c.sae_id, table.c[name])
            .join(schema.sae, schema.sae.c.sae_id == table.c.sae_id)
            .where(table.c[name].is_not(None), ~select(1).select_from(token).where(same).exists())
        )
        yield from _named(connection, table, ("sae_id", name), without, "is not in token")
    counted = schema.corpus_token
    same = and_(
        token.c.model_id == schema.corpus.c.model_id, token.c.token_id == counted.c.token_id
    )
    without = (
        select(counted.c.corpus_id, counted.c.token_id)
        .join(schema.corpus, schema.corpus.c.corpus_id == counted.c.corpus_id)
        .where(~select(1).select_from(token).where(same).exists())
    )
    yield from _named(connection, counted, ("corpus_id", "token_id"), without, "is not in token")


def _named(
    connection: Connection, table: Table, names: tuple[str, ...], rows: object, what: str
) -> Iterator[str]:
    """The first row as an example, and how many there are."""
    found = rows.distinct().subquery()  # type: ignore[attr-defined]
    n = connection.scalar(select(func.count()).select_from(found)) or 0
    if not n:
        return
    first = connection.execute(select(found).limit(1)).one()
    values = ", ".join(f"{name} {value}" for name, value in zip(names, first, strict=True))
    more = f" ({n - 1:,} more like it)" if n > 1 else ""
    yield f"{table.name} with {values} {what}{more}."
