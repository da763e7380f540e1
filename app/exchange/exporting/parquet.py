"""Parquet: `{table}.parquet`, written in row groups, units and words in each column's metadata.

Needs pyarrow. Texts that stand in many rows are kept once (dictionary pages); a list that isn't
there is null, NaN in a list stays NaN.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from app.exchange.exporting.chosen import Part, described
from app.exchange.exporting.folder import OutputFolder
from app.exchange.exporting.labels import Explanations
from app.exchange.exporting.tables import Writer, write_tables
from app.exchange.tables.columns import Kind, Row, Table

FORMAT = "parquet"
ROWS_PER_GROUP = 8_192
VALUES_PER_GROUP = 2_000_000
"""Values of list columns a group may hold before it is written: memory is spent on these."""
_TYPES: dict[Kind, pa.DataType] = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "ints": pa.list_(pa.int64()),
    "floats": pa.list_(pa.float32()),
    "numbers": pa.list_(pa.float64()),
    "texts": pa.list_(pa.string()),
}


def what(parts: Sequence[Part]) -> str:
    """What the export is of."""
    return described(FORMAT, parts)


def export_parquet(
    parts: Sequence[Part], folder: OutputFolder, labels: dict[str, Explanations] | None = None
) -> None:
    """Writes all files."""
    write_tables(parts, folder, _open, labels)


def schema_of(table: Table) -> pa.Schema:
    """Columns with their units and words, the table's own words beside."""
    return pa.schema(
        [
            pa.field(
                column.name,
                _TYPES[column.kind],
                metadata={"unit": column.unit, "description": column.description},
            )
            for column in table.columns
        ],
        metadata={"description": table.description},
    )


@contextmanager
def _open(folder: OutputFolder, table: Table) -> Iterator[Writer]:
    schema = schema_of(table)
    with (
        folder.open(f"{table.name}.parquet") as file,
        pq.ParquetWriter(file, schema, compression="zstd") as written,
    ):
        rows = _Groups(written, schema)
        yield rows
        rows.flush()


class _Groups:
    """Rows on their way into row groups."""

    def __init__(self, written: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._written, self._schema = written, schema
        self._lists = [name for name in schema.names if pa.types.is_list(schema.field(name).type)]
        self._columns: dict[str, list[Any]] = {name: [] for name in schema.names}
        self._n_rows = self._n_values = 0

    def add(self, row: Row) -> None:
        """One more row; a full group is written."""
        for name, values in self._columns.items():
            values.append(row[name])
        self._n_rows += 1
        self._n_values += sum(0 if row[name] is None else len(row[name]) for name in self._lists)
        if self._n_rows == ROWS_PER_GROUP or self._n_values >= VALUES_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        """Writes what is left."""
        if not self._n_rows:
            return
        arrays = [pa.array(self._columns[field.name], field.type) for field in self._schema]
        self._written.write_table(
            pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=self._n_rows
        )
        self._columns = {name: [] for name in self._columns}
        self._n_rows = self._n_values = 0
