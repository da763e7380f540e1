"""Notes on features, and stars. Takes connections, gives records. Knows no Markdown and no page."""

from sqlalchemy import Connection, delete, insert, select

from app.notebook import schema
from app.notebook.limits import checked
from app.notebook.records import Note, Star, Subject
from app.notebook.things import add_thing, change_thing, log_change, now

_note = schema.note
_star = schema.star


def notes_of(connection: Connection, model: str, sae: str, feature_index: int) -> list[Note]:
    """Every note on a feature that wasn't withdrawn, the newest first."""
    rows = connection.execute(
        select(_note)
        .where(
            _note.c.model == model,
            _note.c.sae == sae,
            _note.c.feature_index == feature_index,
            _note.c.withdrawn.is_(False),
        )
        .order_by(_note.c.created_at.desc(), _note.c.uid)
    )
    return [Note(**row._mapping) for row in rows]


def noted_features(connection: Connection, model: str, sae: str, weights_hash: str) -> set[int]:
    """The features of a dictionary, as it is now, that somebody wrote a note on."""
    rows = connection.execute(
        select(_note.c.feature_index)
        .where(
            _note.c.model == model,
            _note.c.sae == sae,
            _note.c.weights_hash == weights_hash,
            _note.c.withdrawn.is_(False),
        )
        .distinct()
    )
    return set(rows.scalars())


def add_note(connection: Connection, subject: Subject, author: str, text: str) -> Note:
    """A new note; the same words by the same author again are the note there is.

    Raises:
        NotAllowed: empty or too long.
    """
    text = checked("note", text)
    for note in notes_of(connection, subject.model, subject.sae, subject.feature_index):
        if (note.text, note.author, note.subject) == (text, author, subject):
            return note
    return add_thing(connection, "note", author, {**subject.__dict__, "text": text})


def change_note(connection: Connection, uid: str, seen: int, author: str, text: str) -> Note:
    """Another text.

    Raises:
        NotAllowed: empty or too long.
        Conflict: somebody else changed it since `seen`.
    """
    return change_thing(connection, "note", uid, seen, author, {"text": checked("note", text)})


def set_star(connection: Connection, subject: Subject, author: str, starred: bool) -> None:
    """Marks a feature for one's own list, or no longer."""
    about = (
        _star.c.author == author,
        _star.c.model == subject.model,
        _star.c.sae == subject.sae,
        _star.c.feature_index == subject.feature_index,
    )
    current = connection.execute(select(_star.c.weights_hash).where(*about)).scalar_one_or_none()
    if current == (subject.weights_hash if starred else None):
        return
    at = now()
    connection.execute(delete(_star).where(*about))
    if starred:
        connection.execute(insert(_star).values(author=author, created_at=at, **subject.__dict__))
    log_change(
        connection,
        kind="star",
        uid=f"{author}/{subject.model}/{subject.sae}/{subject.feature_index}",
        version=0,
        action="made" if starred else "withdrawn",
        author=author,
        at=at,
        model=subject.model,
        sae=subject.sae,
        feature_index=subject.feature_index,
        record=dict(subject.__dict__),
    )


def stars_by(connection: Connection, author: str) -> list[Star]:
    """Everything somebody starred, the newest first."""
    rows = connection.execute(
        select(_star)
        .where(_star.c.author == author)
        .order_by(_star.c.created_at.desc(), _star.c.model, _star.c.sae, _star.c.feature_index)
    )
    return [Star(**row._mapping) for row in rows]


def starring(connection: Connection, model: str, sae: str, feature_index: int) -> list[Star]:
    """Whoever starred a feature, by name."""
    rows = connection.execute(
        select(_star)
        .where(_star.c.model == model, _star.c.sae == sae, _star.c.feature_index == feature_index)
        .order_by(_star.c.author)
    )
    return [Star(**row._mapping) for row in rows]


def starred_features(connection: Connection, model: str, sae: str, weights_hash: str) -> set[int]:
    """The features of a dictionary, as it is now, that anybody starred."""
    rows = connection.execute(
        select(_star.c.feature_index)
        .where(_star.c.model == model, _star.c.sae == sae, _star.c.weights_hash == weights_hash)
        .distinct()
    )
    return set(rows.scalars())
