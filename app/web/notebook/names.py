"""The labels of whole dictionaries, kept in memory: what names a feature wherever it is listed.

Takes a connection to the notebook and its counter; when that has moved, only features that were
changed since are read again. Labels about another dictionary (its weights hash differs) name
nothing. Knows no page.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from sqlalchemy import Connection, select

from app.db.catalog import Sae
from app.notebook.labels import chosen_of_dictionary, in_order, labels_of_dictionary
from app.notebook.records import Label
from app.notebook.schema import revision

MOST_CHANGES = 500
"""Changed features that are read one by one; after more the dictionary is read again."""


@dataclass(frozen=True)
class Name:
    """What a feature is called."""

    text: str
    """of the label that is shown first"""
    author: str
    by_person: bool
    all_texts: tuple[str, ...]
    """of all its labels, the first one first"""


Names = Mapping[int, Name]
"""By feature_index; features without a label are absent."""


@dataclass
class _Kept:
    counter: int
    names: dict[int, Name] = field(default_factory=dict)


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
                kept = self._kept[key] = _Kept(counter, _read(connection, sae, None))
            elif kept.counter < counter:
                changed = _changed(connection, sae, kept.counter)
                if len(changed) > MOST_CHANGES:
                    kept = self._kept[key] = _Kept(counter, _read(connection, sae, None))
                elif changed:
                    # Pages being drawn go on with the names they began with.
                    names = {i: name for i, name in kept.names.items() if i not in changed}
                    names |= _read(connection, sae, changed)
                    kept = self._kept[key] = _Kept(counter, names)
                else:
                    kept.counter = counter
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
    address = (sae.record.model, sae.record.sae)
    chosen = chosen_of_dictionary(connection, *address, only)
    by_feature: dict[int, list[Label]] = defaultdict(list)
    for label in labels_of_dictionary(connection, *address, only):
        if label.weights_hash == sae.record.weights_hash:
            by_feature[label.feature_index].append(label)
    return {
        index: _name(in_order(labels, chosen.get(index, ""), sae.record.weights_hash))
        for index, labels in by_feature.items()
    }


def _name(labels: list[Label]) -> Name:
    first = labels[0]
    return Name(first.text, first.author, first.by_person, tuple(label.text for label in labels))
