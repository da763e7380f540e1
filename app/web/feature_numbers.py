"""A few feature numbers in an address: `3,17`.

Takes text, gives the numbers in the order they were written, each once. Knows no dictionary.
"""

import re

from app.errors import echoed

FEWEST, MOST = 2, 4


def parse_features(text: str) -> list[int]:
    """Two to four different feature numbers between commas or spaces.

    Raises:
        ValueError: something is no number, or there are too few or too many.
    """
    parts = _parts(text)
    for part in parts:
        if not _NUMBER.fullmatch(part):
            raise ValueError(
                f"{echoed(part)!r} is no feature number: write two to four of them between "
                "commas, such as features=3,17."
            )
    found = list(dict.fromkeys(int(part) for part in parts))
    if not FEWEST <= len(found) <= MOST:
        named = {0: "none", 1: "one"}.get(len(found), str(len(found)))
        raise ValueError(
            f"Two to four different features can be compared, {named} named: write them between "
            "commas, such as features=3,17."
        )
    return found


def readable_features(text: str) -> list[int]:
    """What of a text are feature numbers, each once."""
    return list(dict.fromkeys(int(part) for part in _parts(text) if _NUMBER.fullmatch(part)))


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[,\s]+", text) if part]


_NUMBER = re.compile("[0-9]{1,9}")
