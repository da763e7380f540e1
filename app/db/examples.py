"""Queries over the stored examples of a feature and the contexts they point to. Read-only."""

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Connection, bindparam, select

from app.db import schema
from app.db.records import GROUPS, AblationGroup, ContextRecord, ExampleGroup, Group
from app.db.stored import codec
from app.db.stored.ablations import unpack_ablations
from app.db.stored.examples import unpack_examples

_table = schema.feature_example

# Made once: the making of a statement takes longer than its answer.
_GROUPS = select(_table.c.examples, _table.c.ablations).where(
    _table.c.sae_id == bindparam("sae"), _table.c.feature_index == bindparam("index")
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
    row = connection.execute(_GROUPS, {"sae": sae_id, "index": feature_index}).one_or_none()
    if row is None:
        return {}
    examples = unpack_examples(row.examples, GROUPS if groups is None else set(groups))
    ablations = {} if row.ablations is None else unpack_ablations(row.ablations)
    return {group: (found, ablations.get(group)) for group, found in examples.items()}


def pick_groups(
    connection: Connection, sae_id: int, wanted: Mapping[int, Group]
) -> dict[int, ExampleGroup]:
    """One group for each of these features, by feature_index."""
    rows = connection.execute(
        select(_table.c.feature_index, _table.c.examples).where(
            _table.c.sae_id == sae_id, _table.c.feature_index.in_(list(wanted))
        )
    )
    return {
        row.feature_index: examples
        for row in rows
        for examples in unpack_examples(row.examples, {wanted[row.feature_index]}).values()
    }


def iterate_groups(
    connection: Connection, sae_id: int, groups: Iterable[Group] = GROUPS
) -> Iterator[tuple[int, dict[Group, ExampleGroup]]]:
    """Those of some groups that each feature has, in feature order; features with none are left
    out."""
    wanted = set(groups)
    rows = connection.execute(
        select(_table.c.feature_index, _table.c.examples)
        .where(_table.c.sae_id == sae_id)
        .order_by(_table.c.feature_index)
    )
    for row in rows:
        if found := unpack_examples(row.examples, wanted):
            yield row.feature_index, found


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
