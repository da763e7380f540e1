"""Notes, stars and lists on either database."""

import pytest
from sqlalchemy import Engine

from app.notebook import lists, notes
from app.notebook.database import writing
from app.notebook.errors import Absent, NotAllowed
from app.notebook.records import Entry, Subject
from app.notebook.things import Conflict, history_of, withdraw_thing

FEATURE = Subject("tiny", "resid-1", 7, "hash-a")
OTHER = Subject("tiny", "resid-1", 8, "hash-a")


def test_notes_keep_their_lines_and_stand_newest_first(notebook: Engine) -> None:
    with writing(notebook) as connection:
        notes.add_note(connection, FEATURE, "Ada", "# One\r\n\r\ntwo ‮right to left‬\n")
        notes.add_note(connection, FEATURE, "Bea", "second")
        notes.add_note(connection, FEATURE, "Bea", "second")
        found = notes.notes_of(connection, "tiny", "resid-1", 7)
        assert [note.text for note in found][::-1] == ["# One\n\ntwo ‮right to left‬", "second"]
        assert notes.noted_features(connection, "tiny", "resid-1", "hash-a") == {7}
        assert notes.noted_features(connection, "tiny", "resid-1", "hash-b") == set()


def test_a_note_of_a_megabyte_is_refused_in_a_clear_word(notebook: Engine) -> None:
    too_long = pytest.raises(NotAllowed, match="at most 50,000 characters; this one has 1,048,576")
    with too_long, writing(notebook) as connection:
        notes.add_note(connection, FEATURE, "Ada", "*" * 2**20)
    longest = "ö" * 50_000
    with writing(notebook) as connection:
        assert notes.add_note(connection, FEATURE, "Ada", longest).text == longest


def test_a_note_changed_by_two_keeps_both_texts(notebook: Engine) -> None:
    with writing(notebook) as connection:
        note = notes.add_note(connection, FEATURE, "Ada", "draft")
        notes.change_note(connection, note.uid, 1, "Ada", "hers")
        with pytest.raises(Conflict) as told:
            notes.change_note(connection, note.uid, 1, "Bea", "theirs")
        assert told.value.sent == {"text": "theirs"}
        texts = [r.record["text"] for r in history_of(connection, "note", note.uid)]
        assert texts == ["hers", "draft"]


def test_stars_are_each_persons_own(notebook: Engine) -> None:
    with writing(notebook) as connection:
        notes.set_star(connection, FEATURE, "Ada", True)
        notes.set_star(connection, FEATURE, "Ada", True)
        notes.set_star(connection, FEATURE, "Bea", True)
        notes.set_star(connection, OTHER, "Ada", True)
        assert {star.feature_index for star in notes.stars_by(connection, "Ada")} == {7, 8}
        starring = notes.starring(connection, "tiny", "resid-1", 7)
        assert [star.author for star in starring] == ["Ada", "Bea"]
        notes.set_star(connection, FEATURE, "Ada", False)
        notes.set_star(connection, FEATURE, "Ada", False)
        assert [star.feature_index for star in notes.stars_by(connection, "Ada")] == [8]
        assert notes.starred_features(connection, "tiny", "resid-1", "hash-a") == {7, 8}
        assert notes.starred_features(connection, "tiny", "resid-1", "hash-b") == set()


def test_a_list_has_an_address_of_its_own(notebook: Engine) -> None:
    with writing(notebook) as connection:
        made = [lists.add_list(connection, "Ada", title) for title in ("Größe & Maß",) * 2]
        assert [one.slug for one in made] == ["grosse-ma", "grosse-ma-2"] or [
            one.slug for one in made
        ] == ["groe-ma", "groe-ma-2"]
        assert lists.find_list(connection, made[1].slug) == made[1]
        assert lists.add_list(connection, "Ada", "特徴").slug == "list"
        with pytest.raises(Absent, match="no such list"):
            lists.find_list(connection, "none")


def test_a_list_holds_each_feature_once_with_its_remark(notebook: Engine) -> None:
    with writing(notebook) as connection:
        made = lists.add_list(connection, "Ada", "Python")
        first = lists.add_entry(connection, made, FEATURE, "Ada", "opens classes")
        lists.add_entry(connection, made, OTHER, "Bea")
        again = lists.add_entry(connection, made, FEATURE, "Bea", "and functions")
        assert again.uid == first.uid
        assert again.remark == "opens classes\nand functions"
        assert lists.add_entry(connection, made, FEATURE, "Bea").remark == again.remark
        entries = lists.entries_of(connection, made.uid)
        assert {entry.feature_index for entry in entries} == {7, 8}
        assert lists.all_lists(connection) == [(made, 2)]
        assert lists.entries_about(connection, "tiny", "resid-1", 7) == [(made, again)]


def test_a_feature_taken_off_a_list_can_come_back(notebook: Engine) -> None:
    with writing(notebook) as connection:
        made = lists.add_list(connection, "Ada", "Python")
        entry = lists.add_entry(connection, made, FEATURE, "Ada", "old remark")
        withdraw_thing(connection, "entry", entry.uid, 1, "Ada")
        assert lists.entries_of(connection, made.uid) == []
        assert lists.all_lists(connection) == [(made, 0)]
        assert lists.add_entry(connection, made, FEATURE, "Ada", "new").remark == "new"


def test_remarks_and_titles_are_told_apart_by_version(notebook: Engine) -> None:
    with writing(notebook) as connection:
        made = lists.add_list(connection, "Ada", "Python")
        entry = lists.add_entry(connection, made, FEATURE, "Ada")
        lists.change_entry(connection, entry.uid, 1, "Ada", "hers")
        with pytest.raises(Conflict) as told:
            lists.change_entry(connection, entry.uid, 1, "Bea", "theirs")
        assert isinstance(told.value.current, Entry)
        assert (told.value.current.remark, told.value.sent) == ("hers", {"remark": "theirs"})
        changed = lists.change_list(connection, made.uid, 1, "Bea", "Python 3", "All of *it*.")
        assert (changed.title, changed.slug) == ("Python 3", "python")
        with pytest.raises(Conflict, match="Bea changed this list"):
            lists.change_list(connection, made.uid, 1, "Ada", "Python 2", "")


def test_a_list_can_be_full(notebook: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_ENTRIES", 1)
    with writing(notebook) as connection:
        made = lists.add_list(connection, "Ada", "Python")
        lists.add_entry(connection, made, FEATURE, "Ada")
        with pytest.raises(NotAllowed, match="holds at most 1 features"):
            lists.add_entry(connection, made, OTHER, "Ada")
