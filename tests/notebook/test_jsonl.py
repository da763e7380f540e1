"""A notebook comes back from its lines identical, and labels come in from elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from app.notebook import labels, lists, notes
from app.notebook.database import writing
from app.notebook.errors import NotAllowed, NotebookError
from app.notebook.files import export_file, find_hash_in, import_file
from app.notebook.jsonl import Imported, export_lines, import_lines
from app.notebook.records import Subject
from app.notebook.things import withdraw_thing
from tests.notebook.conftest import OpenNotebook

FEATURE = Subject("tiny", "resid-1", 7, "hash-a")
HASHES = {("tiny", "resid-1"): ("hash-a", 100)}


def _fill(notebook: Engine) -> None:
    """Something of every kind, changed, withdrawn, chosen; with texts that try to break lines."""
    with writing(notebook) as connection:
        evidence = {"precision": 1 / 3, "recall": None, "n_tokens": 5}
        first = labels.add_label(connection, FEATURE, "Ada", "self", "self", evidence)
        labels.change_label(connection, first.uid, 1, "Bea", "the self", "self", None)
        second = labels.add_label(connection, FEATURE, "np", "LM's", source="np", score=1e-300)
        withdraw_thing(connection, "label", second.uid, 1, "Ada")
        labels.choose_label(connection, first, 0, "Ada")
        notes.add_note(connection, FEATURE, "Ada", 'a\nb "c" \\ \u2028 ‮d 😀')
        notes.set_star(connection, FEATURE, "Ada", True)
        made = lists.add_list(connection, "Ada", "Python", "*all*")
        lists.add_entry(connection, made, FEATURE, "Bea", "remark")


def _lines(notebook: Engine) -> list[str]:
    with notebook.connect() as connection:
        return list(export_lines(connection))


def _import(notebook: Engine, lines: list[str], source: str = "elsewhere") -> Imported:
    with writing(notebook) as connection:
        return import_lines(connection, lines, source, find_hash_in(HASHES))


def test_export_and_import_are_the_same_notebook(
    notebook: Engine, tmp_path: Path, opened: OpenNotebook
) -> None:
    _fill(notebook)
    lines = _lines(notebook)
    other = opened(str(tmp_path / "other.db"))
    assert _import(other, lines).n_new == 7
    assert _lines(other) == lines
    again = _import(other, lines)
    assert (again.n_new, again.n_newer, again.n_same, again.n_differing) == (0, 0, 7, 0)
    assert _lines(other) == lines


def test_import_into_the_same_database_kind(notebook: Engine) -> None:
    _fill(notebook)
    lines = _lines(notebook)
    _import(notebook, lines)
    assert _lines(notebook) == lines


def test_a_file_that_goes_on_from_here_is_followed(
    notebook: Engine, tmp_path: Path, opened: OpenNotebook
) -> None:
    _fill(notebook)
    other = opened(str(tmp_path / "other.db"))
    _import(other, _lines(notebook))
    with writing(other) as connection:
        (label,) = labels.labels_of(connection, "tiny", "resid-1", 7)
        labels.change_label(connection, label.uid, label.version, "Cleo", "later", "self", None)
    done = _import(notebook, _lines(other))
    assert (done.n_newer, done.n_differing) == (1, 0)
    assert _lines(notebook) == _lines(other)


def test_what_was_changed_here_and_there_stays_as_it_is_here(
    notebook: Engine, tmp_path: Path, opened: OpenNotebook
) -> None:
    _fill(notebook)
    other = opened(str(tmp_path / "other.db"))
    _import(other, _lines(notebook))
    for where, text in ((notebook, "here"), (other, "there")):
        with writing(where) as connection:
            (label,) = labels.labels_of(connection, "tiny", "resid-1", 7)
            labels.change_label(connection, label.uid, 2, "Ada", text, "self", None)
    assert _import(notebook, _lines(other)).n_differing == 1
    with notebook.connect() as connection:
        (label,) = labels.labels_of(connection, "tiny", "resid-1", 7)
    assert label.text == "here"


def test_explanations_from_elsewhere_are_labels_with_their_source(notebook: Engine) -> None:
    ours = {
        "model": "tiny", "sae": "resid-1", "feature_index": 3, "text": "fires on “self”",
        "source": "autointerp", "explainer": "some-model", "score": 0.75, "score_kind": "fuzzing",
        "prompt_version": "v2",
    }  # fmt: skip
    neuronpedia = {
        "model": "tiny", "sae": "resid-1", "index": "4", "description": "closing brackets",
        "explanationModelName": "gpt-4o-mini", "typeName": "oai_token-act-pair", "layer": "1",
    }  # fmt: skip
    lines = [json.dumps(ours), "", json.dumps(neuronpedia)]
    assert _import(notebook, lines, "neuronpedia").n_new == 2
    assert _import(notebook, lines, "neuronpedia").n_same == 2
    with notebook.connect() as connection:
        first, second = sorted(
            labels.labels_of_dictionary(connection, "tiny", "resid-1"),
            key=lambda label: label.feature_index,
        )
    assert (first.source, first.explainer, first.score, first.score_kind, first.prompt_version) == (
        "autointerp", "some-model", 0.75, "fuzzing", "v2"
    )  # fmt: skip
    assert first.weights_hash == "hash-a"
    assert not first.by_person
    assert (second.feature_index, second.text) == (4, "closing brackets")
    assert (second.source, second.explainer) == ("neuronpedia", "gpt-4o-mini")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "Line 2 can't be imported: it is no JSON"),
        ("[]", "no JSON object"),
        ('{"model":"tiny","sae":"resid-1","feature_index":1}', "has no text"),
        ('{"feature_index":1,"text":"a"}', "names no model and sae: give them with --sae"),
        ('{"model":"tiny","sae":"resid-1","feature_index":-1,"text":"a"}', "no number of a"),
        ('{"model":"tiny","sae":"resid-1","feature_index":100,"text":"a"}', "no feature 100"),
        ('{"model":"tiny","sae":"resid-9","feature_index":1,"text":"a"}', "known are tiny/resid-1"),
        ('{"model":"tiny","sae":"resid-1","feature_index":1,"text":7}', "text is no text"),
        ('{"model":"tiny","sae":"resid-1","feature_index":1,"text":"a","score":"b"}', "no number"),
        ('{"kind":"label","uid":"x"}', "fields are not those"),
        ('{"kind":"star","author":"a","model":"m","sae":"s","feature_index":"x",'
         '"weights_hash":"h","created_at":"t"}', "feature_index is str"),
        ('{"kind":"bird","uid":"x"}', "no kind 'bird'"),
        ('{"kind":"notebook","format":2}', "its format is 2"),
        ('{"kind":"shown"}', "it has no 'model'"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_imports_nothing(
    notebook: Engine, line: str, sentence: str
) -> None:
    good = '{"model":"tiny","sae":"resid-1","feature_index":1,"text":"good"}'
    with pytest.raises(NotAllowed, match=sentence):
        _import(notebook, [good, line])
    assert len(_lines(notebook)) == 1


_LABEL = {
    "kind": "label", "uid": "0f" * 16, "version": 1, "author": "Ada", "changed_by": "Ada",
    "created_at": "2026-03-01T12:00:00.000Z", "changed_at": "2026-03-01T12:00:00.000Z",
    "withdrawn": False, "model": "tiny", "sae": "resid-1", "feature_index": 1,
    "weights_hash": "hash-a", "text": "a", "reading": "", "evidence": {}, "source": "",
    "explainer": "", "prompt_version": "", "score": None, "score_kind": "",
}  # fmt: skip
_LIST = {
    **{name: _LABEL[name] for name in ("uid", "version", "author", "changed_by", "created_at",
                                       "changed_at", "withdrawn")},
    "kind": "list", "slug": "python", "title": "Python", "text": "",
}  # fmt: skip
_SHOWN = {
    "kind": "shown", "model": "tiny", "sae": "resid-1", "feature_index": 1, "version": 1,
    "label_uid": "0f" * 16, "changed_by": "Ada", "changed_at": _LABEL["changed_at"],
}  # fmt: skip
_REVISION = {
    "kind": "revision", "of": "label", "uid": "0f" * 16, "version": 1, "action": "made",
    "author": "Ada", "at": _LABEL["changed_at"], "model": "tiny", "sae": "resid-1",
    "feature_index": 1, "record": {},
}  # fmt: skip


def test_the_lines_that_are_spoilt_below_are_good(notebook: Engine) -> None:
    lines = [json.dumps(line) for line in (_LABEL, _LIST, _SHOWN, _REVISION)]
    assert _import(notebook, lines).n_new == 3


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        (_LABEL, {"text": "half \ud800"}), (_LABEL, {"text": "nul \x00"}),
        (_LABEL, {"text": "a" * 301}), (_LABEL, {"author": "a" * 2**20}),
        (_LABEL, {"uid": "../../x"}), (_LABEL, {"uid": "0F" * 16}), (_LABEL, {"uid": "\x00"}),
        (_LABEL, {"model": "/evil.example"}), (_LABEL, {"sae": "a/b"}), (_LABEL, {"model": ""}),
        (_LABEL, {"changed_at": "yesterday"}), (_LABEL, {"version": -1}),
        (_LABEL, {"feature_index": 2**40}), (_LABEL, {"evidence": {"a": "\x00"}}),
        (_LABEL, {"evidence": {"a": "b" * 300_000}}),
        (_LIST, {"slug": "javascript:alert(1)"}), (_LIST, {"slug": ""}),
        (_LIST, {"title": "a" * 121}),
        (_SHOWN, {"version": "1"}), (_SHOWN, {"label_uid": 7}), (_SHOWN, {"changed_by": ["a"]}),
        (_SHOWN, {"feature_index": None}), (_SHOWN, {"changed_at": None}),
        (_REVISION, {"action": "destroyed"}), (_REVISION, {"of": "bird"}), (_REVISION, {"at": 3}),
        (_REVISION, {"version": True}), (_REVISION, {"record": {"text": "\ud800"}}),
        (_REVISION, {"uid": "\x00"}), (_REVISION, {"model": "\x00"}),
    ],
)  # fmt: skip
def test_what_no_notebook_could_hold_is_not_taken(
    notebook: Engine, line: dict[str, Any], changes: dict[str, Any]
) -> None:
    """A file may have been edited; its names become addresses and its texts pages."""
    with pytest.raises(NotAllowed, match=r"Line 2 can't be imported: (its|there)"):
        _import(notebook, [json.dumps(_LIST | {"uid": "1a" * 16, "slug": "other"}),
                           json.dumps(line | changes)])  # fmt: skip
    assert len(_lines(notebook)) == 1


def test_an_explanation_about_what_is_no_dictionary_is_refused(notebook: Engine) -> None:
    line = {"model": "/evil.example", "sae": "x", "feature_index": 1, "text": "a",
            "weights_hash": "h"}  # fmt: skip
    with pytest.raises(NotAllowed, match="is not the name of a model"):
        _import(notebook, [json.dumps(line)])


def test_files_of_lines(place: str, tmp_path: Path, opened: OpenNotebook) -> None:
    _fill(opened(place))
    file = tmp_path / "out.jsonl"
    assert "lines of" in export_file(place, file)
    other = str(tmp_path / "other.db")
    assert import_file(other, file, "out", "", HASHES).startswith("7 new, 0 newer")
    export_file(other, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == file.read_bytes()
    file.write_text('{"feature_index": 5, "text": "short"}\n')
    assert import_file(other, file, "out", "tiny/resid-1", HASHES).startswith("1 new")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(NotAllowed, match="no text in UTF-8"):
        import_file(other, file, "out", "", HASHES)
    with pytest.raises(NotebookError, match="Can't read"):
        import_file(other, tmp_path / "none.jsonl", "out", "", HASHES)
    with pytest.raises(NotebookError, match="is off"):
        export_file(None, file)
