"""Which features of a dictionary people name: `0..99`, `1,5,7` or `all`. Knows no command."""

import re

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import column_values
from app.errors import AtlasError, echoed


def read_features(connection: Connection, sae: Sae, text: str) -> list[int]:
    """The features a text names, ascending; numbers inside a range that an import's source doesn't
    hold are left out.

    Raises:
        AtlasError: it can't be read, or names a feature the dictionary doesn't have.
    """
    n = sae.record.n_indices
    held = _held(connection, sae)
    if text == "all":
        return held.tolist()
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
                f"{echoed(text)!r} goes beyond {sae.address}, which has {sae.numbers}."
            )
        first, last = np.searchsorted(held, [low, high + 1])
        if first == last:
            raise AtlasError(f"{echoed(text)!r} names nothing {sae.address} holds: {sae.numbers}.")
        found |= set(held[first:last].tolist())
    return sorted(found)


def _held(connection: Connection, sae: Sae) -> Int[ndarray, " n"]:
    if not sae.record.has_gaps:
        return np.arange(sae.record.n_indices)
    name = "feature_index"
    return column_values(connection, sae.sae_id, [name])[name].astype(np.int64)
