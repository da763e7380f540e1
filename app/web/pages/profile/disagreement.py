"""Where deleting a token and replacing it say different things about it, and what each says.

Deletion moves everything behind the token by one place and replacement keeps every place, so a
difference of the two is a finding of its own. Takes the examples of a profile; knows no query and
no page.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from app.web import text
from app.web.charts.scales import EFFECT_FLOOR
from app.web.pages.profile.examples import ProfileExample
from app.web.token_text import Pieces, text_pieces

POINTS = 0.25
"""Difference, as a share of the baseline, from which two effects of one sign disagree."""
N_SHOWN = 6


@dataclass(frozen=True)
class Disagreement:
    """One token over the places where the two disagree on it."""

    pieces: Pieces
    where: str
    """"1 before" or "2 – 6 before" the peak"""
    words: str
    """"replacing lowers by 40%, deleting by 2%" """
    count: str
    """examples it happens in"""


@dataclass(frozen=True)
class Disagreements:
    """The tokens disagreed on most, and how often the two disagree at all."""

    rows: list[Disagreement]
    sentence: str


def disagreeing(example: ProfileExample) -> Bool[ndarray, " n_distances"]:
    """By distance: both were measured, and differ by more than 25 points or in sign.

    Effects too small for a colour have no sign here. False at the peak, which is never deleted.
    """
    if len(example.shares) < 2:
        return np.zeros(next(iter(example.shares.values())).size, dtype=bool)
    deleted, replaced = example.shares["delete"], example.shares["replace"]
    far = np.abs(deleted - replaced) > POINTS
    sized = np.minimum(np.abs(deleted), np.abs(replaced)) >= EFFECT_FLOOR
    found = far | (sized & (deleted * replaced < 0))
    found[0] = False
    return found


def build_disagreements(examples: Sequence[ProfileExample]) -> Disagreements | None:
    """The tokens with the largest difference first; None where no example has both modes."""
    both = [item for item in examples if len(item.shares) == 2]
    if not both:
        return None
    cases: dict[int, list[tuple[ProfileExample, int]]] = {}
    n_places = n_found = 0
    for item in both:
        known = np.isfinite(item.shares["delete"]) & np.isfinite(item.shares["replace"])
        found = np.flatnonzero(disagreeing(item)).tolist()
        n_places += int(known[1:].sum())
        n_found += len(found)
        for distance in found:
            token = _token_at(item, distance)
            if token is not None:
                cases.setdefault(token, []).append((item, distance))
    chosen = sorted(cases, key=lambda token: (-_largest(cases[token]), token))[:N_SHOWN]
    sentence = (
        f"The two disagree, by more than {100 * POINTS:.0f} points or in sign, at {n_found:,} of "
        f"{n_places:,} places in {len(both)} example{'s' if len(both) != 1 else ''}."
    )
    return Disagreements([_row(cases[token]) for token in chosen], sentence)


def _token_at(item: ProfileExample, distance: int) -> int | None:
    place = item.window.peak - distance - item.window.start
    return item.window.tokens[place].token_id if place >= 0 else None


def _largest(cases: list[tuple[ProfileExample, int]]) -> float:
    return max(
        abs(float(item.shares["delete"][d] - item.shares["replace"][d])) for item, d in cases
    )


def _row(cases: list[tuple[ProfileExample, int]]) -> Disagreement:
    item, distance = cases[0]
    token = item.window.tokens[item.window.peak - distance - item.window.start]
    near, far = min(d for _, d in cases), max(d for _, d in cases)
    deleted = float(np.mean([item.shares["delete"][d] for item, d in cases]))
    replaced = float(np.mean([item.shares["replace"][d] for item, d in cases]))
    n = len({item.name for item, _ in cases})
    return Disagreement(
        pieces=text_pieces(token.token),
        where=f"{near} before" if near == far else f"{near} – {far} before",
        words=_words(deleted, replaced),
        count=f"{n} example{'s' if n != 1 else ''}",
    )


def _words(deleted: float, replaced: float) -> str:
    """The larger effect first: "replacing lowers by 40%, deleting by 2%"."""
    first, second = ("deleting", deleted), ("replacing", replaced)
    if abs(replaced) > abs(deleted):
        first, second = second, first
    verb = _verb(first[1])
    if _rounds_to_zero(second[1]):
        return f"{first[0]} {verb} by {text.percent(abs(first[1]))}, {second[0]} leaves it"
    other = "" if _verb(second[1]) == verb else f"{_verb(second[1])} "
    return (
        f"{first[0]} {verb} by {text.percent(abs(first[1]))}, "
        f"{second[0]} {other}by {text.percent(abs(second[1]))}"
    )


def _verb(share: float) -> str:
    return "lowers" if share < 0 else "raises"


def _rounds_to_zero(share: float) -> bool:
    return abs(share) < 0.005
