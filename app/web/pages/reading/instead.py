"""What a text that stands nowhere could have meant: the same with or without a space in front, or
the same inside tokens, each only where it stands.

Takes a reading and the matcher over its ground, gives changed readings with their counts. Knows no
feature and no page.
"""

from dataclasses import dataclass

import numpy as np

from app.stats.reading.errors import ReadingError
from app.stats.reading.grammar import MOST_EXPRESSIONS, Atom, Exact, Expression, atoms, parse
from app.stats.reading.ground import Ground
from app.stats.reading.matching import Matcher
from app.stats.reading.scanner import as_expression, quoted


@dataclass(frozen=True)
class Instead:
    """Another way to write one part of a reading."""

    source: str
    """the part, as it would be typed"""
    reading: str
    """the whole reading with it"""
    n_places: int
    """counted tokens at which it ends, at least 1"""


def instead_of(reading: str, matcher: Matcher, ground: Ground) -> dict[str, list[Instead]]:
    """By each word or text of a reading that stands nowhere, as typed: what stands.

    Inside tokens is looked for only where no space helps, and for no more texts than a reading may
    have expressions besides its own: each of them reads the whole text.
    """
    found: dict[str, list[Instead]] = {}
    all_atoms = atoms(parse(reading))
    n_expressions = sum(isinstance(atom, Expression) for atom in all_atoms)
    for atom in all_atoms:
        source = reading[atom.start : atom.stop]
        if isinstance(atom, Expression) or source in found or _count(matcher, ground, atom):
            continue
        same = [other for other in all_atoms if reading[other.start : other.stop] == source]
        written = _other_space(atom.text) if isinstance(atom, Exact) else ""
        n = _count(matcher, ground, Exact(written, 0, 0)) if written else 0
        source_instead = quoted(written)
        if not n and n_expressions < MOST_EXPRESSIONS:
            n_expressions += 1
            source_instead = as_expression(atom.text)
            n = _count_inside(matcher, ground, source_instead)
        changed = _replaced(reading, same, source_instead)
        found[source] = [Instead(source_instead, changed, n)] if n else []
    return found


def _other_space(text: str) -> str:
    """With a space in front, or without the white space it has there; empty where none is left."""
    return text.lstrip() if text[0].isspace() else f" {text}"


def _count(matcher: Matcher, ground: Ground, atom: Atom) -> int:
    return int(np.count_nonzero(matcher.atom(atom) & ground.counted))


def _count_inside(matcher: Matcher, ground: Ground, expression: str) -> int:
    """0 also where the text makes no usable expression: nobody typed it, so it is no mistake."""
    try:
        return _count(matcher, ground, atoms(parse(expression))[0])
    except ReadingError:
        return 0


def _replaced(reading: str, places: list[Atom], source: str) -> str:
    for atom in reversed(places):
        reading = reading[: atom.start] + source + reading[atom.stop :]
    return reading
