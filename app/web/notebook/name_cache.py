"""The labels of whole dictionaries, kept in memory: what names a feature wherever it is listed.

Takes a connection to the notebook and its counter; when that has moved, only features that were
changed since are read again. Labels about another dictionary (its weights hash differs) name
nothing. Knows no page.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Connection, select

from app.db.catalog import Sae
from app.notebook.labels import chosen_of_dictionary, in_order, namings_of_dictionary
from app.notebook.records import Naming
from app.notebook.schema import revision
from app.web.notebook.names import Name, Names

MOST_CHANGES = 500
"""Changed features that are read one by one; after more the dictionary is read again."""


@dataclass
class _Kept:
    counter: int
    names: Names


class NameCache:
    """Names by dictionary; safe to share between threads."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._lock = Lock()

    def names(self, connection: Connection, sae: Sae, counter: int) -> Names:
        """The names of a dictionary as of a counter of the notebook."""
        key = (sae.address, sae.record.weights_hash)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.counter > counter:
                # A counter that went back is another notebook.
                kept = self._kept[key] = _Kept(counter, Names(_read(connection, sae, None)))
            elif kept.counter < counter:
                changed = _changed(connection, sae, kept.counter)
                names = kept.names
                if len(changed) > MOST_CHANGES:
                    names = Names(_read(connection, sae, None))
                elif changed:
                    # Pages being drawn go on with the names they began with.
                    names = names.with_changes(changed, _read(connection, sae, changed))
                kept = self._kept[key] = _Kept(counter, names)
            return kept.names


def _changed(connection: Connection, sae: Sae, since: int) -> set[int]:
    rows = connection.execute(
        select(revision.c.feature_index)
        .where(
            revision.c.revision_id > since,
            revision.c.kind.in_(("label", "shown")),
            revision.c.model == sae.record.model,
            revision.c.sae == sae.record.sae,
        )
        .distinct()
    )
    return set(rows.scalars())


def _read(connection: Connection, sae: Sae, only: Iterable[int] | None) -> dict[int, Name]:
    model, name, weights_hash = sae.record.model, sae.record.sae, sae.record.weights_hash
    chosen = chosen_of_dictionary(connection, model, name, only)
    by_feature: dict[int, list[Naming]] = defaultdict(list)
    for naming in namings_of_dictionary(connection, model, name, weights_hash, only):
        by_feature[naming.feature_index].append(naming)
    return {
        index: _name(in_order(found, chosen.get(index, ""), weights_hash))
        for index, found in by_feature.items()
    }


def _name(found: list[Naming]) -> Name:
    first = found[0]
    return Name(first.text, first.author, first.by_person, tuple(one.text for one in found))
