"""Queries over the stored examples of a feature and the contexts they point to. Read-only."""

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from sqlalchemy import Connection, bindparam, select

from app.db import codec, schema
from app.db.records import AblationGroup, ContextRecord, ExampleGroup, Group

# Made once: the making of a statement takes longer than its answer.
_GROUPS = select(
    schema.example_group.c.group, schema.example_group.c.examples, schema.example_group.c.ablations
).where(
    schema.example_group.c.sae_id == bindparam("sae"),
    schema.example_group.c.feature_index == bindparam("index"),
)
_CONTEXTS = select(schema.context.c.context_id, schema.context.c.tokens).where(
    schema.context.c.corpus_id == bindparam("corpus"),
    schema.context.c.context_id.in_(bindparam("ids", expanding=True)),
)


def get_groups(
    connection: Connection,
    sae_id: int,
    feature_index: int,
    groups: Iterable[Group] | None = None,
) -> dict[Group, tuple[ExampleGroup, AblationGroup | None]]:
    """Example groups of a feature with their ablated text; all of them when none is named."""
    wanted = _GROUPS
    if groups is not None:
        wanted = wanted.where(schema.example_group.c.group.in_(list(groups)))
    rows = connection.execute(wanted, {"sae": sae_id, "index": feature_index})
    return {
        cast(Group, row.group): (
            codec.unpack(ExampleGroup, row.examples),
            None if row.ablations is None else codec.unpack(AblationGroup, row.ablations),
        )
        for row in rows
    }


def pick_groups(
    connection: Connection, sae_id: int, wanted: Mapping[int, Group]
) -> dict[int, ExampleGroup]:
    """One group for each of these features, by feature_index."""
    table = schema.example_group
    rows = connection.execute(
        select(table.c.feature_index, table.c.group, table.c.examples).where(
            table.c.sae_id == sae_id,
            table.c.feature_index.in_(list(wanted)),
            table.c.group.in_(set(wanted.values())),
        )
    )
    return {
        row.feature_index: codec.unpack(ExampleGroup, row.examples)
        for row in rows
        if wanted[row.feature_index] == row.group
    }


def iterate_group(
    connection: Connection, sae_id: int, group: Group
) -> Iterator[tuple[int, ExampleGroup]]:
    """One group of every feature that has it, as (feature_index, examples) in feature order."""
    table = schema.example_group
    rows = connection.execute(
        select(table.c.feature_index, table.c.examples)
        .where(table.c.sae_id == sae_id, table.c.group == group)
        .order_by(table.c.feature_index)
    )
    for row in rows:
        yield row.feature_index, codec.unpack(ExampleGroup, row.examples)


def get_contexts(
    connection: Connection, corpus_id: int, context_ids: Iterable[int]
) -> dict[int, ContextRecord]:
    """The stored contexts asked for, by id; those not stored are absent."""
    wanted = sorted({int(i) for i in context_ids})
    rows = connection.execute(_CONTEXTS, {"corpus": corpus_id, "ids": wanted})
    return {row.context_id: codec.unpack(ContextRecord, row.tokens) for row in rows}


def first_context(connection: Connection, corpus_id: int) -> ContextRecord | None:
    """The stored context with the lowest id; None where none is stored."""
    table = schema.context
    blob = connection.scalar(
        select(table.c.tokens)
        .where(table.c.corpus_id == corpus_id)
        .order_by(table.c.context_id)
        .limit(1)
    )
    return None if blob is None else codec.unpack(ContextRecord, blob)
