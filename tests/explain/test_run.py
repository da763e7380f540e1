"""Runs over several features: what comes of knowing, guessing and agreeing models, and again."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine

from app.explain.prompts.wording import PROMPT_VERSION
from app.explain.source import Source
from app.notebook import labels as notebook_labels
from app.notebook.database import open_notebook, writing
from app.notebook.explanations import SOURCE
from tests.explain.models import Guessing, Knowing, kind_of, texts_of
from tests.explain.running import SETTINGS, labels, run, states
from tests.explain.stand_in import Answer, Body, says, standing_in

FEATURES = [1, 2, 4, 7, 8, 9, 14, 15]
"""With enough texts of both kinds"""


def _counts(scores: Mapping[str, Any]) -> list[int]:
    return [
        scores[name]
        for name in ("true_positives", "false_negatives", "false_positives", "true_negatives")
    ]


def test_who_knows_the_truth_scores_one(source: Source, notebook: Engine) -> None:
    with standing_in(Knowing(source, SETTINGS, FEATURES)) as server:
        outcome = run(source, notebook, server.url, FEATURES)
    assert (outcome.is_whole, outcome.states["done"]) == (True, len(FEATURES))
    found = labels(source, notebook)
    assert sorted(found) == FEATURES
    for feature, label in found.items():
        split = source.split(feature, 0)
        n_with, n_without = len(split.held_out), len(split.without)
        assert label.text == f"thing {feature}"
        assert (label.source, label.explainer, label.author) == (SOURCE, "writer-1", "writer-1")
        assert label.prompt_version == PROMPT_VERSION
        assert (label.score, label.score_kind) == (1.0, "detection")
        detection, fuzzing = label.scores["detection"], label.scores["fuzzing"]
        assert _counts(detection) == [n_with, 0, 0, n_without]
        assert detection["balanced_accuracy"] == detection["precision"] == detection["recall"] == 1
        assert detection["scorer"] == "judge-1"
        assert [sum(one) for one in zip(*detection["by_band"], strict=True)] == [n_with, n_with]
        kinds = Counter(text.kind for text in split.without)
        assert detection["by_kind"] == {kind: [n, n] for kind, n in kinds.items()}
        assert _counts(fuzzing)[:3] == [n_with, 0, 0] and fuzzing["balanced_accuracy"] == 1
        assert fuzzing["by_kind"] == {}


def test_who_guesses_scores_near_one_half(source: Source, notebook: Engine) -> None:
    """Four standard deviations of a fair coin; the seed is fixed, so this never wavers."""
    with standing_in(Guessing(seed=5)) as server:
        outcome = run(source, notebook, server.url, FEATURES, concurrency=1)
    assert outcome.is_whole
    for kind in ("detection", "fuzzing"):
        counts = [_counts(label.scores[kind]) for label in labels(source, notebook).values()]
        hits, misses, alarms, rejected = (sum(column) for column in zip(*counts, strict=True))
        n_with, n_without = hits + misses, alarms + rejected
        assert min(n_with, n_without) > 80
        balanced = (hits / n_with + rejected / n_without) / 2
        deviation = math.sqrt(0.25 / n_with + 0.25 / n_without) / 2
        assert abs(balanced - 0.5) < 4 * deviation
        own = [
            label.scores[kind]["balanced_accuracy"] for label in labels(source, notebook).values()
        ]
        assert len(set(own)) > 1, "of single features it scatters"


def test_who_says_yes_to_everything_scores_one_half(source: Source, notebook: Engine) -> None:
    def agree(body: Body) -> Answer:
        prompt = body["messages"][0]["content"]
        if kind_of(prompt) == "explain":
            return says('{"explanation": "anything", "reading": null}')
        return says(json.dumps([1] * len(texts_of(prompt))))

    with standing_in(agree) as server:
        run(source, notebook, server.url, [3, 9])
    for label in labels(source, notebook).values():
        scores = label.scores["detection"]
        assert (scores["balanced_accuracy"], scores["recall"]) == (0.5, 1.0)
        n = scores["true_positives"] + scores["false_positives"]
        assert scores["precision"] == scores["true_positives"] / n != 0.5


def test_the_same_run_twice_asks_nothing_twice(source: Source, notebook: Engine) -> None:
    model = Knowing(source, SETTINGS, FEATURES)
    with standing_in(model) as server:
        first = run(source, notebook, server.url, FEATURES)
        n = len(server.seen)
        before = labels(source, notebook)
        again = run(source, notebook, server.url, FEATURES)
        assert len(server.seen) == n == first.usage.n_requests
    assert (again.usage.n_requests, again.usage.n_kept) == (0, n)
    after = labels(source, notebook)
    assert {i: label.text for i, label in after.items()} == {
        i: label.text for i, label in before.items()
    }


def test_what_was_asked_once_is_used_by_other_settings(source: Source, notebook: Engine) -> None:
    bare = type(SETTINGS)("writer-1", "judge-1", wants_scores=False)
    with standing_in(Knowing(source, SETTINGS, [1])) as server:
        run(source, notebook, server.url, [1], bare)
        unscored = labels(source, notebook)[1]
        assert unscored.scores["detection"] == {"absent": "it wasn't asked for"}
        assert (unscored.score, len(server.seen)) == (None, 1)
        run(source, notebook, server.url, [1])
        scored = labels(source, notebook)[1]
        assert [kind_of(seen.prompt) for seen in server.seen].count("explain") == 1
    assert (scored.uid, scored.version, scored.score) == (unscored.uid, 2, 1.0)


def test_another_explainer_makes_another_label(source: Source, notebook: Engine) -> None:
    other = type(SETTINGS)("writer-2", "judge-1")
    with standing_in(Knowing(source, SETTINGS, [1])) as server:
        run(source, notebook, server.url, [1])
        run(source, notebook, server.url, [1], other)
        assert {seen.body["model"] for seen in server.seen} == {"writer-1", "writer-2", "judge-1"}
    with notebook.connect() as connection:
        found = notebook_labels.labels_of(connection, "synthetic", "one", 1)
    assert {(label.text, label.explainer) for label in found} == {
        ("thing 1", "writer-1"),
        ("thing 1", "writer-2"),
    }


def test_a_reading_is_tested_on_every_firing(source: Source, notebook: Engine) -> None:
    token = '"' + source.split(9, 0).explaining[0].pieces[0].replace('"', "") + '"'
    readings = {9: "/\\w+/", 1: "((", 2: "* with", 15: token}
    with standing_in(Knowing(source, SETTINGS, FEATURES, readings)) as server:
        run(source, notebook, server.url, [9, 1, 2])
    found = labels(source, notebook)
    kept = found[9]
    measured = source.evidence(9, "/\\w+/")
    assert measured is not None and measured.n_both > 0
    assert (kept.reading, kept.evidence) == ("/\\w+/", measured.as_json())
    for feature in (1, 2):
        assert (found[feature].reading, found[feature].evidence) == ("", {})
        said = found[feature].scores["reading"]["absent"]
        assert said.startswith(f"“{readings[feature]}” can't be read: ")
        assert found[feature].score == 1, "the explanation counts all the same"


def test_without_events_readings_wait_unmeasured(source_alone: Source, notebook: Engine) -> None:
    with standing_in(Knowing(source_alone, SETTINGS, [9, 1], {9: "/\\w+/", 1: "(("})) as server:
        run(source_alone, notebook, server.url, [9, 1])
    found = labels(source_alone, notebook)
    assert (found[9].reading, found[9].evidence) == ("/\\w+/", {})
    assert found[1].reading == "" and "can't be read" in found[1].scores["reading"]["absent"]
    kinds = {
        kind for label in found.values() for kind in label.scores["detection"].get("by_kind", {})
    }
    assert kinds <= {"near", "silent"}


@pytest.mark.parametrize("feature", [28, 30])
def test_too_few_examples_are_explained_and_not_scored(
    source: Source, notebook: Engine, feature: int
) -> None:
    with standing_in(Knowing(source, SETTINGS, [feature])) as server:
        outcome = run(source, notebook, server.url, [feature])
        assert len(server.seen) == 1
    assert outcome.is_whole
    label = labels(source, notebook)[feature]
    assert label.text == f"thing {feature}" and label.score is None and label.score_kind == ""
    for kind in ("detection", "fuzzing"):
        assert label.scores[kind]["absent"].startswith("too few are stored to keep 5 back: ")


def test_fuzzing_is_scored_where_no_text_is_without(source: Source, notebook: Engine) -> None:
    with standing_in(Knowing(source, SETTINGS, [11])) as server:
        run(source, notebook, server.url, [11])
    label = labels(source, notebook)[11]
    assert label.scores["detection"] == {"absent": "too few texts are known to be without it: 0"}
    assert (label.score, label.score_kind) == (1.0, "fuzzing")


def test_the_split_is_kept_with_its_seed(source: Source, notebook: Engine) -> None:
    with standing_in(Knowing(source, SETTINGS, [9])) as server:
        run(source, notebook, server.url, [9])
    kept = states(source, notebook)[9]
    assert (kept.state, kept.label_uid) == ("done", labels(source, notebook)[9].uid)
    assert kept.split == source.split(9, 0).as_json(0)
    assert kept.split["seed"] == 0 and len(kept.split["held_out"]) > 5


def test_a_label_somebody_changed_stays_theirs(source: Source, notebook: Engine) -> None:
    def refuse_scores(body: Body) -> Answer:
        if kind_of(body["messages"][0]["content"]) == "explain":
            return Knowing(source, SETTINGS, [1])(body)
        return says(None, refusal="no")

    with standing_in(refuse_scores) as server:
        outcome = run(source, notebook, server.url, [1])
        assert (outcome.states["unscored"], outcome.reasons["a refusal"]) == (1, 1)
        mine = labels(source, notebook)[1]
        assert "questions got no answer (a refusal)" in mine.scores["detection"]["absent"]
        with writing(notebook) as pen:
            notebook_labels.change_label(pen, mine.uid, 1, "Ada", "better words", "", None)
        server.behaviour = Knowing(source, SETTINGS, [1])
        assert run(source, notebook, server.url, [1]).is_whole
    kept = labels(source, notebook)[1]
    assert (kept.text, kept.changed_by, kept.scores, kept.score) == (
        "better words",
        "Ada",
        {},
        None,
    )


def test_a_notebook_in_postgresql_keeps_the_same(source: Source, postgres_place: str) -> None:
    notebook = open_notebook(postgres_place)
    try:
        with standing_in(Knowing(source, SETTINGS, FEATURES[:3])) as server:
            assert run(source, notebook, server.url, FEATURES[:3]).is_whole
            again = run(source, notebook, server.url, FEATURES[:3])
        assert (again.is_whole, again.usage.n_requests) == (True, 0)
        found = labels(source, notebook)
        assert {label.score for label in found.values()} == {1.0}
        assert states(source, notebook)[1].split == source.split(1, 0).as_json(0)
    finally:
        notebook.dispose()


def test_no_more_is_asked_at_once_than_allowed(source: Source, notebook: Engine) -> None:
    model = Knowing(source, SETTINGS, FEATURES)

    def slowly(body: Body) -> Answer:
        answer = model(body)
        answer.seconds = 0.02
        return answer

    with standing_in(slowly) as server:
        assert run(source, notebook, server.url, FEATURES, concurrency=3).is_whole
        assert server.most_at_once == 3
