"""One feature's connections as stored, with the dictionaries they lead to.

Takes a connection to the atlas; gives what may be shown: dictionaries that are still those it was
measured with, and that whoever asks may see. Knows no page.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae, find_sae
from app.db.features import short_forms
from app.db.studies import get_feature_study, others_of
from app.db.study_records.connections import Causes, Effects, FeatureConnections
from app.web.notebook.reader import Reader

STUDY = FeatureConnections.STUDY


@dataclass(frozen=True)
class Linked:
    """What a feature is connected to."""

    record: FeatureConnections
    """without what leads to dictionaries that are not in `saes`"""
    saes: dict[str, Sae]
    """by the last part of their address"""

    def as_json(self) -> dict[str, Any]:
        """Everything stored, arrays as lists."""
        found = asdict(self.record)
        for side in ("below", "above"):
            for item in found[side]:
                item |= {k: v.tolist() for k, v in item.items() if hasattr(v, "tolist")}
        return found


def load_linked(connection: Connection, sae: Sae, feature_index: int) -> Linked | None:
    """The connections of a feature; None where it has none that may be shown."""
    record = get_feature_study(connection, FeatureConnections, sae.sae_id, feature_index)
    return None if record is None else only_shown(connection, sae, record)


def only_shown(connection: Connection, sae: Sae, record: FeatureConnections) -> Linked | None:
    """What of a feature's record leads somewhere; None where nothing does."""
    paired = set(others_of(connection, STUDY, sae.sae_id))
    named = {item.sae for item in (*record.below, *record.above)}
    found = {name: find_sae(connection, sae.record.model, name) for name in sorted(named)}
    saes = {name: other for name, other in found.items() if other and other.sae_id in paired}
    shown = replace(
        record,
        below=[item for item in record.below if item.sae in saes],
        above=[item for item in record.above if item.sae in saes],
    )
    return Linked(shown, saes) if shown.below or shown.above else None


@dataclass(frozen=True)
class Told:
    """A feature in words."""

    short: list[list[str]] | None
    """its short form; None for a feature that is not there"""
    label: str = ""
    """what somebody called it"""


Words = Mapping[tuple[str, int], Told]
"""By (dictionary, feature)."""


def words_of(
    connection: Connection,
    saes: Mapping[str, Sae],
    wanted: Iterable[tuple[str, int]],
    reader: Reader,
) -> Words:
    """What the features asked for are; one query for each dictionary."""
    by_sae: dict[str, set[int]] = {}
    for name, index in wanted:
        by_sae.setdefault(name, set()).add(index)
    found: dict[tuple[str, int], Told] = {}
    for name, indices in by_sae.items():
        shorts = short_forms(connection, saes[name].sae_id, indices)
        for index in indices:
            found[name, index] = Told(shorts.get(index), reader.name(saes[name], index))
    return found


def by_strength(item: Causes | Effects) -> list[int]:
    """Places of an item's features, the largest share first, whatever its sign."""
    return sorted(range(len(item.share)), key=lambda i: (-abs(float(item.share[i])), i))
