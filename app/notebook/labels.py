"""Labels of features: which there are, which is shown first, who chose it.

Shown first is the one somebody chose, else the newest by a person, else the newest; labels written
about another dictionary (its weights hash differs) come after all others and name nothing. Takes
connections, gives records. Knows no page.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Table, insert, select, update

from app.notebook import schema
from app.notebook.limits import checked_line
from app.notebook.records import Label, Naming, Shown, Subject
from app.notebook.things import add_thing, change_thing, get_thing, log_change, now

_label = schema.label
_shown = schema.shown_label

_UNSCORED: Mapping[str, Any] = {"score": None, "score_kind": "", "scores": {}}


def labels_of(connection: Connection, model: str, sae: str, feature_index: int) -> list[Label]:
    """Every label of a feature that wasn't withdrawn, the oldest first."""
    rows = connection.execute(
        select(_label)
        .where(*_is_about(_label, model, sae, feature_index), _label.c.withdrawn.is_(False))
        .order_by(_label.c.changed_at, _label.c.uid)
    )
    return [Label(**row._mapping) for row in rows]


def labels_of_dictionary(
    connection: Connection, model: str, sae: str, only: Iterable[int] | None = None
) -> list[Label]:
    """The same of a whole dictionary, or of some of its features."""
    query = select(_label).where(
        _label.c.model == model, _label.c.sae == sae, _label.c.withdrawn.is_(False)
    )
    if only is not None:
        query = query.where(_label.c.feature_index.in_(sorted(set(only))))
    rows = connection.execute(query.order_by(_label.c.changed_at, _label.c.uid))
    return [Label(**row._mapping) for row in rows]


def namings_of_dictionary(
    connection: Connection,
    model: str,
    sae: str,
    weights_hash: str,
    only: Iterable[int] | None = None,
) -> list[Naming]:
    """What the labels about a dictionary say, or those about some of its features; none withdrawn.

    A hundred thousand are read in well under a second: only what names a feature is.
    """
    columns = (
        _label.c.feature_index, _label.c.uid, _label.c.text, _label.c.author, _label.c.changed_at,
        _label.c.source, _label.c.explainer,
    )  # fmt: skip
    query = select(*columns).where(
        _label.c.model == model,
        _label.c.sae == sae,
        _label.c.weights_hash == weights_hash,
        _label.c.withdrawn.is_(False),
    )
    if only is not None:
        query = query.where(_label.c.feature_index.in_(sorted(set(only))))
    return [
        Naming(index, uid, text, author, changed_at, not source and not explainer, weights_hash)
        for index, uid, text, author, changed_at, source, explainer in connection.execute(query)
    ]


def shown_of(connection: Connection, model: str, sae: str, feature_index: int) -> Shown:
    """What was chosen for a feature."""
    row = connection.execute(
        select(
            _shown.c.label_uid, _shown.c.version, _shown.c.changed_by, _shown.c.changed_at
        ).where(*_is_about(_shown, model, sae, feature_index))
    ).one_or_none()
    return Shown() if row is None else Shown(**row._mapping)


def chosen_of_dictionary(
    connection: Connection, model: str, sae: str, only: Iterable[int] | None = None
) -> dict[int, str]:
    """The uids that were chosen, by feature_index."""
    query = select(_shown.c.feature_index, _shown.c.label_uid).where(
        _shown.c.model == model, _shown.c.sae == sae, _shown.c.label_uid != ""
    )
    if only is not None:
        query = query.where(_shown.c.feature_index.in_(sorted(set(only))))
    return {row.feature_index: row.label_uid for row in connection.execute(query)}


class Ordered(Protocol):
    """What of a label decides its place."""

    @property
    def uid(self) -> str: ...
    @property
    def changed_at(self) -> str: ...
    @property
    def by_person(self) -> bool: ...
    @property
    def weights_hash(self) -> str: ...


AnyLabel = TypeVar("AnyLabel", bound=Ordered)


def in_order(labels: Iterable[AnyLabel], chosen: str, weights_hash: str) -> list[AnyLabel]:
    """Labels of one feature as they are shown, the first one first."""
    newest_first = sorted(labels, key=lambda label: (label.changed_at, label.uid), reverse=True)
    return sorted(
        newest_first,
        key=lambda label: (
            label.weights_hash != weights_hash,
            label.uid != chosen,
            not label.by_person,
        ),
    )


def add_label(
    connection: Connection,
    subject: Subject,
    author: str,
    text: str,
    reading: str = "",
    evidence: Mapping[str, Any] | None = None,
    **origin: Any,
) -> Label:
    """A new label; the same words by the same author again are the label there is.

    Args:
        origin: source, explainer, prompt_version, score, score_kind, where a person didn't write
            it.

    Raises:
        NotAllowed: empty or too long.
    """
    text = checked_line("label", text)
    reading = checked_line("reading", reading, required=False)
    for label in labels_of(connection, subject.model, subject.sae, subject.feature_index):
        same = (label.text, label.reading, label.author) == (text, reading, author)
        if same and label.subject == subject and label.source == origin.get("source", ""):
            return label
    values = {
        **subject.__dict__, "text": text, "reading": reading, "evidence": dict(evidence or {}),
        "source": "", "explainer": "", "prompt_version": "", **_UNSCORED, **origin,
    }  # fmt: skip
    return add_thing(connection, "label", author, values)


def change_label(
    connection: Connection,
    uid: str,
    seen: int,
    author: str,
    text: str,
    reading: str,
    evidence: Mapping[str, Any] | None,
) -> Label:
    """Another text or reading; what was measured of another one goes with it.

    Args:
        evidence: of the new reading; None keeps what the label has, where the reading is the same.

    Raises:
        NotAllowed: empty or too long.
        Conflict: somebody else changed it since `seen`.
    """
    reading = checked_line("reading", reading, required=False)
    values: dict[str, Any] = {"text": checked_line("label", text), "reading": reading}
    current = get_thing(connection, "label", uid)
    if evidence is not None or reading != current.reading:
        values["evidence"] = dict(evidence or {})
    if values["text"] != current.text:
        values |= _UNSCORED
    return change_thing(connection, "label", uid, seen, author, values)


def choose_label(
    connection: Connection, label: Label, seen: int, author: str, chosen: bool = True
) -> bool:
    """Shows a label first, or leaves the order to the rule again.

    Args:
        seen: version of the choice that was seen; 0 where there was none.

    Returns:
        False where somebody else chose since: nothing was written.
    """
    about = (label.model, label.sae, label.feature_index)
    current = shown_of(connection, *about)
    wanted = label.uid if chosen else ""
    if current.label_uid == wanted:
        return True
    if current.version != seen:
        return False
    at = now()
    values = {
        "label_uid": wanted, "version": seen + 1, "changed_by": author, "changed_at": at,
    }  # fmt: skip
    names = dict(zip(("model", "sae", "feature_index"), about, strict=True))
    if current.version == 0:
        connection.execute(insert(_shown).values(**names, **values))
    else:
        connection.execute(update(_shown).where(*_is_about(_shown, *about)).values(**values))
    log_change(
        connection,
        kind="shown",
        uid="/".join(map(str, about)),
        version=seen + 1,
        action="changed",
        author=author,
        at=at,
        record={**names, **values},
        **names,
    )
    return True


def _is_about(table: Table, model: str, sae: str, feature_index: int) -> tuple[Any, ...]:
    return (table.c.model == model, table.c.sae == sae, table.c.feature_index == feature_index)
