"""Answers as models write them: what is asked for is found, what isn't there is never guessed."""

import json

import pytest

from app.explain.answers import Unreadable, read_explanation, read_verdicts


@pytest.mark.parametrize(
    "answer",
    [
        '{"explanation": "the word self", "reading": "self"}',
        'Sure!\n```json\n{"explanation": "the word self",\n "reading": "self"}\n```\nMore?',
        '<think>{"explanation": "no"}</think>{"explanation":"the word self","reading":"self"}',
        'thinking without a beginning</think>\n{"explanation": "the word self", "reading": "self"}',
        '{"explanation": "no"} better: {"explanation": "the  word\\nself", "reading": " self "}',
        '{broken {"explanation": "the word self", "reading": "self"}',
    ],
)
def test_an_explanation_is_found_wherever_it_stands(answer: str) -> None:
    found = read_explanation(answer)
    assert (found.text, found.reading) == ("the word self", "self")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "The word self.",
        '{"explanation": ""}',
        '{"explanation": "\\u200b"}',
        '{"explanation": null}',
        '{"reading": "self"}',
        '["explanation"]',
        '{"explanation": "the wo',
        "{" * 100_000,
        "[" * 100_000,
    ],
)
def test_what_is_no_explanation_is_not_taken_for_one(answer: str) -> None:
    with pytest.raises(Unreadable):
        read_explanation(answer)


@pytest.mark.parametrize("reading", [None, 5, ["self"], "x" * 401, ""])
def test_a_reading_that_is_none_is_left_out(reading: object) -> None:
    found = read_explanation(json.dumps({"explanation": "words", "reading": reading}))
    assert (found.text, found.reading) == ("words", "")


def test_an_explanation_too_long_for_a_label_is_cut_between_words() -> None:
    found = read_explanation(json.dumps({"explanation": "word " * 100}))
    assert len(found.text) <= 300 and found.text.endswith("word…")
    endless = read_explanation(json.dumps({"explanation": "x" * 400}))
    assert endless.text == "x" * 299 + "…"


@pytest.mark.parametrize(
    "answer",
    [
        "[1, 0, 1]",
        "1. yes\n[0,0] hm\nAnswer: [1,0,1].",
        "[0, 0, 0] … no, wait: [1, 0, 1]",
        "<think>[0,0,0]</think>\n```json\n[true, false, true]\n```",
    ],
)
def test_verdicts_are_found_wherever_they_stand(answer: str) -> None:
    assert read_verdicts(answer, 3) == [True, False, True]


@pytest.mark.parametrize(
    "answer", ["", "1, 0, 1", "[1, 0]", "[1, 0, 1, 0]", "[1, 0, 2]", '["1","0","1"]', "[[1,0,1]]"]
)
def test_what_is_no_list_of_verdicts_is_not_taken_for_one(answer: str) -> None:
    with pytest.raises(Unreadable, match="no JSON list of 3 times 0 or 1"):
        read_verdicts(answer, 3)
