"""What removing a feature does to the model, in one sentence by fixed rules.

It reports means and counts and says nothing with fewer than five cases behind it. Takes numbers and
the texts of tokens, gives pieces as a summary has them.
"""

from collections import Counter
from collections.abc import Sequence

from app.stats.wording import Piece, clipped

CASES = 5
"""Fewer say nothing."""
SMALL = 1e-3
"""Nats below which a mean is not told from none."""
TOKEN_LENGTH = 24


def effect_sentence(
    delta_ce: float, n_drawn: int, most_lost: Sequence[str | None], n_changed: int
) -> list[Piece]:
    """ "Removing it costs 0.31 nats on the next token, mostly ‘)’ …"; empty below five cases.

    Args:
        delta_ce: mean change of the next token's cross-entropy over the drawn firings, nats.
        n_drawn: firings behind that mean.
        most_lost: of every firing removed, the token that loses most probability, if any.
        n_changed: firings at which another token became the likeliest.
    """
    if n_drawn < CASES:
        return []
    n = len(most_lost)
    pieces = [*_mean(delta_ce), *(_mostly(most_lost) if abs(delta_ce) >= SMALL else [])]
    pieces.append(("text", "; another token becomes the likeliest at "))
    return [*pieces, ("number", f"{n_changed} of {n}"), ("text", " firings.")]


def nats(value: float) -> str:
    """Two significant digits: 0.31, 0.042, 1.3."""
    size = abs(value)
    digits = 1 if size >= 0.995 else 2 if size >= 0.0995 else 3
    return f"{size:.{digits}f}"


def _mean(delta_ce: float) -> list[Piece]:
    if abs(delta_ce) < SMALL:
        return [
            ("text", "Removing it changes the cross-entropy of the next token by less than "),
            ("number", f"{SMALL:g} nats"),
        ]
    verb = "costs" if delta_ce > 0 else "saves"
    return [
        ("text", f"Removing it {verb} "),
        ("number", f"{nats(delta_ce)} nats"),
        ("text", " on the next token"),
    ]


def _mostly(most_lost: Sequence[str | None]) -> list[Piece]:
    """The token that loses most at more than half of the firings."""
    counts = Counter(token for token in most_lost if token is not None)
    if len(most_lost) < CASES or not counts:
        return []
    token, n = counts.most_common(1)[0]
    if 2 * n <= len(most_lost):
        return []
    return [
        ("text", ", mostly "),
        ("token", clipped(token, TOKEN_LENGTH)),
        ("text", " (which loses most probability at "),
        ("number", f"{n} of {len(most_lost)}"),
        ("text", ")"),
    ]
