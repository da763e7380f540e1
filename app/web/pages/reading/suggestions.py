"""Readings to begin with, written from a feature's own numbers: a claim each, not yet tested.

Takes a feature's material, gives lines in the language of readings. Knows no page and no event.
"""

from collections import Counter
from itertools import takewhile

from app.db.records import TokenRecord
from app.stats.reading.grammar import MOST_PARTS
from app.stats.reading.scanner import quoted
from app.web.pages.examples.stored import MODES, measured_at
from app.web.pages.feature.material import Material

LONGEST = 120
"""Characters of a suggestion; a longer one is no help."""
_MOST_TOKENS = min(6, MOST_PARTS)
_MASS = 0.9
_HALF = -0.5


def suggested_readings(material: Material) -> list[str]:
    """At most three, the simplest first: its strongest token, the tokens of 90% of its activation,
    and the strongest token together with the context token whose loss halves its peaks most often.
    """
    tokens = material.panels.tokens
    if tokens is None or tokens.token_id.size == 0:
        return []
    before = (float(share) for share in [0.0, *tokens.share.cumsum().tolist()])
    n_needed = sum(1 for _ in takewhile(lambda share: share < _MASS, before))
    strongest = [
        exact
        for token_id in tokens.token_id[: min(n_needed, _MOST_TOKENS)].tolist()
        if (exact := written(material.token(token_id)))
    ]
    if not strongest:
        return []
    found = [strongest[0]]
    if len(strongest) > 1:
        found.append(" | ".join(strongest))
    context = _context_token(material)
    if context is not None:
        token, distance = context
        found.append(f"{strongest[0]} with {token} within {distance} before")
    return [reading for reading in dict.fromkeys(found) if len(reading) <= LONGEST]


def written(token: TokenRecord) -> str:
    """A token as the language writes it; empty for one whose bytes are no text."""
    if token.special:
        return ""
    try:
        return quoted((token.token_bytes or token.token.encode()).decode())
    except UnicodeDecodeError:
        return ""


def _context_token(material: Material) -> tuple[str, int] | None:
    """(the token, how far before the peak it stands at most) among changes that halve a peak."""
    examples: Counter[int] = Counter()
    farthest: dict[int, int] = {}
    for group, ablations in material.ablations.items():
        stored = material.groups[group]
        for place, row in enumerate(ablations.rank.tolist()):
            context = material.contexts.get(int(stored.context_id[row]))
            baseline = float(ablations.baseline[place])
            if context is None or not baseline > 0:
                continue
            measured = next(
                (m for mode in MODES if (m := measured_at(ablations, place, mode)).position.size),
                None,
            )
            if measured is None:
                continue
            peak = int(stored.position[row])
            nearest: dict[int, int] = {}
            for position in measured.position[measured.effect <= _HALF * baseline].tolist():
                if position < peak:
                    nearest[int(context.token_ids[position])] = peak - position
            for token_id, distance in nearest.items():
                examples[token_id] += 1
                farthest[token_id] = max(farthest.get(token_id, 0), distance)
    for token_id, n in sorted(examples.items(), key=lambda item: (-item[1], item[0])):
        if n < 2:
            return None
        if exact := written(material.token(token_id)):
            return exact, farthest[token_id]
    return None
