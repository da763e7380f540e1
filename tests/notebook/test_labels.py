"""Labels on either database: versions, history, which one is shown first."""

import pytest
from sqlalchemy import Engine

from app.notebook import labels
from app.notebook.database import writing
from app.notebook.errors import Absent, NotAllowed
from app.notebook.records import Label, Shown, Subject
from app.notebook.things import (
    Conflict,
    counter,
    get_thing,
    history_of,
    restore_thing,
    withdraw_thing,
)

FEATURE = Subject("tiny", "resid-1", 7, "hash-a")


def _add(notebook: Engine, text: str, author: str = "Ada", **more: object) -> Label:
    with writing(notebook) as connection:
        return labels.add_label(connection, FEATURE, author, text, **more)  # type: ignore[arg-type]


def _order(notebook: Engine, weights_hash: str = "hash-a") -> list[str]:
    with notebook.connect() as connection:
        found = labels.labels_of(connection, "tiny", "resid-1", 7)
        chosen = labels.shown_of(connection, "tiny", "resid-1", 7).label_uid
        return [label.text for label in labels.in_order(found, chosen, weights_hash)]


def test_a_label_comes_back_as_it_was_written(notebook: Engine) -> None:
    evidence = {"precision": 0.1 + 0.2, "recall": None, "n_tokens": 12}
    written = _add(notebook, "  opens a\n class ", reading='"class"', evidence=evidence)
    assert written.text == "opens a class"
    with notebook.connect() as connection:
        assert get_thing(connection, "label", written.uid) == written
        assert labels.labels_of(connection, "tiny", "resid-1", 7) == [written]
        assert labels.labels_of(connection, "tiny", "resid-1", 8) == []
    assert written.evidence == evidence
    assert (written.author, written.version, written.by_person) == ("Ada", 1, True)


def test_the_same_words_again_are_the_label_there_is(notebook: Engine) -> None:
    first = _add(notebook, "self")
    assert _add(notebook, "self") == first
    assert _add(notebook, "self", author="Bea").uid != first.uid


def test_the_first_label_is_the_chosen_else_the_newest_by_a_person(notebook: Engine) -> None:
    old = _add(notebook, "old")
    _add(notebook, "new")
    _add(notebook, "newest, by a model", author="np", source="np", explainer="gpt", score=0.5)
    assert _order(notebook) == ["new", "old", "newest, by a model"]
    with writing(notebook) as connection:
        assert labels.choose_label(connection, old, 0, "Bea")
    assert _order(notebook) == ["old", "new", "newest, by a model"]
    with writing(notebook) as connection:
        assert labels.choose_label(connection, old, 1, "Bea", chosen=False)
    assert _order(notebook) == ["new", "old", "newest, by a model"]


def test_a_label_of_another_dictionary_comes_last_and_names_nothing(notebook: Engine) -> None:
    old = _add(notebook, "of the old dictionary")
    with writing(notebook) as connection:
        labels.choose_label(connection, old, 0, "Ada")
        rebuilt = Subject("tiny", "resid-1", 7, "hash-b")
        labels.add_label(connection, rebuilt, "np", "of the new one", source="np")
    assert _order(notebook, "hash-b") == ["of the new one", "of the old dictionary"]
    with notebook.connect() as connection:
        names = labels.namings_of_dictionary(connection, "tiny", "resid-1", "hash-b")
    assert [(one.text, one.by_person) for one in names] == [("of the new one", False)]


def test_the_second_of_two_editors_is_told_and_nothing_is_lost(notebook: Engine) -> None:
    label = _add(notebook, "draft")
    with writing(notebook) as connection:
        labels.change_label(connection, label.uid, 1, "Ada", "by Ada", "", None)
    refused = pytest.raises(Conflict, match="Ada changed this label")
    with refused as told, writing(notebook) as connection:
        labels.change_label(connection, label.uid, 1, "Bea", "by Bea", "", None)
    assert isinstance(told.value.current, Label)
    assert (told.value.current.text, told.value.sent["text"]) == ("by Ada", "by Bea")
    with writing(notebook) as connection:
        labels.change_label(connection, label.uid, 2, "Bea", "by both", "", None)
    with notebook.connect() as connection:
        history = history_of(connection, "label", label.uid)
    assert [(r.version, r.author, r.action, r.record["text"]) for r in history] == [
        (3, "Bea", "changed", "by both"),
        (2, "Ada", "changed", "by Ada"),
        (1, "Ada", "made", "draft"),
    ]


