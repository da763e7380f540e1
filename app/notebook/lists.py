"""Lists of features, each at an address of its own, with a remark on every feature.

Takes connections, gives records. Knows no page.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from app.notebook import schema
from app.notebook.errors import Absent, NotAllowed
from app.notebook.limits import checked, checked_line, slug_of
from app.notebook.records import Entry, FeatureList, Subject
from app.notebook.things import add_thing, change_thing

_list = schema.feature_list
_entry = schema.list_entry
MOST_ENTRIES = 5_000
"""Features of one list."""


def all_lists(connection: Connection) -> list[tuple[FeatureList, int]]:
    """Every list that wasn't withdrawn with the number of its features, by title."""
    counted = connection.execute(
        select(_entry.c.list_uid, func.count().label("n_entries"))
        .where(_entry.c.withdrawn.is_(False))
        .group_by(_entry.c.list_uid)
    )
    counts = {row.list_uid: row.n_entries for row in counted}
    rows = connection.execute(
        select(_list).where(_list.c.withdrawn.is_(False)).order_by(_list.c.title, _list.c.uid)
    )
    found = [FeatureList(**row._mapping) for row in rows]
    return [(one, counts.get(one.uid, 0)) for one in found]


def changed_last(
    connection: Connection, most: int, without: Iterable[str] = ()
) -> list[FeatureList]:
    """The lists changed last that weren't withdrawn, the newest first.

    Args:
        without: uids of lists that are left out.
    """
    rows = connection.execute(
        select(_list)
        .where(_list.c.withdrawn.is_(False), _list.c.uid.not_in(list(without)))
        .order_by(_list.c.changed_at.desc(), _list.c.uid)
        .limit(most)
    )
    return [FeatureList(**row._mapping) for row in rows]


def find_by_title(connection: Connection, title: str) -> FeatureList | None:
    """The one list of a title that wasn't withdrawn; None where none or several have it."""
    rows = connection.execute(
        select(_list).where(_list.c.title == title, _list.c.withdrawn.is_(False)).limit(2)
    ).all()
    return FeatureList(**rows[0]._mapping) if len(rows) == 1 else None


def find_list(connection: Connection, slug: str) -> FeatureList:
    """The list at an address, withdrawn or not.

    Raises:
        Absent: there is none.
    """
    row = connection.execute(select(_list).where(_list.c.slug == slug)).one_or_none()
    if row is None:
        raise Absent("There is no such list: /-/lists names all there are.")
    return FeatureList(**row._mapping)


def entries_of(connection: Connection, list_uid: str) -> list[Entry]:
    """The features of a list in the order they were added."""
    rows = connection.execute(
        select(_entry)
        .where(_entry.c.list_uid == list_uid, _entry.c.withdrawn.is_(False))
        .order_by(_entry.c.created_at, _entry.c.uid)
    )
    return [Entry(**row._mapping) for row in rows]


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


def _keeps(there: Entry, remark: str) -> bool:
    """Whether the remark that stands is kept beside a new one: nobody's words are written over."""
    return bool(there.remark) and not there.withdrawn and remark not in there.remark
