"""Lists of features, each at an address of its own, with a remark on every feature.

Takes connections, gives records. For somebody limited to one dictionary (`only`, model and sae)
there are its features alone, and no list that has only others. Knows no page.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from app.notebook import schema
from app.notebook.errors import Absent, NotAllowed
from app.notebook.limits import SLUG, checked, checked_line, slug_of
from app.notebook.records import Entry, FeatureList, Subject
from app.notebook.things import add_thing, change_thing

_list = schema.feature_list
_entry = schema.list_entry
MOST_ENTRIES = 5_000
"""Features of one list."""

Only = tuple[str, str] | None
"""(model, sae) of the one dictionary there is for somebody; None: no limit"""
_Counts = dict[tuple[str, str], int]
"""Features of one list by dictionary"""


def all_lists(connection: Connection, only: Only = None) -> list[tuple[FeatureList, int]]:
    """Every list that wasn't withdrawn with the number of its features, by title."""
    counts = _counts(connection)
    rows = connection.execute(
        select(_list).where(_list.c.withdrawn.is_(False)).order_by(_list.c.title, _list.c.uid)
    )
    found = [FeatureList(**row._mapping) for row in rows]
    return [
        (one, _seen(counts.get(one.uid, {}), only))
        for one in found
        if _is_there(counts.get(one.uid, {}), only)
    ]


def changed_last(
    connection: Connection, most: int, without: Iterable[str] = (), only: Only = None
) -> list[FeatureList]:
    """The lists changed last that weren't withdrawn, the newest first.

    Args:
        without: uids of lists that are left out.
    """
    left_out = set(without)
    found = [one for one, _ in all_lists(connection, only) if one.uid not in left_out]
    return sorted(found, key=lambda one: one.changed_at, reverse=True)[:most]


def find_by_title(connection: Connection, title: str, only: Only = None) -> FeatureList | None:
    """The one list of a title that wasn't withdrawn; None where none or several have it."""
    found = [one for one, _ in all_lists(connection, only) if one.title == title]
    return found[0] if len(found) == 1 else None


def find_list(connection: Connection, slug: str, only: Only = None) -> FeatureList:
    """The list at an address, withdrawn or not.

    Raises:
        Absent: there is none.
    """
    row = None
    if SLUG.fullmatch(slug):
        row = connection.execute(select(_list).where(_list.c.slug == slug)).one_or_none()
    if row is None or not is_there(connection, row.uid, only):
        raise Absent("There is no such list: /-/lists names all there are.")
    return FeatureList(**row._mapping)


def is_there(connection: Connection, list_uid: str, only: Only) -> bool:
    """Whether a list is one for somebody limited so: it has a feature of theirs, or none yet."""
    return only is None or _is_there(_counts(connection, list_uid).get(list_uid, {}), only)


def entries_of(connection: Connection, list_uid: str, only: Only = None) -> list[Entry]:
    """The features of a list in the order they were added."""
    rows = connection.execute(
        select(_entry)
        .where(_entry.c.list_uid == list_uid, _entry.c.withdrawn.is_(False))
        .order_by(_entry.c.created_at, _entry.c.uid)
    )
    found = [Entry(**row._mapping) for row in rows]
    return [entry for entry in found if only in (None, (entry.model, entry.sae))]


def entries_about(
    connection: Connection, model: str, sae: str, feature_index: int
) -> list[tuple[FeatureList, Entry]]:
    """The lists that hold a feature, by title, each with what it says of it."""
    rows = connection.execute(
        select(_entry)
        .where(
            _entry.c.model == model,
            _entry.c.sae == sae,
            _entry.c.feature_index == feature_index,
            _entry.c.withdrawn.is_(False),
        )
        .order_by(_entry.c.created_at, _entry.c.uid)
    )
    entries = {row.list_uid: Entry(**row._mapping) for row in rows}
    lists = connection.execute(
        select(_list)
        .where(_list.c.uid.in_(list(entries)), _list.c.withdrawn.is_(False))
        .order_by(_list.c.title, _list.c.uid)
    )
    found = [FeatureList(**row._mapping) for row in lists]
    return [(one, entries[one.uid]) for one in found]


