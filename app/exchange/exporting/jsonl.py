"""JSON lines: `{table}.jsonl.gz`, one object a row, its keys the table's columns in their order.

What isn't there is null, in lists of numbers too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from app.exchange.exporting.chosen import Part, described
from app.exchange.exporting.folder import OutputFolder
from app.exchange.exporting.labels import Explanations
from app.exchange.exporting.tables import Writer, write_tables
from app.exchange.exporting.values import numbers, to_json
from app.exchange.tables.columns import Column, Row, Table

FORMAT = "jsonl"


def what(parts: Sequence[Part]) -> str:
    """What the export is of."""
    return described(FORMAT, parts)


def export_jsonl(
    parts: Sequence[Part], folder: OutputFolder, labels: dict[str, Explanations] | None = None
) -> None:
    """Writes all files."""
    write_tables(parts, folder, _open, labels)


@contextmanager
def _open(folder: OutputFolder, table: Table) -> Iterator[Writer]:
    with folder.open_gzip(f"{table.name}.jsonl.gz") as file:
        yield _Lines(file, table)


class _Lines:
    def __init__(self, file: BinaryIO, table: Table) -> None:
        self._file, self._columns = file, table.columns

    def add(self, row: Row) -> None:
        """One more line."""
        found = {column.name: plain(row[column.name], column) for column in self._columns}
        self._file.write(f"{to_json(found)}\n".encode())


def plain(value: Any, column: Column) -> Any:
    """A value as JSON has it."""
    if value is None or column.kind != "floats":
        return value
    if np.isnan(value).any():
        return [None if one != one else one for one in map(float, map(str, value))]
    return numbers(value)
