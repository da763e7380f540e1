"""Which texts explain a feature and which are kept from the explainer to score what it says.

Both sides hold firings of every fifth of the feature's range; no context and no shown text is on
both. The draw is seeded by the run's seed and the feature alone. Takes a feature's texts, gives a
`Split`. Knows no atlas and no prompt.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.explain.texts import Kind, Text

N_BANDS = 5
PER_BAND = 4
"""Texts of each band that explain, and that score: at most 20 of either."""
ENOUGH = 10
"""Where bands are so uneven that either side has fewer, it is filled up from any band."""
N_CONTRAST = 4
"""Silent texts the explainer is shown."""
FEWEST = 5
"""Texts with the feature, and without, below which no score is made."""


@dataclass(frozen=True)
class Split:
    """The texts of one feature, by what they are for."""

    explaining: tuple[Text, ...]
    """it fires in them; the strongest first"""
    contrast: tuple[Text, ...]
    """it is silent in them; shown beside"""
    held_out: tuple[Text, ...]
    """it fires in them; for scores alone"""
    without: tuple[Text, ...]
    """it is silent in them; for scores alone"""

    @property
    def why_unscored(self) -> str:
        """Why nothing can be scored; empty where it can."""
        if len(self.held_out) < FEWEST:
            n = len(self.explaining) + len(self.held_out)
            stored = f"{n} different text{'s' if n > 1 else ''} with it"
            return f"too few are stored to keep {FEWEST} back: {stored}"
        return ""

    @property
    def why_undetected(self) -> str:
        """Why detection can't be scored; empty where it can."""
        if not self.why_unscored and len(self.without) < FEWEST:
            return f"too few texts are known to be without it: {len(self.without)}"
        return self.why_unscored

    def as_json(self, seed: int) -> dict[str, Any]:
        """Places [context_id, position], as a notebook keeps them."""
        return {
            "seed": seed,
            "explaining": [text.place for text in self.explaining],
            "contrast": [text.place for text in self.contrast],
            "held_out": [text.place for text in self.held_out],
            "without": [text.place for text in self.without],
        }


def split_texts(
    active: Sequence[Text],
    silent: Sequence[Text],
    others: Iterable[Text],
    seed: int,
    feature_index: int,
) -> Split:
    """Draws a split.

    Args:
        active: texts it fires in; of those that share a context or look the same one is taken.
        silent: near misses and silent occurrences in which it doesn't fire at all.
        others: texts from other features in which it doesn't fire, in the order they are to be
            taken; only as many are made as are needed.
    """
    rng = np.random.default_rng([seed, feature_index, 0])
    seen = _Seen()
    pool = [text for text in _shuffled(active, rng) if seen.is_new(text)]
    explaining, held_out = _banded(pool)
    clean = [text for text in _shuffled(silent, rng) if seen.is_new(text)]
    contrast = _first_of_kinds(clean, N_CONTRAST)
    hard = [text for text in clean if text not in contrast]
    wanted = len(held_out)
    without = hard[: wanted // 2]
    for text in others if wanted else ():
        if len(without) == wanted:
            break
        if seen.is_new(text):
            without.append(text)
    without += hard[wanted // 2 :][: wanted - len(without)]
    return Split(
        explaining=tuple(sorted(explaining, key=lambda text: -max(text.strengths))),
        contrast=tuple(contrast),
        held_out=tuple(held_out),
        without=tuple(without),
    )


class _Seen:
    """Contexts and texts that were taken."""

    def __init__(self) -> None:
        self._contexts: set[int] = set()
        self._texts: set[str] = set()

    def is_new(self, text: Text) -> bool:
        """Whether neither was there before; both are from now on."""
        if text.context_id in self._contexts or text.plain in self._texts:
            return False
        self._contexts.add(text.context_id)
        self._texts.add(text.plain)
        return True


def _banded(pool: Sequence[Text]) -> tuple[list[Text], list[Text]]:
    """Half of each band explains, the larger half scores; where there are few, all explain."""
    if len(pool) < 2 * FEWEST:
        return list(pool[: N_BANDS * PER_BAND]), []
    explaining: list[Text] = []
    held_out: list[Text] = []
    for band in range(N_BANDS):
        own = [text for text in pool if text.band == band]
        n = min(PER_BAND, len(own) // 2)
        explaining += own[:n]
        held_out += own[n : n + PER_BAND]
    taken = {id(text) for text in (*explaining, *held_out)}
    for text in pool:
        fewer = explaining if len(explaining) < len(held_out) else held_out
        if len(fewer) >= ENOUGH:
            break
        if id(text) not in taken:
            fewer.append(text)
    missing = max(0, FEWEST - len(explaining))
    return explaining + held_out[:missing], held_out[missing:]


def _first_of_kinds(texts: Sequence[Text], n: int) -> list[Text]:
    """The first `n`, half of them near misses and half silent occurrences where there are."""
    kinds: tuple[Kind, Kind] = ("near", "silent")
    near, silent = ([text for text in texts if text.kind == kind] for kind in kinds)
    n_near = min(len(near), max(n // 2, n - len(silent)))
    return [*near[:n_near], *silent[: n - n_near]]


def _shuffled(texts: Sequence[Text], rng: np.random.Generator) -> list[Text]:
    return [texts[i] for i in rng.permutation(len(texts))]
