"""What `feature-atlas explain` keeps, on both databases."""

from typing import Any

import pytest
from sqlalchemy import Engine

from app.notebook import explanations, labels
from app.notebook.database import writing
from app.notebook.errors import NotAllowed
from app.notebook.explanations import KeptAnswer
from app.notebook.jsonl import export_lines, import_lines
from app.notebook.records import Subject
from app.notebook.things import counter, history_of, withdraw_thing
from tests.notebook.conftest import OpenNotebook

SUBJECT = Subject("tiny", "resid-1", 3, "hash-a")
DICTIONARY = ("tiny", "resid-1", "hash-a")
MEASURED: dict[str, Any] = {
    "prompt_version": "1",
    "reading": "self",
    "evidence": {"precision": 1 / 3},
    "score": 0.85,
    "score_kind": "detection",
    "scores": {
        "detection": {"true_positives": 17, "by_band": [[1, 2]]},
        "fuzzing": {"absent": "x"},
    },
}


def _label(notebook: Engine, text: str = "words", identity: str = "how", **other: Any) -> Any:
    with writing(notebook) as pen:
        return explanations.keep_label(
            pen, SUBJECT, identity, "model-x", text, {**MEASURED, **other}
        )


def test_the_first_answer_stays(notebook: Engine) -> None:
    first, second = KeptAnswer("yes", 3, None), KeptAnswer("no", 1, 1)
    with notebook.connect() as connection:
        assert explanations.kept_answer(connection, "key") is None
    for answer in (first, second):
        with writing(notebook) as pen:
            explanations.keep_answer(pen, "key", SUBJECT, "explain", answer, "run")
    with notebook.connect() as connection:
        assert explanations.kept_answer(connection, "key") == first
        assert counter(connection) == 0, "no page changes by it"


def test_a_run_is_noted_from_its_start(notebook: Engine) -> None:
    with writing(notebook) as pen:
        run = explanations.begin_run(pen, DICTIONARY, {"seed": 0}, "http://here/v1")
        other = explanations.begin_run(pen, DICTIONARY, {}, "http://here/v1")
    with writing(notebook) as pen:
        explanations.end_run(pen, run, {"done": 5})
    with notebook.connect() as connection:
        rows = connection.execute(explanations._run.select()).mappings().all()
    found = {row["run_id"]: row for row in rows}
    assert (found[run]["counts"], found[run]["settings"]) == ({"done": 5}, {"seed": 0})
    assert found[run]["ended_at"] >= found[run]["started_at"]
    assert found[other]["ended_at"] == ""


def test_how_far_a_feature_is_belongs_to_settings_and_dictionary(notebook: Engine) -> None:
    other = Subject("tiny", "resid-1", 3, "hash-b")
    with writing(notebook) as pen:
        explanations.note_explanation(pen, SUBJECT, "a", "unanswered", "run", "a refusal")
        explanations.note_explanation(pen, SUBJECT, "b", "done", "run", "", "uid", {"seed": 1})
        explanations.note_explanation(pen, other, "a", "done", "run")
        explanations.note_explanation(pen, SUBJECT, "a", "unscored", "run2", "busy", "uid")
    with notebook.connect() as connection:
        under = explanations.explanations_under(connection, DICTIONARY, "a")
        assert list(under) == [3]
        assert (under[3].state, under[3].reason, under[3].run_id) == ("unscored", "busy", "run2")
        behind = explanations.explanation_behind(connection, "uid")
        assert behind is not None and behind.settings_hash in ("a", "b")
        assert explanations.explanation_behind(connection, "other") is None


def test_a_label_is_made_once_and_learns_its_scores(notebook: Engine) -> None:
    first = _label(notebook, scores={}, score=None, score_kind="")
    again = _label(notebook, scores={}, score=None, score_kind="")
    assert again == first and first.version == 1
    scored = _label(notebook)
    assert (scored.uid, scored.version, scored.score) == (first.uid, 2, 0.85)
    with notebook.connect() as connection:
        assert [one.action for one in history_of(connection, "label", first.uid)] == [
            "changed",
            "made",
        ]
        (read,) = labels.labels_of(connection, "tiny", "resid-1", 3)
    assert read == scored and not read.by_person
    assert (read.evidence, read.scores) == (MEASURED["evidence"], MEASURED["scores"])
    assert _label(notebook, identity="other").uid != first.uid


def test_what_a_person_did_to_it_stays(notebook: Engine) -> None:
    first = _label(notebook)
    with writing(notebook) as pen:
        changed = labels.change_label(pen, first.uid, 1, "Ada", "better", "self", None)
    assert (changed.scores, changed.score, changed.evidence) == ({}, None, MEASURED["evidence"])
    assert _label(notebook, score=0.5) == changed
    withdrawn = _label(notebook, identity="other")
    with writing(notebook) as pen:
        withdraw_thing(pen, "label", withdrawn.uid, 1, "Ada")
    assert _label(notebook, identity="other", score=0.5).withdrawn


def test_an_empty_explanation_is_no_label(notebook: Engine) -> None:
    with pytest.raises(NotAllowed):
        _label(notebook, text=" \u200b")
    with notebook.connect() as connection:
        assert labels.labels_of(connection, "tiny", "resid-1", 3) == []


def test_scores_go_out_and_come_in(notebook: Engine, opened: OpenNotebook, tmp_path: Any) -> None:
    _label(notebook)
    with notebook.connect() as connection:
        lines = list(export_lines(connection))
    other = opened(str(tmp_path / "other.db"))
    for n_new in (1, 0):
        with writing(other) as pen:
            done = import_lines(pen, lines, "file", lambda *_: "hash-a")
        assert done.n_new == n_new
    with other.connect() as connection:
        (read,) = labels.labels_of(connection, "tiny", "resid-1", 3)
        assert read.scores == MEASURED["scores"]
        assert list(export_lines(connection)) == lines


def test_an_export_of_before_has_no_scores_and_comes_in(notebook: Engine) -> None:
    _label(notebook)
    with notebook.connect() as connection:
        (line,) = [one for one in export_lines(connection) if '"kind":"label"' in one]
    import json

    old = json.loads(line)
    del old["scores"]
    old["uid"] = "0" * 32
    with writing(notebook) as pen:
        assert import_lines(pen, [json.dumps(old)], "file", lambda *_: "hash-a").n_new == 1
    with notebook.connect() as connection:
        scores = [one.scores for one in labels.labels_of(connection, "tiny", "resid-1", 3)]
    assert {} in scores
