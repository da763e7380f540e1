"""Whether the content of an atlas agrees with itself.

Run before every publication and by `feature-atlas check`. Knows what must hold between tables;
recomputes nothing from the model.
"""

from sqlalchemy import Connection, func, select

from app.db import codec, schema
from app.db.fulltext import has_fulltext, load_examples, load_text
from app.db.records import ExampleGroup, HistogramPanel


def check_atlas(connection: Connection) -> list[str]:
    """Every contradiction as one sentence; an empty list when all is well."""
    problems: list[str] = []
    saes = connection.execute(select(schema.sae)).all()
    if not saes:
        problems.append("it holds no dictionary.")
    for row in saes:
        name = f"{row.record['model']}/{row.sae}"
        problems += _check_completeness(connection, row.sae_id, name, row.record["d_sae"])
        problems += _check_histograms(connection, row.sae_id, name)
        problems += _check_examples(connection, row.sae_id, row.corpus_id, name)
        problems += _check_search(connection, row.sae_id, row.corpus_id, name)
    return problems


def _check_search(connection: Connection, sae_id: int, corpus_id: int, name: str) -> list[str]:
    """Whether search knows the contexts and the examples there are; old atlases have none."""
    if not has_fulltext(connection):
        return []
    text = load_text(connection, corpus_id)
    n_contexts = connection.scalar(
        select(func.count())
        .select_from(schema.context)
        .where(schema.context.c.corpus_id == corpus_id)
    )
    n_indexed = 0 if text is None else text.context_id.size
    if n_indexed != n_contexts:
        return [f"{name}: search knows {n_indexed} contexts, {n_contexts} are stored."]
    d_sae = connection.scalar(
        select(func.count()).select_from(schema.feature).where(schema.feature.c.sae_id == sae_id)
    )
    assert text is not None
    examples = load_examples(connection, sae_id, d_sae or 0, text)
    if (examples.stop > text.n_tokens).any() or (examples.peak >= examples.stop).any():
        return [f"{name}: search knows examples outside their contexts."]
    return []


def _check_completeness(connection: Connection, sae_id: int, name: str, d_sae: int) -> list[str]:
    counts = {
        table.name: connection.scalar(
            select(func.count()).select_from(table).where(table.c.sae_id == sae_id)
        )
        for table in (schema.feature, schema.feature_panel)
    }
    return [
        f"{name} has {count} rows in {table}, expected one for each of {d_sae} features."
        for table, count in counts.items()
        if count != d_sae
    ]


def _check_histograms(connection: Connection, sae_id: int, name: str) -> list[str]:
    panel, feature = schema.feature_panel, schema.feature
    rows = connection.execute(
        select(feature.c.feature_index, feature.c.n_active, panel.c.histogram)
        .join(
            panel,
            (panel.c.sae_id == feature.c.sae_id)
            & (panel.c.feature_index == feature.c.feature_index),
        )
        .where(feature.c.sae_id == sae_id)
    )
    problems = []
    for row in rows:
        total = (
            int(codec.unpack(HistogramPanel, row.histogram).counts.sum()) if row.histogram else 0
        )
        if total != row.n_active:
            problems.append(
                f"{name} feature {row.feature_index}: its histogram sums to {total}, "
                f"n_active is {row.n_active}."
            )
    return problems


def _check_examples(connection: Connection, sae_id: int, corpus_id: int, name: str) -> list[str]:
    known = set(
        connection.scalars(
            select(schema.context.c.context_id).where(schema.context.c.corpus_id == corpus_id)
        )
    )
    table = schema.example_group
    rows = connection.execute(
        select(table.c.feature_index, table.c.group, table.c.examples).where(
            table.c.sae_id == sae_id
        )
    )
    problems = []
    for row in rows:
        examples = codec.unpack(ExampleGroup, row.examples)
        where = f"{name} feature {row.feature_index}, {row.group} examples"
        if not known.issuperset(examples.context_id.tolist()):
            problems.append(f"{where}: a context they point to is not stored.")
        if row.group == "top" and (examples.activation[1:] > examples.activation[:-1]).any():
            problems.append(f"{where}: not in order of activation.")
    return problems
