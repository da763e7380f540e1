"""Every comparison of one dictionary with others, both ways, read from an atlas at once.

Read-only. Knows no page.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from app.db.studies import get_study, others_of
from app.db.study_records.matches import Matches


@dataclass(frozen=True)
class Compared:
    """Of one dictionary, by the other's `sae_id`, in the order they were added."""

    pairs: Mapping[int, tuple[Matches, Matches]]
    """(its features in the other, the other's in it)"""

    def __len__(self) -> int:
        """How much it is: the features of all records."""
        return sum(each.cosine.size for pair in self.pairs.values() for each in pair)


def load_matches(connection: Connection, sae_id: int) -> Compared:
    """All of them; 32 bytes a feature and comparison."""
    found: dict[int, tuple[Matches, Matches]] = {}
    for other in others_of(connection, Matches.STUDY, sae_id):
        there = get_study(connection, Matches, sae_id, other)
        back = get_study(connection, Matches, other, sae_id)
        if there is not None and back is not None:
            found[other] = there, back
    return Compared(found)
