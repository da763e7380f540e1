"""What `feature-atlas explain` keeps: its runs, how far each feature is, answers, and its labels.

An answer is kept as soon as it is there, under a hash of what was asked, so that a run that was cut
short asks for nothing again. A label's uid follows from the feature and the settings: explaining
again finds it. Takes connections, gives records. Knows no endpoint and no prompt.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from app.notebook import schema
from app.notebook.limits import checked_line
from app.notebook.records import Explanation, Label, State, Subject
from app.notebook.things import change_thing, now, record_change, row_of

SOURCE = "feature-atlas explain"
"""Of labels made here by a language model"""

_NAMESPACE = uuid.UUID("9be55e05-6a0c-4d33-9a3c-6a2f6fbb8e0f")
_run = schema.explanation_run
_answer = schema.explanation_answer
_explanation = schema.explanation


@dataclass(frozen=True)
class KeptAnswer:
    """An answer as it came, and what it cost."""

    text: str
    prompt_tokens: int | None
    """None where the endpoint didn't say"""
    completion_tokens: int | None


def begin_run(
    connection: Connection,
    dictionary: tuple[str, str, str],
    settings: Mapping[str, Any],
    endpoint: str,
) -> str:
    """Notes that a run began; gives its id.

    Args:
        dictionary: model, sae, weights hash.
        endpoint: an address without a key or password.
    """
    run_id = uuid.uuid4().hex
    model, sae, weights_hash = dictionary
    connection.execute(
        insert(_run).values(
            run_id=run_id,
            model=model,
            sae=sae,
            weights_hash=weights_hash,
            settings=dict(settings),
            endpoint=endpoint,
            started_at=now(),
            ended_at="",
            counts={},
        )
    )
    return run_id


def end_run(connection: Connection, run_id: str, counts: Mapping[str, Any]) -> None:
    """Notes what a run did."""
    values = {"ended_at": now(), "counts": dict(counts)}
    connection.execute(update(_run).where(_run.c.run_id == run_id).values(**values))


def kept_answer(connection: Connection, key: str) -> KeptAnswer | None:
    """The answer to something that was asked before."""
    row = connection.execute(
        select(_answer.c.text, _answer.c.prompt_tokens, _answer.c.completion_tokens).where(
            _answer.c.answer_key == key
        )
    ).one_or_none()
    return None if row is None else KeptAnswer(*row)


def keep_answer(
    connection: Connection, key: str, subject: Subject, step: str, answer: KeptAnswer, run_id: str
) -> None:
    """Keeps an answer; of two to the same question the first stays."""
    if kept_answer(connection, key) is None:
        connection.execute(
            insert(_answer).values(
                answer_key=key,
                **subject.__dict__,
                step=step,
                **answer.__dict__,
                run_id=run_id,
                answered_at=now(),
            )
        )


def explanations_under(
    connection: Connection, dictionary: tuple[str, str, str], settings_hash: str
) -> dict[int, Explanation]:
    """How far the features of a dictionary are under some settings, by feature_index."""
    model, sae, weights_hash = dictionary
    rows = connection.execute(
        select(_explanation).where(
            _explanation.c.model == model,
            _explanation.c.sae == sae,
            _explanation.c.weights_hash == weights_hash,
            _explanation.c.settings_hash == settings_hash,
        )
    )
    return {row.feature_index: _as_record(row._mapping) for row in rows}


def explanation_behind(connection: Connection, label_uid: str) -> Explanation | None:
    """What a label was made from, the newest where it was scored under several settings."""
    row = connection.execute(
        select(_explanation)
        .where(_explanation.c.label_uid == label_uid)
        .order_by(_explanation.c.changed_at.desc(), _explanation.c.settings_hash)
        .limit(1)
    ).one_or_none()
    return None if row is None else _as_record(row._mapping)


def note_explanation(
    connection: Connection,
    subject: Subject,
    settings_hash: str,
    state: State,
    run_id: str,
    reason: str = "",
    label_uid: str = "",
    split: Mapping[str, Any] | None = None,
) -> None:
    """Notes how far a feature is, in place of what was noted before."""
    about = {**subject.__dict__, "settings_hash": settings_hash}
    connection.execute(
        delete(_explanation).where(*(_explanation.c[name] == held for name, held in about.items()))
    )
    connection.execute(
        insert(_explanation).values(
            **about,
            state=state,
            reason=reason,
            label_uid=label_uid,
            split=dict(split or {}),
            run_id=run_id,
            changed_at=now(),
        )
    )


def keep_label(
    connection: Connection,
    subject: Subject,
    identity: str,
    explainer: str,
    text: str,
    measured: Mapping[str, Any],
) -> Label:
    """The label of an explanation; made, or given what was measured since.

    A label that somebody changed or withdrew stays as they left it.

    Args:
        identity: of the settings that decide its text.
        measured: prompt_version, reading, evidence, score, score_kind, scores.

    Raises:
        NotAllowed: the text is empty or too long.
    """
    text = checked_line("label", text)
    uid = uuid.uuid5(_NAMESPACE, "\n".join([*map(str, subject.__dict__.values()), identity])).hex
    table = schema.label
    row = connection.execute(select(table).where(table.c.uid == uid)).one_or_none()
    if row is not None:
        label = Label(**row._mapping)
        if label.withdrawn or label.text != text or label.reading != measured["reading"]:
            return label
        return change_thing(connection, "label", uid, label.version, explainer, measured)
    at = now()
    label = Label(
        uid=uid,
        version=1,
        author=explainer,
        created_at=at,
        changed_by=explainer,
        changed_at=at,
        withdrawn=False,
        **subject.__dict__,
        text=text,
        source=SOURCE,
        explainer=explainer,
        **measured,
    )
    connection.execute(insert(table).values(**row_of(label)))
    record_change(connection, "label", label, "made")
    return label


def _as_record(row: Any) -> Explanation:
    names = Explanation.__dataclass_fields__
    return Explanation(**{name: row[name] for name in names})
