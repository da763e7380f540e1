"""Which features of a dictionary people name: `0..99`, `1,5,7` or `all`. Knows no command."""

import re

from app.db.catalog import Sae
from app.errors import AtlasError, echoed


def read_features(sae: Sae, text: str) -> list[int]:
    """The features a text names, ascending.

    Raises:
        AtlasError: it can't be read, or names a feature the dictionary doesn't have.
    """
    n = sae.record.d_sae
    if text == "all":
        return list(range(n))
    found: set[int] = set()
    for part in text.split(","):
        read = re.fullmatch(r"\s*(\d+)(?:\.\.(\d+))?\s*", part, re.ASCII)
        if read is None:
            raise AtlasError(
                f"{echoed(text)!r} names no features: write all, a range (0..99) or numbers "
                "(1,5,7)."
            )
        low, high = int(read[1]), int(read[2] or read[1])
        if low > high:
            raise AtlasError(f"{echoed(part.strip())!r} runs backwards: write {high}..{low}.")
        if high >= n:
            raise AtlasError(
                f"{echoed(text)!r} goes beyond {sae.address}, which has features 0 to {n - 1:,}."
            )
        found |= set(range(low, high + 1))
    return sorted(found)
