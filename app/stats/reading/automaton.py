"""A pattern as a machine over bytes: where, in a text, does a match end?

Takes the tree of `pattern`, gives transitions that are made when a text first asks for them: each
state is the set of places in the pattern a match may have come to. One step for each byte whatever
the pattern is: time grows with the text alone. What is kept of a pattern is bounded; one that needs
more is refused in a sentence. The construction is Thompson's ("Regular expression search
algorithm", CACM 11, 1968), its states made lazily as RE2 does. RE2 itself finds matches that don't
overlap, one call for each; a reading is about every token in which some match ends. It knows no
token.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int32, Integer, UInt8

from app.stats.reading.pattern import (
    Assertion,
    Characters,
    Choice,
    PatternError,
    Ranges,
    Repeat,
    Tree,
)

MOST_PLACES = 4_000
"""Places of a pattern's machine; a `.` takes about twenty, for all forms of a character."""
MOST_STATES = 4_000
MOST_WORK = 400_000
"""Places visited while states are made: about a tenth of a second."""

_START, _NEWLINE, _LETTER, _OTHER = range(4)
"""What stands on one side of a byte: nothing, a newline, a letter of a word, something else."""
_LETTERS = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")


@dataclass
class _Net:
    """Places of a pattern and the ways between them."""

    ways: list[list[tuple[int, int, int]]] = field(default_factory=list)
    """by place: (lowest byte, highest byte, to)"""
    jumps: list[list[tuple[str, int]]] = field(default_factory=list)
    """by place: (assertion that must hold, or nothing; to)"""
    chain: dict[int, tuple[int, int]] = field(default_factory=dict)
    """places between optional repeats: (which repeat, how many were taken). Whatever is matched
    from one of them is matched from those with fewer taken, so only the fewest need be kept."""

    def place(self) -> int:
        if len(self.ways) == MOST_PLACES:
            raise PatternError("this expression is too large; shorten its repeats")
        self.ways.append([])
        self.jumps.append([])
        return len(self.ways) - 1


class Automaton:
    """The machine of one pattern. `table` grows by `extend`; ask it again after that.

    A state is a row number times `width`; an entry is 2 · next state + whether a match of at least
    one byte ended before the symbol, or -1 where it is not known yet.
    """

    def __init__(self, tree: Tree) -> None:
        self._net = _Net()
        self._begin, self._accept = self._net.place(), self._net.place()
        _connect(self._net, tree, self._begin, self._accept)
        self.symbol_of_byte, self._example = _symbols(self._net)
        self.end_symbol = len(self._example)
        """what follows the last byte of a text"""
        self.width = self.end_symbol + 1
        self._rows: dict[tuple[frozenset[int], int], int] = {}
        self._states: list[tuple[frozenset[int], int]] = []
        self._work = 0
        self.table: Int32[np.ndarray, " n"] = np.zeros(0, dtype=np.int32)
        self.first_state = self._state(frozenset(), _START)

    def extend(self, cells: Integer[np.ndarray, " n"]) -> None:
        """Makes the table's entries at these cells (state + symbol).

        Raises:
            PatternError: the pattern needs more states or work than one may.
        """
        for cell in np.unique(cells).tolist():
            row, symbol = divmod(cell, self.width)
            following, ended = self._step(row, symbol)
            self.table[cell] = 2 * following + ended

    def _step(self, row: int, symbol: int) -> tuple[int, bool]:
        carried, before = self._states[row]
        byte = -1 if symbol == self.end_symbol else self._example[symbol]
        after = _START if byte < 0 else _kind(byte)
        reached = self._reach(carried, before, after)
        ended = self._accept in reached
        if byte < 0:
            return self.first_state, ended
        ways = self._net.ways
        every = reached | self._reach(frozenset((self._begin,)), before, after)
        following = {to for place in every for low, high, to in ways[place] if low <= byte <= high}
        return self._state(self._thinned(following), after), ended

    def _reach(self, places: frozenset[int], before: int, after: int) -> set[int]:
        """These places and all that jumps lead to between two bytes."""
        reached, waiting = set(places), list(places)
        while waiting:
            for assertion, to in self._net.jumps[waiting.pop()]:
                if to not in reached and _holds(assertion, before, after):
                    reached.add(to)
                    waiting.append(to)
        self._work += len(reached) + 1
        if self._work > MOST_WORK:
            raise PatternError("this expression is too intricate; shorten its repeats")
        return reached

    def _thinned(self, places: set[int]) -> frozenset[int]:
        """Of the places of one chain only the one with the fewest repeats taken."""
        chain = self._net.chain
        fewest: dict[int, int] = {}
        for place in places:
            if place in chain:
                repeat, taken = chain[place]
                fewest[repeat] = min(fewest.get(repeat, taken), taken)
        return frozenset(
            place
            for place in places
            if place not in chain or fewest[chain[place][0]] == chain[place][1]
        )

    def _state(self, places: frozenset[int], before: int) -> int:
        key = (places, before)
        if key not in self._rows:
            if len(self._states) == MOST_STATES:
                raise PatternError("this expression is too intricate; shorten its repeats")
            self._rows[key] = len(self._states)
            self._states.append(key)
            if self.table.size < len(self._states) * self.width:
                grown = np.full(2 * len(self._states) * self.width, -1, dtype=np.int32)
                grown[: self.table.size] = self.table
                self.table = grown
        return self._rows[key] * self.width