def test_sending_the_same_change_twice_is_sending_it_once(notebook: Engine) -> None:
    label = _add(notebook, "draft")
    for _ in range(2):
        with writing(notebook) as connection:
            changed = labels.change_label(connection, label.uid, 1, "Ada", "done", "", None)
    assert changed.version == 2


def test_two_who_choose_at_once_are_told_apart(notebook: Engine) -> None:
    one, other = _add(notebook, "one"), _add(notebook, "other")
    with writing(notebook) as connection:
        assert labels.choose_label(connection, one, 0, "Ada")
        assert not labels.choose_label(connection, other, 0, "Bea")
        assert labels.choose_label(connection, one, 0, "Bea"), "the same choice needs no telling"
        shown = labels.shown_of(connection, "tiny", "resid-1", 7)
    assert (shown.label_uid, shown.version, shown.changed_by) == (one.uid, 1, "Ada")


def test_another_reading_takes_its_evidence_with_it(notebook: Engine) -> None:
    label = _add(notebook, "self", reading="self", evidence={"precision": 0.9})
    with writing(notebook) as connection:
        kept = labels.change_label(connection, label.uid, 1, "Ada", "the self", "self", None)
        assert kept.evidence == {"precision": 0.9}
        gone = labels.change_label(connection, label.uid, 2, "Ada", "the self", "cls", None)
        assert gone.evidence == {}


def test_a_withdrawn_label_is_kept_and_comes_back(notebook: Engine) -> None:
    label = _add(notebook, "wrong")
    with writing(notebook) as connection:
        withdraw_thing(connection, "label", label.uid, 1, "Bea")
    assert _order(notebook) == []
    with writing(notebook) as connection:
        restore_thing(connection, "label", label.uid, 2, "Ada")
    assert _order(notebook) == ["wrong"]
    with notebook.connect() as connection:
        actions = [r.action for r in history_of(connection, "label", label.uid)]
    assert actions == ["restored", "withdrawn", "made"]


def test_every_change_moves_the_counter_and_nothing_else_does(notebook: Engine) -> None:
    def count() -> int:
        with notebook.connect() as connection:
            return counter(connection)

    assert count() == 0
    label = _add(notebook, "self")
    assert count() == 1
    _add(notebook, "self")
    assert count() == 1
    with writing(notebook) as connection:
        labels.choose_label(connection, label, 0, "Ada")
    assert count() == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        (" \u200f\u200b\n", "is empty"),
        ("a\x00b", "is no text"),
        ("\ud800", "is no text"),
        ("x" * 301, "at most 300 characters; this one has 301"),
    ],
)
def test_what_no_label_can_be_is_a_sentence(notebook: Engine, text: str, sentence: str) -> None:
    with pytest.raises(NotAllowed, match=sentence):
        _add(notebook, text)
    assert _order(notebook) == []


def test_labels_of_a_dictionary_and_what_was_chosen(notebook: Engine) -> None:
    label = _add(notebook, "seven")
    with writing(notebook) as connection:
        labels.add_label(connection, Subject("tiny", "resid-1", 9, "hash-a"), "Ada", "nine")
        labels.add_label(connection, Subject("tiny", "resid-2", 7, "hash-c"), "Ada", "elsewhere")
        labels.choose_label(connection, label, 0, "Ada")
        found = labels.labels_of_dictionary(connection, "tiny", "resid-1")
        assert [one.text for one in found] == ["seven", "nine"]
        only = labels.labels_of_dictionary(connection, "tiny", "resid-1", [9, 9])
        assert [one.text for one in only] == ["nine"]
        names = labels.namings_of_dictionary(connection, "tiny", "resid-1", "hash-a")
        assert {(one.feature_index, one.uid, one.by_person) for one in names} == {
            (one.feature_index, one.uid, True) for one in found
        }
        few = labels.namings_of_dictionary(connection, "tiny", "resid-1", "hash-a", [9])
        assert [one.text for one in few] == ["nine"]
        assert labels.chosen_of_dictionary(connection, "tiny", "resid-1") == {7: label.uid}
        assert labels.chosen_of_dictionary(connection, "tiny", "resid-1", [9]) == {}
        assert labels.shown_of(connection, "tiny", "resid-1", 9) == Shown()


def test_what_is_not_there_is_a_sentence(notebook: Engine) -> None:
    with pytest.raises(Absent, match="no such note"), notebook.connect() as connection:
        get_thing(connection, "note", "0" * 32)