def add_list(connection: Connection, author: str, title: str, text: str = "") -> FeatureList:
    """A new list; its address is made of its title and stays.

    Raises:
        NotAllowed: empty or too long.
    """
    title = checked_line("title", title)
    text = checked("description", text, required=False)
    wanted = slug_of(title)
    taken = set(connection.execute(select(_list.c.slug)).scalars())
    slug, number = wanted, 2
    while slug in taken:
        slug, number = f"{wanted}-{number}", number + 1
    return add_thing(connection, "list", author, {"slug": slug, "title": title, "text": text})


def change_list(
    connection: Connection, uid: str, seen: int, author: str, title: str, text: str
) -> FeatureList:
    """Another title or description.

    Raises:
        NotAllowed: empty or too long.
        Conflict: somebody else changed it since `seen`.
    """
    values = {
        "title": checked_line("title", title),
        "text": checked("description", text, required=False),
    }
    return change_thing(connection, "list", uid, seen, author, values)


def add_entry(
    connection: Connection, to: FeatureList, subject: Subject, author: str, remark: str = ""
) -> Entry:
    """Puts a feature on a list; what it says of it already stays.

    Raises:
        NotAllowed: the remark is too long, or the list is full.
    """
    remark = checked("remark", remark, required=False)
    row = connection.execute(
        select(_entry).where(
            _entry.c.list_uid == to.uid,
            _entry.c.model == subject.model,
            _entry.c.sae == subject.sae,
            _entry.c.feature_index == subject.feature_index,
        )
    ).one_or_none()
    if row is not None:
        there = Entry(**row._mapping)
        values = {"withdrawn": False, "weights_hash": subject.weights_hash}
        if remark:
            values["remark"] = f"{there.remark}\n{remark}" if _keeps(there, remark) else remark
            checked("remark", values["remark"], required=False)
        return change_thing(connection, "entry", there.uid, there.version, author, values)
    n_entries = connection.execute(
        select(func.count()).where(_entry.c.list_uid == to.uid, _entry.c.withdrawn.is_(False))
    ).scalar_one()
    if n_entries >= MOST_ENTRIES:
        raise NotAllowed(f"A list holds at most {MOST_ENTRIES:,} features: begin another one.")
    return add_thing(
        connection, "entry", author, {**subject.__dict__, "list_uid": to.uid, "remark": remark}
    )


def change_entry(connection: Connection, uid: str, seen: int, author: str, remark: str) -> Entry:
    """Another remark.

    Raises:
        NotAllowed: too long.
        Conflict: somebody else changed it since `seen`.
    """
    remark = checked("remark", remark, required=False)
    return change_thing(connection, "entry", uid, seen, author, {"remark": remark})


def _counts(connection: Connection, list_uid: str = "") -> dict[str, _Counts]:
    """How many features each list has, or the one named."""
    counted = connection.execute(
        select(_entry.c.list_uid, _entry.c.model, _entry.c.sae, func.count().label("n_entries"))
        .where(_entry.c.withdrawn.is_(False), *([_entry.c.list_uid == list_uid] * bool(list_uid)))
        .group_by(_entry.c.list_uid, _entry.c.model, _entry.c.sae)
    )
    found: dict[str, _Counts] = {}
    for row in counted:
        found.setdefault(row.list_uid, {})[row.model, row.sae] = row.n_entries
    return found


def _seen(counts: _Counts, only: Only) -> int:
    return sum(counts.values()) if only is None else counts.get(only, 0)


def _is_there(counts: _Counts, only: Only) -> bool:
    return not counts or _seen(counts, only) > 0


def _keeps(there: Entry, remark: str) -> bool:
    """Whether the remark that stands is kept beside a new one: nobody's words are written over."""
    return bool(there.remark) and not there.withdrawn and remark not in there.remark
