"""Reading what a language model answered: the JSON it was asked for, wherever in its words it is.

Thinking aloud, fences and a sentence before are allowed for; what isn't there is never guessed.
Takes texts, gives values or `Unreadable`. Knows no endpoint.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.notebook.errors import NotAllowed
from app.notebook.limits import LONGEST, checked_line

_THINKING = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_UNCLOSED = re.compile(r"^.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
_MOST_TRIED = 50
"""Places at which JSON may begin in an answer."""


class Unreadable(Exception):
    """An answer without what was asked for; the text says what is wrong, for the run's counts."""


@dataclass(frozen=True)
class Explained:
    """What an explainer said."""

    text: str
    """as a label holds it: one line, cut where it is too long"""
    reading: str
    """empty where it gave none, or one that no label can hold"""


def read_explanation(answer: str) -> Explained:
    """The sentence, and the reading where there is one; of several the last, behind all drafts.

    Raises:
        Unreadable: there is no sentence.
    """
    found = [
        value
        for value in _json_values(answer, "{")
        if isinstance(value, dict) and isinstance(value.get("explanation"), str)
    ]
    if not found:
        raise Unreadable("no JSON object with an explanation")
    value = found[-1]
    reading = value.get("reading")
    try:
        text = checked_line("label", _cut(value["explanation"]))
    except NotAllowed as error:
        raise Unreadable("an explanation without a word") from error
    try:
        kept = checked_line("reading", reading, False) if isinstance(reading, str) else ""
    except NotAllowed:
        kept = ""
    return Explained(text, kept)


def read_verdicts(answer: str, n: int) -> list[bool]:
    """Yes or no for each of `n` texts; of several such lists the last.

    Raises:
        Unreadable: there is no list of `n` times 0 or 1.
    """
    found = None
    for value in _json_values(answer, "["):
        if isinstance(value, list) and len(value) == n and all(one in (0, 1) for one in value):
            found = [bool(one) for one in value]
    if found is None:
        raise Unreadable(f"no JSON list of {n} times 0 or 1")
    return found


def _cut(text: str) -> str:
    """At most what a label holds, cut between words."""
    line = " ".join(text.split())
    longest = LONGEST["label"]
    if len(line) <= longest:
        return line
    head, _, _ = line[: longest - 1].rpartition(" ")
    return f"{head or line[: longest - 1]}…"


def _json_values(answer: str, opening: str) -> Iterator[Any]:
    """The JSON values in an answer that begin with a sign, none of them inside another."""
    text = _UNCLOSED.sub("", _THINKING.sub("", answer))
    decoder = json.JSONDecoder()
    start = text.find(opening)
    for _ in range(_MOST_TRIED):
        if start < 0:
            return
        try:
            value, stop = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            stop = start + 1
        else:
            yield value
        start = text.find(opening, stop)
