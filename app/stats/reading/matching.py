"""The tokens at which a reading says yes.

Takes a tree of `grammar` and the ground, gives a boolean for every place. Knows no feature.
"""

import numpy as np
from jaxtyping import Bool

from app.stats.reading.errors import ReadingError
from app.stats.reading.expression import match_ends
from app.stats.reading.grammar import (
    AllOf,
    AnyOf,
    Anything,
    Atom,
    Exact,
    Expression,
    Near,
    Node,
    Not,
    Word,
)
from app.stats.reading.ground import Ground
from app.stats.reading.pattern import PatternError
from app.stats.reading.phrase import phrase_ends

Places = Bool[np.ndarray, " n_places"]


class Matcher:
    """Evaluates trees over one ground; a part that occurs twice is looked for once."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._found: dict[tuple[str, str, bool], Places] = {}

    def says_yes(self, tree: Node) -> Places:
        """Where the tree says yes among the counted tokens.

        Raises:
            ReadingError: a regular expression of it can't be used.
        """
        return self._holds(tree) & self._ground.counted

    def atom(self, atom: Atom) -> Places:
        """Where a word, a text or an expression ends, counted or not."""
        if isinstance(atom, Expression):
            key = ("expression", atom.pattern, atom.any_case)
        else:
            key = (type(atom).__name__, atom.text, False)
        if key not in self._found:
            self._found[key] = self._look(atom)
        return self._found[key]

    def _look(self, atom: Atom) -> Places:
        if isinstance(atom, Exact):
            return phrase_ends(self._ground, atom.text, spaced=False)
        if isinstance(atom, Word):
            return phrase_ends(self._ground, atom.text, spaced=True)
        try:
            return match_ends(self._ground, atom.pattern, atom.any_case)
        except PatternError as error:
            sentence = f"This regular expression can't be used: {error}."
            # behind the opening slash
            start = atom.start if error.at is None else atom.start + 1 + error.at
            raise ReadingError(sentence, start, atom.stop) from error

    def _holds(self, tree: Node) -> Places:
        if isinstance(tree, Anything):
            return np.ones(self._ground.n_places, dtype=np.bool_)
        if isinstance(tree, Not):
            return ~self._holds(tree.inner)
        if isinstance(tree, AnyOf):
            return np.logical_or.reduce([self._holds(part) for part in tree.parts])
        if isinstance(tree, AllOf):
            return np.logical_and.reduce([self._holds(part) for part in tree.parts])
        if isinstance(tree, Near):
            return self._near(tree)
        return self.atom(tree)

    def _near(self, tree: Near) -> Places:
        inner = self._holds(tree.inner)
        found = np.zeros(inner.size, dtype=np.bool_)
        if tree.before:
            found |= _within_before(inner, self._ground.piece_first, tree.distance)
        if tree.after:
            # the same from the other end, places counted from there
            last = np.int32(inner.size - 1)
            piece_first = (last - self._ground.piece_last)[::-1]
            found |= _within_before(inner[::-1], piece_first, tree.distance)[::-1]
        return ~found if tree.absent else found


def _within_before(inner: Places, piece_first: np.ndarray, distance: int) -> Places:
    """Whether one of the `distance` places before is true, inside the piece."""
    place = np.arange(inner.size, dtype=np.int32)
    latest = np.maximum.accumulate(np.where(inner, place, np.int32(-1)))
    before = np.empty_like(latest)
    before[:1], before[1:] = -1, latest[:-1]
    return (before >= piece_first) & (before >= place - np.int32(distance))
