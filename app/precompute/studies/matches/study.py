"""The study of matches, as pieces: ranges of one dictionary against another, and chance.

Takes a run whose events are there (they say which features live). Compared are every two
dictionaries that read one hook, write one and are of one width, of which the run makes one at
least; the others are those the atlas already holds, by the unit decoder rows that lie beside it.
What is measured the other files of this folder say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from app.db.study_records.matches import Matches, RandomMatches
from app.precompute.drivers.driver import Piece, Task
from app.precompute.preparation import Run
from app.precompute.studies.catalog import MATCHES
from app.precompute.studies.geometry.activations import covariance_contexts, covariance_of
from app.precompute.studies.matches.best import (
    ROWS,
    Best,
    best_of_range,
    joined,
    nearer,
    one_to_one,
)
from app.precompute.studies.matches.chance import ASKED, random_matches
from app.precompute.studies.matches.sides import Side, pairs_of, rows_of, without_rows
from app.precompute.studies.study import Harvest, Price, Study
from app.precompute.workplace.findings import Findings

OPERATIONS = 2**38
"""Multiplications in a piece, about: seconds on a processor."""

Pair = tuple[Side, Side]
Kind = Literal["isotropic", "covariance"]
_KINDS: tuple[Kind, ...] = ("isotropic", "covariance")


@dataclass(frozen=True)
class Stretch:
    """Features [first, last) of a pair's first dictionary, against all of the second."""

    pair: Pair
    first: int
    last: int


@dataclass(frozen=True)
class Matching:
    """A pair that is matched one to one."""

    pair: Pair


@dataclass(frozen=True)
class Chance:
    """Random directions at a hook, against as many others as each dictionary that writes it has."""

    kind: Kind
    output_hook: str
    d_out: int
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class OfStretch:
    """What a stretch found."""

    stretch: Stretch
    forward: Best
    """of its features"""
    backward: Best
    """of all of the second dictionary, among these features"""


@dataclass(frozen=True)
class OfMatching:
    """One to one."""

    matching: Matching
    found: Best


@dataclass(frozen=True)
class OfChance:
    """Random matches by size of the other side, and how many tokens their covariance is of."""

    chance: Chance
    found: dict[int, RandomMatches]
    n_tokens: int


def match_pieces(run: Run, _: Findings) -> list[Piece]:
    """Of every pair; none where no two dictionaries share a hook."""
    pairs, found = pairs_of(run), list[Piece]()
    for number, pair in enumerate(pairs):
        found += [
            _piece(f"{number:04d}-{part.first:08d}", part.last - part.first, part)
            for part in _stretches(pair)
        ]
        if max(side.n for side in pair) <= run.job.settings.one_to_one:
            found.append(_piece(f"{number:04d}-one", pair[0].n, Matching(pair)))
    for number, chance in enumerate(_chances(pairs)):
        found.append(_piece(f"chance-{number:04d}", ASKED * len(chance.sizes), chance))
    return found


def measure(run: Run, asked: Stretch | Matching | Chance) -> OfStretch | OfMatching | OfChance:
    """One piece."""
    if isinstance(asked, Chance):
        return _measure_chance(run, asked)
    first, second = (rows_of(run, side) for side in asked.pair)
    n_first, n_second = (side.n for side in asked.pair)
    if isinstance(asked, Stretch):
        part = asked.first, asked.last
        return OfStretch(asked, *best_of_range(first.block, part, second.block, n_second))
    whole = first.block(0, n_first), second.block(0, n_second)
    return OfMatching(asked, one_to_one(*whole, (first.living, second.living)))


def price(run: Run) -> Price:
    """The sample behind the covariance, of each hook with two dictionaries."""
    pairs = pairs_of(run)
    n_contexts = sum(
        len(covariance_contexts(run, chance.d_out))
        for chance in _chances(pairs)
        if chance.kind == "covariance"
    )
    many = "pair" if len(pairs) == 1 else "pairs"
    words = [f"{len(pairs):,} {many} of dictionaries at one hook"]
    if n_contexts:
        words.append("the covariance of the activations; none where they are kept on disk")
    missing = without_rows(run)
    if missing:
        words.append(f"not compared, as their decoder rows are not kept: {', '.join(missing)}")
    return Price(n_contexts * run.corpus.context_size, "; ".join(words))


