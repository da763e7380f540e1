"""Tidy tables as files: what JSON lines and Parquet share.

Beside the tables stand `dictionaries.json` (what each dictionary is and how it was run) and
`columns.json` (each column's type, unit and words). Every table is written in one pass over the
features. Takes parts and a way to write rows; knows neither file format.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol

from app import __version__
from app.exchange.exporting.chosen import Part
from app.exchange.exporting.folder import OutputFolder
from app.exchange.exporting.labels import Explanations
from app.exchange.exporting.values import to_json
from app.exchange.reader.records import Feature
from app.exchange.tables.catalog import TABLES
from app.exchange.tables.columns import FEATURE_KEY, Column, Row, Table, key_of
from app.exchange.tables.dictionary import describe


class Writer(Protocol):
    """One table on its way into its file."""

    def add(self, row: Row) -> None:
        """One more row."""


class OpenTable(Protocol):
    """Opens the file of a table; what it gives is closed when all rows are there."""

    def __call__(self, folder: OutputFolder, table: Table) -> AbstractContextManager[Writer]: ...


def write_tables(
    parts: Sequence[Part],
    folder: OutputFolder,
    open_table: OpenTable,
    labels: dict[str, Explanations] | None,
) -> None:
    """Writes all files.

    Args:
        labels: of each dictionary, by its address; None where nobody asked for them.
    """
    tables = TABLES if labels is None else (*TABLES, _labels_table(labels))
    folder.write("dictionaries.json", to_json([describe(p.dictionary) for p in parts]) + "\n")
    folder.write("columns.json", to_json(description(tables)) + "\n")
    with ExitStack() as files:
        writers = [(table, files.enter_context(open_table(folder, table))) for table in tables]
        for part in parts:
            for feature in part.features():
                for table, writer in writers:
                    for row in table.rows(feature):
                        writer.add(row)


def description(tables: Sequence[Table]) -> dict[str, Any]:
    """What `columns.json` says."""
    return {
        "feature_atlas": __version__,
        "tables": {
            table.name: {
                "description": table.description,
                "columns": [
                    {
                        "name": column.name,
                        "type": column.kind,
                        "unit": column.unit,
                        "description": column.description,
                    }
                    for column in table.columns
                ],
            }
            for table in tables
        },
    }


def _labels_table(labels: dict[str, Explanations]) -> Table:
    def rows(feature: Feature) -> list[Row]:
        found = labels.get(f"{feature.model}/{feature.sae}", {}).get(feature.feature_index, ())
        return [
            {
                **key_of(feature),
                "rank": rank,
                "label": one.text,
                "author": one.author,
                "by_person": one.by_person,
            }
            for rank, one in enumerate(found)
        ]

    return Table(
        "labels",
        "What people and language models wrote about the features, in the notebook.",
        (
            *FEATURE_KEY,
            Column("rank", "int", "", "from 0 for the one shown first"),
            Column("label", "text", "", "its words"),
            Column("author", "text", "", "who wrote it, or which language model"),
            Column("by_person", "bool", "", "written by a person"),
        ),
        rows,
    )