def _connect(net: _Net, tree: Tree, start: int, end: int) -> None:
    """Lays the ways of a tree from one place to another; `start` is never led back to."""
    if isinstance(tree, Characters):
        for sequence in _utf8(tree.ranges):
            _lay(net, sequence, start, end)
    elif isinstance(tree, Assertion):
        net.jumps[start].append((tree.kind, end))
    elif isinstance(tree, Choice):
        for part in tree.parts:
            _connect(net, part, start, end)
    elif isinstance(tree, Repeat):
        _connect_repeat(net, tree, start, end)
    elif not tree.parts:
        net.jumps[start].append(("", end))
    else:
        for part in tree.parts[:-1]:
            following = net.place()
            _connect(net, part, start, following)
            start = following
        _connect(net, tree.parts[-1], start, end)


def _connect_repeat(net: _Net, tree: Repeat, start: int, end: int) -> None:
    for _ in range(tree.low):
        following = net.place()
        _connect(net, tree.inner, start, following)
        start = following
    place = net.place()
    net.jumps[start].append(("", place))
    if tree.high is None:
        _connect(net, tree.inner, place, place)
        net.jumps[place].append(("", end))
        return
    repeat = place
    for taken in range(tree.high - tree.low + 1):
        net.chain[place] = (repeat, taken)
        net.jumps[place].append(("", end))
        if taken < tree.high - tree.low:
            following = net.place()
            _connect(net, tree.inner, place, following)
            place = following


def _lay(net: _Net, sequence: list[tuple[int, int]], start: int, end: int) -> None:
    """One character's bytes, sharing no place with another."""
    for low, high in sequence[:-1]:
        following = net.place()
        net.ways[start].append((low, high, following))
        start = following
    low, high = sequence[-1]
    net.ways[start].append((low, high, end))


def _symbols(net: _Net) -> tuple[UInt8[np.ndarray, " 256"], list[int]]:
    """(the class of each byte, one byte of each class): bytes no way and no border tells apart."""
    borders = {0, 10, 11, 48, 58, 65, 91, 95, 96, 97, 123, 128}
    for ways in net.ways:
        for low, high, _ in ways:
            borders |= {low, high + 1}
    starts = sorted(border for border in borders if border < 256)
    symbol = np.searchsorted(np.array(starts), np.arange(256), side="right") - 1
    return symbol.astype(np.uint8), starts


def _kind(byte: int) -> int:
    if byte == 10:
        return _NEWLINE
    return _LETTER if byte in _LETTERS else _OTHER


def _holds(assertion: str, before: int, after: int) -> bool:
    """Whether an assertion holds between two neighbours; lines also end where the text does."""
    if assertion == "^":
        return before in (_START, _NEWLINE)
    if assertion == "$":
        return after in (_START, _NEWLINE)
    if assertion:
        at_border = (before == _LETTER) != (after == _LETTER)
        return at_border == (assertion == "b")
    return True


def _utf8(ranges: Ranges) -> Iterator[list[tuple[int, int]]]:
    """Sequences of byte ranges that hold exactly these characters in UTF-8 (RFC 3629)."""
    for low, high in ranges:
        for first, last in ((low, min(high, 0xD7FF)), (max(low, 0xE000), high)):
            if first <= last:
                yield from _split(first, last)


def _split(low: int, high: int) -> Iterator[list[tuple[int, int]]]:
    for limit in (0x7F, 0x7FF, 0xFFFF):
        if low <= limit < high:
            yield from _split(low, limit)
            yield from _split(limit + 1, high)
            return
    if high > 0x7F:
        for n_bits in (6, 12, 18):
            tail = (1 << n_bits) - 1
            if low & ~tail != high & ~tail:
                if low & tail:
                    yield from _split(low, low | tail)
                    yield from _split((low | tail) + 1, high)
                    return
                if high & tail != tail:
                    yield from _split(low, (high & ~tail) - 1)
                    yield from _split(high & ~tail, high)
                    return
    yield list(zip(chr(low).encode(), chr(high).encode(), strict=True))
