"""Features as pandas data frames with the columns of `app/exchange/tables`.

Takes a reader's features, gives frames; lists stay lists and arrays. Needs pandas, which nothing
else of the reader does.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from app.db.records import GROUPS, Group
from app.errors import AtlasError, echoed
from app.exchange.reader.records import Feature
from app.exchange.tables.catalog import TABLES
from app.exchange.tables.columns import Row, Table

if TYPE_CHECKING:
    from pandas import DataFrame

_BY_NAME = {table.name: table for table in TABLES}


def table_frame(name: str, features: Iterable[Feature]) -> "DataFrame":
    """One of the tables of some features.

    Raises:
        AtlasError: pandas is not installed.
    """
    pandas, table = _pandas(), _BY_NAME[name]
    return _frame(pandas, table, [row for one in features for row in table.rows(one)])


def examples_frame(features: Iterable[Feature], groups: Iterable[Group] | None) -> "DataFrame":
    """The table `examples`, of all groups or of those named.

    Raises:
        AtlasError: pandas is not installed, or there is no such group.
    """
    pandas, table = _pandas(), _BY_NAME["examples"]
    wanted = None if groups is None else set(groups)
    for unknown in sorted(wanted or ()):
        if unknown not in GROUPS:
            raise AtlasError(
                f"There is no group {echoed(unknown)!r}: known are {', '.join(GROUPS)}."
            )
    rows = [
        row
        for feature in features
        for row in table.rows(feature)
        if wanted is None or row["group"] in wanted
    ]
    return _frame(pandas, table, rows)


def _frame(pandas: Any, table: Table, rows: list[Row]) -> "DataFrame":
    """Columns of whole numbers that lack some are pandas' own `Int64`."""
    values: dict[str, Any] = {}
    for column in table.columns:
        found = [row[column.name] for row in rows]
        kind = {"int": "Int64", "float": "float64", "bool": "bool"}.get(column.kind, object)
        if column.kind == "int" and None not in found:
            kind = "int64"
        values[column.name] = pandas.Series(found, dtype=kind)
    return pandas.DataFrame(values)


def _pandas() -> Any:
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise AtlasError(
            "Frames need pandas, which is not installed: run `pip install pandas`, or read records "
            "with `features()`."
        ) from error
    return pandas
