"""What an export is of: dictionaries and features as people name them, and how much that is.

Takes an opened atlas and the words of the command line, gives `Part`s. Knows no format.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.db.chosen import choose_saes
from app.db.feature_numbers import read_features
from app.errors import AtlasError
from app.exchange.reader.atlas import Atlas, Dictionary
from app.exchange.reader.records import Feature

Say = Callable[[str], None]


def say_to_stderr(line: str) -> None:
    """Where progress goes."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Part:
    """The features of one dictionary that are exported."""

    dictionary: Dictionary
    feature_indices: Sequence[int]
    """ascending"""
    say: Say = say_to_stderr

    @property
    def is_whole(self) -> bool:
        """Whether all features are."""
        return len(self.feature_indices) == len(self.dictionary)

    def batches(self, size: int) -> Iterator[Sequence[int]]:
        """The numbers, `size` at a time."""
        for start in range(0, len(self.feature_indices), size):
            yield self.feature_indices[start : start + size]

    def features(self) -> Iterator[Feature]:
        """One after the other; says every other second how far it is."""
        started = said = time.monotonic()
        n = len(self.feature_indices)
        for done, feature in enumerate(self.dictionary.features(self.feature_indices), start=1):
            yield feature
            now = time.monotonic()
            if now - said > 2 or (done == n and now - started > 2):
                said = now
                rate = done / max(now - started, 1e-9)
                self.say(
                    f"{self.dictionary.address}: {done:,} of {n:,} features, {rate:,.0f} a second, "
                    f"{(n - done) / rate:.0f} s left"
                )


def choose(
    atlas: Atlas, addresses: Sequence[str], features: str, say: Say = say_to_stderr
) -> list[Part]:
    """The parts named; every dictionary where none is.

    Args:
        addresses: `model/sae`.
        features: `all`, `0..99` or `1,5,7`, of each dictionary.

    Raises:
        AtlasError: the atlas has no such dictionary or feature.
    """
    saes = choose_saes(atlas.connection, list(addresses))
    return [
        Part(
            atlas.dictionary(sae.record.model, sae.record.sae),
            read_features(atlas.connection, sae, features),
            say,
        )
        for sae in saes
    ]


def choose_one(
    atlas: Atlas, addresses: Sequence[str], features: str, say: Say = say_to_stderr
) -> Part:
    """The same where the format holds a single dictionary.

    Raises:
        AtlasError: also where several are named, or none of several.
    """
    parts = choose(atlas, addresses, features, say)
    if len(parts) > 1:
        names = ", ".join(part.dictionary.address for part in parts)
        raise AtlasError(f"This format holds one dictionary: choose with --sae one of {names}.")
    return parts[0]


def no_place_for(what: str, held: Iterable[str]) -> str:
    """What a format can't hold of the dictionaries, in a sentence; empty for nothing."""
    said = ", ".join(held)
    return f"The format has no place for {what}: {said}." if said else ""


def described(form: str, parts: Sequence[Part]) -> str:
    """The first line of an export's list: exports of the same dictionaries replace each other."""
    return f"{form} of {', '.join(part.dictionary.address for part in parts)}"
