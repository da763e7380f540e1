"""What studies found, read from an atlas: of a dictionary, of two, of a feature.

A study measures something about a dictionary as a whole (docs/studies.md lists them); what it found
is a dataclass that names its study (`app/db/study_records`). Read-only; knows no page.
"""

from collections.abc import Iterable
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

from sqlalchemy import Connection, select

from app.db import schema
from app.db.stored.study import unpack_study

ALONE = 0
"""The `other_id` of what concerns one dictionary alone; ids of dictionaries begin at 1."""


@runtime_checkable
class StudyRecord(Protocol):
    """A dataclass that one study stores."""

    STUDY: ClassVar[str]


Found = TypeVar("Found", bound=StudyRecord)


def studies_of(connection: Connection, sae_id: int) -> frozenset[str]:
    """The studies that found something about a dictionary, alone or beside another one."""
    table = schema.study
    return frozenset(
        connection.scalars(select(table.c.study).where(table.c.sae_id == sae_id).distinct())
    )


def get_study(
    connection: Connection, kind: type[Found], sae_id: int, other_id: int = ALONE
) -> Found | None:
    """What the study of that kind of record found; None where it was skipped."""
    table = schema.study
    blob = connection.scalar(
        select(table.c.record).where(
            table.c.sae_id == sae_id, table.c.study == kind.STUDY, table.c.other_id == other_id
        )
    )
    return None if blob is None else unpack_study(kind, blob)


def others_of(connection: Connection, study: str, sae_id: int) -> list[int]:
    """The dictionaries a study compared this one with, ascending."""
    table = schema.study
    return list(
        connection.scalars(
            select(table.c.other_id)
            .where(table.c.sae_id == sae_id, table.c.study == study, table.c.other_id != ALONE)
            .order_by(table.c.other_id)
        )
    )


def get_feature_study(
    connection: Connection, kind: type[Found], sae_id: int, feature_index: int
) -> Found | None:
    """What the study found about one feature; None where it looked at others only, or at none."""
    table = schema.feature_study
    blob = connection.scalar(
        select(table.c.record).where(
            table.c.sae_id == sae_id,
            table.c.study == kind.STUDY,
            table.c.feature_index == feature_index,
        )
    )
    return None if blob is None else unpack_study(kind, blob)


def pick_feature_studies(
    connection: Connection, kind: type[Found], sae_id: int, feature_indices: Iterable[int]
) -> dict[int, Found]:
    """The same about some features, by feature_index; those it did not look at are absent."""
    table = schema.feature_study
    rows = connection.execute(
        select(table.c.feature_index, table.c.record).where(
            table.c.sae_id == sae_id,
            table.c.study == kind.STUDY,
            table.c.feature_index.in_(sorted(set(feature_indices))),
        )
    )
    return {row.feature_index: unpack_study(kind, row.record) for row in rows}
