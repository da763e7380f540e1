"""What is asked: by which words, from which texts, and with what it never holds."""

import hashlib
import inspect
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from app.explain.prompts import wording
from app.explain.prompts.explanation import explanation_prompt
from app.explain.prompts.scoring import detection_questions, fuzzing_questions, other_places
from app.explain.source import Source
from app.explain.texts import Text, shown, shown_marked, shown_with_strengths
from app.stats.reading.grammar import HELP
from tests.explain.models import texts_of

_WORDS_OF = {"1": "8c48944cb3f477ef"}
"""The words of each version that was ever used, as a hash"""


def test_other_words_are_another_version() -> None:
    """A label says by which prompt it was made: change PROMPT_VERSION with the words."""
    names = sorted(name for name in vars(wording) if name.isupper() and name != "PROMPT_VERSION")
    words = "\n".join(f"{name}={getattr(wording, name)}" for name in names)
    words += wording.reading_forms()
    words += "".join(
        inspect.getsource(made) for made in (shown, shown_marked, shown_with_strengths)
    )
    found = hashlib.sha256(words.encode()).hexdigest()[:16]
    assert found == _WORDS_OF[wording.PROMPT_VERSION]


def test_no_prompt_that_explains_holds_a_text_kept_back(source: Source) -> None:
    n = 0
    for feature in source.living.tolist():
        split = source.split(feature, 0)
        prompt = explanation_prompt(split, True).text
        for text in (*split.held_out, *split.without):
            assert shown(text)[1:-1] not in prompt
            assert shown_with_strengths(text)[1:-1] not in prompt
            n += 1
        alone = replace(split, held_out=(), without=())
        assert explanation_prompt(alone, True).text == prompt, "it isn't even looked at"
    assert n > 500


def test_an_explanation_is_asked_from_strong_weak_and_silent_texts(source: Source) -> None:
    split = source.split(9, 0)
    prompt = explanation_prompt(split, True).text
    expected = [*map(shown_with_strengths, split.explaining), *map(shown, split.contrast)]
    assert texts_of(prompt) == expected
    assert len({text.band for text in split.explaining}) >= 4, "not only the strongest"
    assert prompt.count("Texts in which it is silent") == 1
    bare = explanation_prompt(replace(split, contrast=()), False).text
    assert "Texts in which it is silent" not in bare


def test_a_reading_is_asked_for_in_its_own_language_or_not_at_all(source: Source) -> None:
    split = source.split(9, 0)
    asked, bare = explanation_prompt(split, True).text, explanation_prompt(split, False).text
    assert all(row.form in asked and row.meaning in asked for row in HELP)
    assert '"reading"' in asked and "reading" not in bare and "expression" not in bare


def test_detection_asks_about_every_text_once(source: Source) -> None:
    split = source.split(9, 0)
    questions = detection_questions(split, 0, 9, 10)
    items = [item for question in questions for item in question.items]
    assert Counter(item.text for item in items if item.truth) == Counter(split.held_out)
    assert Counter(item.text for item in items if not item.truth) == Counter(split.without)
    assert all("⟦" not in item.shown for item in items)
    sizes = [len(question.items) for question in questions]
    assert max(sizes) <= 10 and max(sizes) - min(sizes) <= 1
    assert [question.step for question in questions] == [
        f"detection-{i}" for i in range(len(questions))
    ]
    for question in questions:
        prompt = question.prompt('a "quoted" {thing}').text
        assert texts_of(prompt) == [item.shown for item in question.items]
        assert '"a \\"quoted\\" {thing}"' in prompt
        assert f"a JSON list of {len(question.items)} numbers" in prompt


def test_fuzzing_asks_about_every_text_twice_but_never_together(source: Source) -> None:
    for feature in (1, 9, 11, 32):
        split = source.split(feature, 0)
        questions = fuzzing_questions(split, 0, feature, 10)
        right = [item for question in questions for item in question.items if item.truth]
        wrong = [item for question in questions for item in question.items if not item.truth]
        assert Counter(item.text for item in right) == Counter(split.held_out)
        assert set(Counter(item.text for item in wrong).values()) == {1}
        for question in questions:
            assert len({item.text for item in question.items}) == len(question.items)
        for item in right:
            assert item.shown == shown_marked(item.text, item.text.firing)
        for item in wrong:
            assert item.shown != shown_marked(item.text, item.text.firing)
            assert item.shown.count("⟦") <= len(item.text.firing)


@pytest.mark.parametrize(
    ("strengths", "runs"),
    [
        ((0, 0, 0, 5, 5, 0, 0, 0, 0, 0), [2]),
        ((0, 0, 0, 5, 5, 0, 0, 0, 7, 0), [1, 2]),
        ((5, 5, 5, 0, 5, 5, 5, 0, 5, 0), [1, 1, 1]),
        ((5, 5, 5, 5), []),
        ((0, 0, 0, 0), []),
    ],
)
def test_other_tokens_are_silent_ones_in_runs_as_long(
    strengths: tuple[int, ...], runs: list[int]
) -> None:
    text = Text("active", 0, 0, 0, tuple("abcdefghij")[: len(strengths)], strengths)
    for seed in range(20):
        places = other_places(text, np.random.default_rng(seed))
        assert not set(places) & set(text.firing)
        lengths = [
            len(run) for run in "".join("x" if i in places else " " for i in range(10)).split()
        ]
        assert sum(lengths) == sum(runs)
        if not sum(runs) > 3:
            # Two runs that were drawn side by side look like one.
            assert sorted(lengths) == runs or lengths == [sum(runs)]


def test_a_model_gets_one_message_and_its_own_words_back() -> None:
    from app.explain.prompts.prompt import Prompt

    prompt = Prompt("explain", "What is it?", "the JSON object")
    assert prompt.messages() == [{"role": "user", "content": "What is it?"}]
    again = prompt.messages("dunno")
    assert [one["role"] for one in again] == ["user", "assistant", "user"]
    assert again[1]["content"] == "dunno" and "the JSON object" in again[2]["content"]
