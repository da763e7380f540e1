"""A reading tested: the answer as numbers and places, before anything is worded.

Takes the text of a reading and a feature, reads the event files beside the atlas. The page and its
twin are made from the same answer. Knows no page.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.records import TokenRecord
from app.evidence.event_files import SaeEvents
from app.stats.reading.counterexamples import Order, firing_places, silent_places
from app.stats.reading.grammar import Atom, Expression, Word, atoms, parse
from app.stats.reading.ground import Ground
from app.stats.reading.matching import Matcher
from app.stats.reading.score import Score, places_inside, score_reading
from app.web.memory import Memory
from app.web.pages.reading.cases import CaseWindow, case_windows
from app.web.pages.reading.instead import Instead, instead_of

_MOST_PART_TOKENS = 6
_MOST_SIDE_TOKENS = 4


@dataclass(frozen=True)
class PartMeaning:
    """What one word, text or expression of the reading stands for in this corpus."""

    source: str
    """as typed"""
    kind: str
    """word, text or expression"""
    n_places: int
    """counted tokens at which it ends"""
    tokens: list[tuple[TokenRecord, int]]
    """the tokens it ends on most often, with their counts"""
    n_token_ids: int
    """distinct tokens it ends on"""
    instead: list[Instead]
    """where it ends on none: other ways to write it that do stand"""


@dataclass(frozen=True)
class TokenShare:
    """One token of a side: how many of its places are counterexamples."""

    token: TokenRecord
    n: int
    """counterexamples at it"""
    n_of: int
    """its places to which the reading says the same"""


@dataclass(frozen=True)
class Answer:
    """The answer."""

    score: Score
    n_contexts: int
    """looked at"""
    n_contexts_all: int
    parts: list[PartMeaning]
    missed: list[CaseWindow]
    """fires though the reading says no"""
    silent: list[CaseWindow]
    """silent though the reading says yes"""
    hits: list[CaseWindow]
    """fires, and the reading says yes"""
    missed_tokens: list[TokenShare]
    """the tokens with the most missed firings; of the places it says no to"""
    silent_tokens: list[TokenShare]
    """the tokens on which it is silent most; of the places the reading says yes to"""


def answer_reading(
    connection: Connection,
    sae: Sae,
    memory: Memory,
    source: SaeEvents,
    feature_index: int,
    reading: str,
    order: Order,
    n_each: int,
    n_hits: int,
) -> Answer:
    """Holds a reading against every firing of a feature.

    Args:
        n_each: counterexamples of each side.
        n_hits: places where both agree.

    Raises:
        ReadingError: the reading can't be read.
    """
    tree = parse(reading)
    ground = memory.ground(connection, sae, source.corpus)
    matcher = Matcher(ground)
    says_yes = matcher.says_yes(tree)
    events = source.feature(feature_index)
    score = score_reading(says_yes, events, ground)
    missed = events.places[firing_places(says_yes, events, ground, False, order, n_each)]
    hits = events.places[firing_places(says_yes, events, ground, True, order, n_hits)]
    silent = silent_places(says_yes, events, ground, order, n_each)
    distinct = {reading[atom.start : atom.stop]: atom for atom in atoms(tree)}
    instead = instead_of(reading, matcher, ground)
    parts = [
        _meaning(
            connection,
            sae,
            memory,
            matcher,
            ground,
            atom,
            source_text,
            instead.get(source_text, []),
        )
        for source_text, atom in distinct.items()
    ]
    missed_cases, silent_cases, hit_cases = (
        case_windows(connection, sae, memory, source, events, places.tolist())
        for places in (missed, silent, hits)
    )
    firing = np.zeros(ground.n_places, dtype=np.bool_)
    firing[places_inside(events, ground)] = True
    sides = [
        _side(connection, sae, memory, ground, firing & ~says_yes, ground.counted & ~says_yes),
        _side(connection, sae, memory, ground, says_yes & ~firing, says_yes),
    ]
    return Answer(
        score,
        ground.n_contexts,
        ground.n_contexts_all,
        parts,
        missed_cases,
        silent_cases,
        hit_cases,
        *sides,
    )


def _side(
    connection: Connection,
    sae: Sae,
    memory: Memory,
    ground: Ground,
    wrong: Bool[np.ndarray, " n_places"],
    same_answer: Bool[np.ndarray, " n_places"],
) -> list[TokenShare]:
    """The tokens with the most places where the answer is wrong, ties to the lower id."""
    counts = np.bincount(ground.tokens[wrong])
    ids = np.flatnonzero(counts)
    most = ids[np.lexsort((ids, -counts[ids]))][:_MOST_SIDE_TOKENS].tolist()
    if not most:
        return []
    totals = np.bincount(ground.tokens[same_answer])
    known = memory.tokens(connection, sae.model_id, most)
    return [TokenShare(known[i], int(counts[i]), int(totals[i])) for i in most if i in known]


def _meaning(
    connection: Connection,
    sae: Sae,
    memory: Memory,
    matcher: Matcher,
    ground: Ground,
    atom: Atom,
    source_text: str,
    instead: list[Instead],
) -> PartMeaning:
    here = matcher.atom(atom) & ground.counted
    counts = np.bincount(ground.tokens[here])
    ids = np.flatnonzero(counts)
    most = ids[np.lexsort((ids, -counts[ids]))][:_MOST_PART_TOKENS].tolist()
    known = memory.tokens(connection, sae.model_id, most)
    kind = "expression" if isinstance(atom, Expression) else "word"
    if kind == "word" and not isinstance(atom, Word):
        kind = "text"
    return PartMeaning(
        source_text,
        kind,
        int(np.count_nonzero(here)),
        [(known[i], int(counts[i])) for i in most if i in known],
        int(ids.size),
        instead,
    )
