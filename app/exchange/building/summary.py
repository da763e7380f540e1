"""What is said of an imported feature: only what its source counted, and what its examples show.

Takes a feature's numbers, gives a sentence and a short form in pieces, as `app.stats.summary` does
of features that were measured here. Counts of fewer than five cases are not said.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from app.exchange.foreign import ForeignExample, ForeignFeature
from app.stats.summary_short import LENGTH, TOKEN_LENGTH
from app.stats.wording import Piece, clipped, listed, percent, plain

FEWEST = 5
_NAMED = 3


def summary_of(feature: ForeignFeature, dead: bool) -> tuple[list[Piece], list[Piece]]:
    """The sentence and the short form."""
    if dead:
        return [("text", "Never fired, says its source.")], [("text", "never fired")]
    promoted = _promoted(feature)
    peak = _peak(feature.examples)
    parts = [_frequency(feature), _on(peak), _promotes(promoted)]
    sentence: list[Piece] = []
    for part in filter(None, parts):
        sentence += [("text", " "), *part] if sentence else part
    return sentence or [("text", _held(feature))], _short(feature, peak, promoted)


def _frequency(feature: ForeignFeature) -> list[Piece]:
    density, largest = feature.density, feature.max_activation
    found: list[Piece] = []
    if density is not None and density > 0:
        found.extend([("text", "Fires on "), ("number", percent(density)), ("text", " of tokens")])
    if largest is not None:
        found.append(("text", ", at most at " if found else "Activates at most at "))
        found.append(("number", f"{largest:.3g}"))
    if found:
        found.append(("text", "."))
    return found


def _peak(examples: Sequence[ForeignExample]) -> tuple[str, int, int] | None:
    """The token on which most of the strongest texts peak, how many do, of how many."""
    top = [e for e in examples if e.group == "top" and e.activations[e.position] > 0]
    if len(top) < FEWEST:
        return None
    (token, n), *_ = Counter(e.tokens[e.position] for e in top).most_common(1)
    return (token, n, len(top)) if n > 1 else None


def _on(peak: tuple[str, int, int] | None) -> list[Piece]:
    if peak is None:
        return []
    token, n, total = peak
    return [
        ("text", "In "), ("number", f"{n} of {total}"),
        ("text", " strongest texts the peak is "), ("token", token), ("text", "."),
    ]  # fmt: skip


def _promoted(feature: ForeignFeature) -> list[str]:
    if feature.logits is None:
        return []
    values = np.asarray(feature.logits.promoted_logits)[:_NAMED]
    return [
        text
        for text, value in zip(feature.logits.promoted, values.tolist(), strict=False)
        if not value <= 0
    ]


def _promotes(tokens: Sequence[str]) -> list[Piece]:
    if not tokens:
        return []
    return [("text", "Its direct effect promotes "), *listed(tokens), ("text", " most.")]


def _held(feature: ForeignFeature) -> str:
    n = len(feature.examples)
    if not n:
        return "Its source says nothing of it."
    return f"Its source has {n:,} example{'' if n == 1 else 's'} of it."


def _short(
    feature: ForeignFeature, peak: tuple[str, int, int] | None, promoted: Sequence[str]
) -> list[Piece]:
    parts: list[list[Piece]] = []
    if peak is not None:
        token, n, total = peak
        parts.append([("number", f"{n} of {total}"), ("text", " top on "),
                      ("token", clipped(token, TOKEN_LENGTH))])  # fmt: skip
    if promoted:
        said: list[Piece] = [("text", "promotes")]
        for token in promoted:
            said.extend([("text", " "), ("token", clipped(token, TOKEN_LENGTH))])
        parts.append(said)
    if feature.max_activation is not None and not parts:
        parts.append([("text", "at most "), ("number", f"{feature.max_activation:.3g}")])
    kept: list[Piece] = []
    for part in parts:
        between: list[Piece] = [("text", " · ")] if kept else []
        if len(plain([*kept, *between, *part])) <= LENGTH:
            kept += between + part
    n = len(feature.examples)
    if not kept:
        kept.append(("text", f"{n:,} example{'' if n == 1 else 's'}" if n else "nothing held"))
    return kept