def harvest(run: Run, findings: Findings) -> Harvest:
    """Two records of every pair."""
    found = list(findings.of(MATCHES.name))
    chances = [each for each in found if isinstance(each, OfChance)]
    records: dict[tuple[str, str], Matches] = {}
    for pair in pairs_of(run):
        stretches = sorted(
            (each for each in found if isinstance(each, OfStretch) and each.stretch.pair == pair),
            key=lambda each: each.stretch.first,
        )
        forward = joined([each.forward for each in stretches])
        backward = stretches[0].backward
        for each in stretches[1:]:
            backward = nearer(backward, each.backward)
        matched = [e.found for e in found if isinstance(e, OfMatching) and e.matching.pair == pair]
        a, b = pair
        for (own, other), best, partners in (
            ((a, b), forward, matched),
            ((b, a), backward, [_turned(each, b.n) for each in matched]),
        ):
            living = rows_of(run, own).living
            records[own.sae, other.sae] = _record(own, other, best, partners, living, chances)
    return Harvest(of_pairs=records)


def _measure_chance(run: Run, asked: Chance) -> OfChance:
    root, n_tokens = None, 0
    if asked.kind == "covariance":
        covariance = covariance_of(run, asked.output_hook, asked.d_out)
        root, n_tokens = covariance.root(), covariance.n
    seed, device = run.job.settings.seed, run.targets[0].weights.W_dec.device
    found = {n: random_matches(asked.kind, n, asked.d_out, seed, root, device) for n in asked.sizes}
    return OfChance(asked, found, n_tokens)


def _stretches(pair: Pair) -> Iterator[Stretch]:
    first, second = pair
    rows = ROWS * max(1, OPERATIONS // (ROWS * second.n * first.d_out))
    for start in range(0, first.n, rows):
        yield Stretch(pair, start, min(start + rows, first.n))


def _chances(pairs: Sequence[Pair]) -> list[Chance]:
    """Chance depends on the place and the size of the other side alone: each is measured once."""
    sizes: dict[tuple[str, int], set[int]] = {}
    for a, b in pairs:
        sizes.setdefault((a.output_hook, a.d_out), set()).update((a.n, b.n))
    return [
        Chance(kind, *place, tuple(sorted(found)))
        for place, found in sizes.items()
        for kind in _KINDS
    ]


def _piece(name: str, units: int, matter: Stretch | Matching | Chance) -> Piece:
    return Piece((MATCHES.name,), name, units, matter)


def _turned(found: Best, n_others: int) -> Best:
    """The same matching seen from the other side."""
    turned = Best(np.full(n_others, -1, np.int32), np.full(n_others, np.nan, np.float32))
    own = np.flatnonzero(found.index >= 0)
    turned.index[found.index[own]] = own
    turned.cosine[found.index[own]] = found.cosine[own]
    return turned


def _record(
    own: Side,
    other: Side,
    best: Best,
    partners: Sequence[Best],
    living: Bool[ndarray, " n"],
    chances: Sequence[OfChance],
) -> Matches:
    place = own.output_hook, own.d_out
    of_place = [each for each in chances if (each.chance.output_hook, each.chance.d_out) == place]
    of_place.sort(key=lambda each: _KINDS.index(each.chance.kind))
    empty = np.zeros(0, np.int32), np.zeros(0, np.float32)
    matched = (partners[0].index, partners[0].cosine) if partners else empty
    return Matches(
        best_index=best.index,
        cosine=best.cosine,
        n_living=int(living.sum()),
        mmcs=float(best.cosine[living].astype(np.float64).mean()) if living.any() else None,
        one_to_one=matched[0],
        one_to_one_cosine=matched[1],
        half_precision=own.older or other.older,
        random=[each.found[other.n] for each in of_place],
        covariance_tokens=sum(each.n_tokens for each in of_place),
    )


STUDY = Study(MATCHES, "directions", Task(measure, "machine"), price, match_pieces, harvest)
