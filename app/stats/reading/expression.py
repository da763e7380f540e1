"""The tokens in which a match of a regular expression ends.

Runs the automaton of a pattern over all pieces side by side, one byte of each at a step: numpy
moves thousands of texts at once, and the time is that of the text, not of the matches. Knows no
reading.
"""

import numpy as np
from jaxtyping import Bool

from app.stats.reading.automaton import Automaton
from app.stats.reading.ground import Ground, PieceText
from app.stats.reading.pattern import parse_pattern


def match_ends(ground: Ground, pattern: str, any_case: bool) -> Bool[np.ndarray, " n_places"]:
    """Which tokens hold the last byte of some match of at least one byte.

    Raises:
        PatternError: the pattern can't be used.
    """
    automaton = Automaton(parse_pattern(pattern, any_case))
    ends = np.zeros(ground.n_places, dtype=np.bool_)
    ends[ground.text.places_by_step[_ended_bytes(automaton, ground.text)]] = True
    return ends


def _ended_bytes(automaton: Automaton, text: PieceText) -> Bool[np.ndarray, " n_bytes"]:
    """Which bytes, step by step, are the last ones of a match.

    An entry of the automaton says of the byte *before* it whether a match ended there, so each step
    writes what it found into the step before.
    """
    ended = np.zeros(text.bytes_by_step.size, dtype=np.bool_)
    symbols = automaton.symbol_of_byte[text.bytes_by_step]
    states = np.full(text.n_lanes_at[0] if text.n_lanes_at else 0, automaton.first_state, np.int32)
    begin = 0  # of this step
    before = 0  # of the step before
    for step, n_lanes in enumerate(text.n_lanes_at):
        if n_lanes < states.size:  # the last of the lanes have come to their end
            _end(automaton, states[n_lanes:], ended[before + n_lanes : before + states.size])
        entries = _entries(automaton, states[:n_lanes] + symbols[begin : begin + n_lanes])
        if step:
            np.bitwise_and(entries, 1, out=ended[before : before + n_lanes], casting="unsafe")
        states = entries >> 1
        before, begin = begin, begin + n_lanes
    _end(automaton, states, ended[before:])
    return ended


def _end(automaton: Automaton, states: np.ndarray, ended: np.ndarray) -> None:
    """What the end of the text says of the last byte of these lanes."""
    entries = _entries(automaton, states + np.int32(automaton.end_symbol))
    np.bitwise_and(entries, 1, out=ended, casting="unsafe")


def _entries(automaton: Automaton, cells: np.ndarray) -> np.ndarray:
    # cells are always inside: clipping only spares numpy a look at each of them
    entries = automaton.table.take(cells, mode="clip")
    # one round makes all that is missing: an entry depends on no other
    if entries.size and entries.min() < 0:
        automaton.extend(cells[entries < 0])
        entries = automaton.table.take(cells, mode="clip")
    return entries
