"""The tokens with which a text made of whole tokens ends.

Follows the text from token to token through all places at once. Takes the ground, gives a boolean
for every place. Knows no reading.
"""

import numpy as np
from jaxtyping import Bool, Int64

from app.stats.reading.ground import Ground


def phrase_ends(ground: Ground, text: str, *, spaced: bool) -> Bool[np.ndarray, " n_places"]:
    """Where one token, or several in a row inside a piece, have exactly this text.

    Args:
        spaced: white space before the first of them and after the last one is left aside.
    """
    wanted = text.encode("utf-8", "replace")
    n = len(wanted)
    vocabulary = ground.vocabulary
    whole = (
        vocabulary.spaced(wanted, before=True, after=True) if spaced else vocabulary.exactly(wanted)
    )
    size = max(vocabulary.size, int(ground.tokens.max()) + 1)
    reached_by = np.zeros(size, dtype=np.int32)  # bytes of the text a first token covers
    for stop in range(1, n):
        part = wanted[:stop]
        for i in vocabulary.spaced(part, before=spaced, after=False):
            reached_by[i] = max(reached_by[i], stop)
    ends = np.zeros(size, dtype=np.bool_)
    ends[whole] = True
    ends = ends[ground.tokens]
    if not reached_by.any():
        return ends
    reached = reached_by[ground.tokens]
    places = np.flatnonzero(reached)
    covered = reached[places]
    while places.size:
        places, covered = _next_tokens(ground, places, covered, wanted, spaced)
        ends[places[covered == n]] = True
        places, covered = places[covered < n], covered[covered < n]
    return ends


def _next_tokens(
    ground: Ground,
    places: Int64[np.ndarray, " m"],
    covered: np.ndarray,
    wanted: bytes,
    spaced: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Those that go on: (their next place, bytes of the text covered there)."""
    inside = places < ground.piece_last[places]
    following, covered = places[inside] + 1, covered[inside]
    found_places, found_covered = [], []
    for start in np.unique(covered).tolist():
        here = following[covered == start]
        tokens = ground.tokens[here]
        for stop in range(start + 1, len(wanted) + 1):
            last = spaced and stop == len(wanted)
            ids = ground.vocabulary.spaced(wanted[start:stop], before=False, after=last)
            if ids:
                fits = here[np.isin(tokens, ids)]
                found_places.append(fits)
                found_covered.append(np.full(fits.size, stop, dtype=np.int32))
    if not found_places:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)
    return np.concatenate(found_places), np.concatenate(found_covered)
