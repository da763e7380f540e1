"""The questions that score an explanation, on texts the explainer never saw.

*Detection*: in which of these texts is it active? *Fuzzing*: are the tokens in brackets those it is
active on, or others of the same text? Both after Paulo, Mallen, Juang and Belrose, Automatically
Interpreting Millions of Features in Large Language Models (2024), section 3. Takes a split and a
seed, gives prompts with what is true of each text. Knows no answer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from app.explain.prompts import wording
from app.explain.prompts.prompt import Prompt, numbered
from app.explain.split import Split
from app.explain.texts import Text, shown, shown_marked

_T = TypeVar("_T")


@dataclass(frozen=True)
class Item:
    """One text of a question."""

    text: Text
    shown: str
    truth: bool
    """it is active in it; or the brackets are on the tokens it is active on"""


@dataclass(frozen=True)
class Question:
    """Some texts that are asked about together."""

    step: str
    items: tuple[Item, ...]
    template: str

    def prompt(self, explanation: str) -> Prompt:
        """The question in words."""
        n = len(self.items)
        text = self.template.format(
            explanation=json.dumps(explanation, ensure_ascii=False),
            texts=numbered(item.shown for item in self.items),
            n=n,
        )
        return Prompt(self.step, text.rstrip(), f"the JSON list of {n} numbers")


def detection_questions(split: Split, seed: int, feature: int, most: int) -> list[Question]:
    """Texts with and without the feature, mixed by chance; none where detection can't be scored.

    Args:
        most: texts of one question.
    """
    if split.why_undetected:
        return []
    items = [Item(text, shown(text), True) for text in split.held_out]
    items += [Item(text, shown(text), False) for text in split.without]
    rng = np.random.default_rng([seed, feature, 2])
    return _questions("detection", wording.DETECTION, [_shuffled(items, rng)], most)


def fuzzing_questions(split: Split, seed: int, feature: int, most: int) -> list[Question]:
    """Each held-out text twice: with its own tokens in brackets, and with others; never in one
    question. Texts that leave no token for others are asked about once."""
    if split.why_unscored:
        return []
    rng = np.random.default_rng([seed, feature, 3])
    rounds: tuple[list[Item], list[Item]] = [], []
    for place, text in enumerate(_shuffled(split.held_out, rng)):
        right = Item(text, shown_marked(text, text.firing), True)
        rounds[place % 2].append(right)
        if others := other_places(text, rng):
            rounds[1 - place % 2].append(Item(text, shown_marked(text, others), False))
    mixed = [_shuffled(items, rng) for items in rounds]
    return _questions("fuzzing", wording.FUZZING, mixed, most)


def other_places(text: Text, rng: np.random.Generator) -> list[int]:
    """Pieces on which the feature is silent, in runs as long as those on which it fires.

    Where a run finds no room it is parted; where there is no room at all, fewer are marked.
    """
    free = [not strength for strength in text.strengths]
    taken: list[int] = []
    waiting = sorted(_runs(text.firing))
    while waiting:
        length = waiting.pop()
        starts = [i for i in range(len(free) - length + 1) if all(free[i : i + length])]
        if starts:
            start = int(rng.choice(starts))
            taken += range(start, start + length)
            free[start : start + length] = [False] * length
        elif length > 1:
            waiting += [length // 2, length - length // 2]
            waiting.sort()
    return sorted(taken)


def _runs(places: Sequence[int]) -> list[int]:
    """Lengths of runs of neighbouring places."""
    lengths: list[int] = []
    last = None
    for place in places:
        if last is not None and place == last + 1:
            lengths[-1] += 1
        else:
            lengths.append(1)
        last = place
    return lengths


def _questions(
    name: str, template: str, rounds: Sequence[Sequence[Item]], most: int
) -> list[Question]:
    """Each round cut into questions of nearly equal size."""
    found: list[Question] = []
    for items in rounds:
        n = -(-len(items) // most)
        for rows in np.array_split(np.arange(len(items)), n) if n else ():
            own = tuple(items[row] for row in rows)
            found.append(Question(f"{name}-{len(found)}", own, template))
    return found


def _shuffled(items: Sequence[_T], rng: np.random.Generator) -> list[_T]:
    return [items[i] for i in rng.permutation(len(items))]
