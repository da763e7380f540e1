"""A few features in an address: `3,17`, or `3,resid-8x:203` with one of another dictionary.

Takes text, gives them in the order they were written, each once. Knows no dictionary.
"""

import re
from collections.abc import Sequence

from app.errors import echoed

FEWEST, MOST = 2, 4

Named = int | str
"""A feature of the dictionary at hand by its number, or of another one of its model as
`sae:number`."""


def parse_named(text: str) -> list[Named]:
    """Two to four different features between commas or spaces.

    Raises:
        ValueError: something is neither a number nor `sae:number`, or there are too few or too
            many.
    """
    parts = _parts(text)
    for part in parts:
        if not _NUMBER.fullmatch(part) and not _ELSEWHERE.fullmatch(part):
            raise ValueError(
                f"{echoed(part)!r} is no feature number: write two to four of them between "
                "commas, such as features=3,17."
            )
    return _few([_named(part) for part in parts])


def parse_features(text: str) -> list[int]:
    """The same of one dictionary alone: numbers.

    Raises:
        ValueError: something is no number, or there are too few or too many.
    """
    found = parse_named(text)
    numbers = [each for each in found if isinstance(each, int)]
    if len(numbers) < len(found):
        raise ValueError("Features of several dictionaries are named here.")
    return numbers


def readable_features(text: str) -> list[int]:
    """What of a text are feature numbers, each once."""
    return list(dict.fromkeys(int(part) for part in _parts(text) if _NUMBER.fullmatch(part)))


def in_dictionary(named: Named) -> tuple[str, int]:
    """(name of the other dictionary, number) of a feature; no name for the one at hand."""
    if isinstance(named, int):
        return "", named
    sae, _, number = named.partition(":")
    return sae, int(number)


def named_in(sae: str, home: str, feature_index: int) -> Named:
    """How a feature is named where the dictionary `home` is at hand."""
    return feature_index if sae == home else f"{sae}:{feature_index}"


def _few(named: Sequence[Named]) -> list[Named]:
    found = list(dict.fromkeys(named))
    if not FEWEST <= len(found) <= MOST:
        said = {0: "none", 1: "one"}.get(len(found), str(len(found)))
        raise ValueError(
            f"Two to four different features can be compared, {said} named: write them between "
            "commas, such as features=3,17."
        )
    return found


def _named(part: str) -> Named:
    sae, colon, number = part.rpartition(":")
    return f"{sae}:{int(number)}" if colon else int(part)


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


_NUMBER = re.compile("[0-9]{1,9}")
_ELSEWHERE = re.compile("[a-z0-9]+(-[a-z0-9]+)*:[0-9]{1,9}")
