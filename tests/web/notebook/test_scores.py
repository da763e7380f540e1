"""What pages say of an explanation made here: by which model and prompt, and how it scored."""

import html
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.notebook import explanations
from app.notebook.database import open_notebook, writing
from app.notebook.records import Subject, TestResult
from app.web.pages.notebook.scores import score_rows, short_scores
from tests.web.notebook.conftest import FEATURE, Person

DETECTION = TestResult(
    balanced_accuracy=0.85,
    precision=17 / 20,
    recall=0.85,
    true_positives=17,
    false_negatives=3,
    false_positives=3,
    true_negatives=17,
    by_band=[[2, 4], [3, 4], [4, 4], [4, 4], [4, 4]],
    by_kind={"near": [5, 6], "other": [12, 14]},
    scorer="judge <1>",
    scored_at="2026-03-01T12:00:00.000Z",
).as_json()
MEASURED: dict[str, Any] = {
    "prompt_version": "1",
    "reading": "self",
    "evidence": {"precision": 0.5, "recall": 0.25, "n_tokens": 1_000},
    "score": 0.85,
    "score_kind": "detection",
    "scores": {"detection": DETECTION, "fuzzing": {"absent": "2 of 4 questions <b>"}},
}
SPLIT = {
    "seed": 7, "explaining": [[1, 2]] * 18, "contrast": [[3, 4]] * 4,
    "held_out": [[5, 6]] * 20, "without": [[7, 8]] * 19,
}  # fmt: skip


@pytest.fixture
def notebook(person: Person) -> Any:
    """The person's notebook, as another program opens it."""
    path: Path = person.client.app.state.atlas_file.path  # type: ignore[attr-defined]
    engine = open_notebook(str(path.with_suffix(".notebook.db")))
    yield engine
    engine.dispose()


def _explain(person: Person, notebook: Engine, **other: Any) -> str:
    path: Path = person.client.app.state.atlas_file.path  # type: ignore[attr-defined]
    atlas = open_atlas(path)
    with atlas.connect() as connection:
        sae = next(one for one in list_saes(connection) if one.address == "synthetic/resid-2-1k")
    atlas.close()
    subject = Subject("synthetic", "resid-2-1k", 3, sae.record.weights_hash)
    with writing(notebook) as pen:
        label = explanations.keep_label(
            pen, subject, "how", "model-x", "the word self", {**MEASURED, **other}
        )
        explanations.note_explanation(pen, subject, "all", "done", "run", "", label.uid, SPLIT)
    return label.uid


def _text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_an_explanation_stands_with_its_model_prompt_and_scores(
    person: Person, notebook: Engine
) -> None:
    before = person.get(FEATURE).headers["etag"]
    uid = _explain(person, notebook)
    page = person.get(FEATURE)
    assert page.headers["etag"] != before
    head = _text(page.text.split('class="page-head"')[1].split("<dl")[0])
    assert "“ the word self ” model-x, prompt 1, made here" in head and "detection 85%" in head
    panel = _text(page.text.split('id="notebook"')[1])
    assert "Detection 85% 17 of 20 17 of 20 85% 2/4 3/4 4/4 4/4 4/4" in panel
    assert "Fuzzing not scored: 2 of 4 questions <b>" in panel
    assert (
        "Scored by judge <1> ; without it: 5 of 6 near misses, 12 of 14 other "
        "features' texts. Chance is 50%." in panel
    )
    assert "questions <b>" not in page.text and "judge <1>" not in page.text
    own = _text(person.get(f"/-/notebook/label/{uid}").text)
    assert (
        "made from 18 texts with the feature and 4 without it, scored on 20 and 19 others (seed 7)"
        in own
    )
    assert "Detection 85% 17 of 20" in own


def test_the_twins_say_everything(person: Person, notebook: Engine) -> None:
    uid = _explain(person, notebook)
    (label,) = person.json(f"{FEATURE}.json")["notebook"]["labels"]
    assert label["scores"] == MEASURED["scores"]
    assert (label["explainer"], label["prompt_version"]) == ("model-x", "1")
    assert label["source"] == explanations.SOURCE
    twin = person.json(f"/-/notebook/label/{uid}.json")
    assert twin["thing"]["scores"] == MEASURED["scores"]
    assert twin["explanation"]["split"] == SPLIT
    assert twin["explanation"]["state"] == "done"


def test_another_text_has_no_scores(person: Person, notebook: Engine) -> None:
    uid = _explain(person, notebook)
    sent = person.send(f"/-/notebook/label/{uid}", version=1, text="mine now", reading="self")
    assert sent.status_code == 303
    (label,) = person.json(f"{FEATURE}.json")["notebook"]["labels"]
    assert (label["scores"], label["score"], label["score_kind"]) == ({}, None, "")
    assert label["evidence"] == MEASURED["evidence"], "that is the reading's, which is the same"
    page = _text(person.get(FEATURE).text)
    assert "Balanced accuracy" not in page
    assert "model-x, prompt 1, made here, changed by" in page
    history = person.json(f"/-/notebook/label/{uid}.json")["history"]
    assert history[-1]["record"]["scores"] == MEASURED["scores"]


def test_a_label_by_a_person_has_no_scores_and_no_table(person: Person) -> None:
    person.send(f"{FEATURE}/labels", text="mine")
    (label,) = person.json(f"{FEATURE}.json")["notebook"]["labels"]
    assert label["scores"] == {}
    assert "Balanced accuracy" not in person.get(FEATURE).text
    assert person.json(f"/-/notebook/label/{label['uid']}.json")["explanation"] is None


def test_explanations_are_searched_and_filtered_as_labels(person: Person, notebook: Engine) -> None:
    _explain(person, notebook)
    found = person.json("/-/search.json?q=has:label+self")["results"]
    assert [(one["sae"], one["feature_index"]) for one in found] == [("resid-2-1k", 3)]
    assert person.json("/synthetic/resid-2-1k.json?has=label")["n_matching"] == 1


@pytest.mark.parametrize(
    "scores",
    [
        {"detection": 5},
        {"detection": {"balanced_accuracy": "high"}},
        {"detection": {**DETECTION, "true_positives": None}},
        {"detection": {**DETECTION, "by_band": 3, "by_kind": [1], "scorer": None}},
        {"detection": {**DETECTION, "by_band": [[1], "x", [1, 2, 3]], "by_kind": {"near": [1]}}},
        {"reading": DETECTION},
        {"fuzzing": {"absent": ["odd"]}},
        {"other": {"absent": "unknown"}},
        {"detection": {**DETECTION, "balanced_accuracy": float("nan")}},
    ],
)
def test_scores_of_unknown_origin_never_break_a_page(
    person: Person, notebook: Engine, scores: dict[str, Any]
) -> None:
    score_rows(scores)
    short_scores(scores)
    if "nan" not in str(scores):
        _explain(person, notebook, scores=scores)
        assert person.get(FEATURE).status_code == 200


def test_why_nothing_was_scored_is_said_beside_the_name() -> None:
    absent = {"absent": "too few"}
    assert short_scores({"detection": absent, "fuzzing": absent}) == "not scored"
    assert short_scores({"detection": absent, "fuzzing": DETECTION}) == "fuzzing 85%"
    assert short_scores({"reading": absent}) == short_scores({}) == ""
