"""One window of text as a line of tokens: text, colour steps and the values behind them.

Takes a window's tokens with their activations and effects, gives what the macro `token-strip`
prints. The values stand in data attributes, so that a script can show them on hover and focus; the
table of one example shows them without a script. Knows no example and no database.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from markupsafe import Markup

from app.db.records import TokenRecord
from app.web.charts.scales import effect_class, heat_class
from app.web.token_markup import LineToken, line_markup
from app.web.token_text import Pieces, line_pieces


@dataclass(frozen=True)
class Line:
    """One line, cut before its peak so that peaks can stand in one column."""

    kind: str
    """activation or ablated"""
    label: str
    """what a reader of the line alone is told"""
    before: Markup
    after: Markup
    """the peak first"""
    token_ids: str
    """the ids in order, separated by spaces; empty on the ablated line (the line above has them)"""
    start: int
    """position of the first token in its context"""
    baseline: str
    """the peak's activation without a change, the base of percentages; empty without effects"""


@dataclass(frozen=True)
class Window:
    """The stored tokens around a peak with everything measured on them."""

    tokens: Sequence[TokenRecord]
    start: int
    peak: int
    """position in the context"""
    activations: dict[int, float]
    """by position, only where it fires"""
    counted: Sequence[bool]
    """False where a token is in no statistic: position 0, BOS, separators and other specials"""

    def cut(self, n_before: int, n_after: int) -> "Window":
        """The same window, narrower."""
        low = max(0, self.peak - n_before - self.start)
        high = self.peak + n_after + 1 - self.start
        return replace(
            self,
            tokens=self.tokens[low:high],
            start=self.start + low,
            counted=self.counted[low:high],
        )


@dataclass(frozen=True)
class Effects:
    """The ablated text of one example in one mode, by position in the context."""

    mode: str
    baseline: float
    by_position: dict[int, float]
    """differences of activation"""
    shares: dict[int, float]
    """the same as shares of the baseline; positions without a finite one are absent"""


def activation_line(window: Window, maximum: float, effects: Effects | None = None) -> Line:
    """The text coloured by activation; with `effects`, each token carries its effect as well."""
    tokens: list[LineToken] = []
    for position, pieces in enumerate(line_pieces(window.tokens), window.start):
        css, shown = _dressed(pieces)
        if position == window.peak:
            css = f"peak {css}"
        activation = window.activations.get(position, 0.0)
        if activation > 0:
            css = f"{css} {heat_class(activation, maximum)}"
        if not window.counted[position - window.start]:
            css = f"{css} uncounted"
        effect = ""
        if effects is not None and position <= window.peak:
            css = f"{css} {_effect_css(effects, position)}"
            effect = rounded(effects.by_position.get(position))
        tokens.append(LineToken(shown, css.strip(), exact(activation or None), effect))
    return _cut(tokens, window, "activation", "activation", effects)


def ablated_line(window: Window, effects: Effects) -> Line:
    """The same text up to the peak, coloured by what changing each token does to the peak."""
    n_shown = window.peak - window.start + 1
    tokens: list[LineToken] = []
    for position, pieces in enumerate(line_pieces(window.tokens)[:n_shown], window.start):
        css, shown = _dressed(pieces)
        peak = "peak " if position == window.peak else ""
        css = f"{peak}{css} {_effect_css(effects, position)}".strip()
        tokens.append(LineToken(shown, css, "", rounded(effects.by_position.get(position))))
    verb = "deleting" if effects.mode == "delete" else "replacing"
    return _cut(tokens, window, "ablated", f"effect of {verb} tokens", effects)


def exact(value: float | None) -> str:
    """A float32 in full, without trailing noise; empty for None and NaN."""
    return "" if value is None or not math.isfinite(value) else f"{value:.7g}"


def rounded(value: float | None) -> str:
    """A difference of two float32 activations, as far as it is meaningful."""
    return "" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _cut(
    tokens: list[LineToken], window: Window, kind: str, label: str, effects: Effects | None
) -> Line:
    place = window.peak - window.start
    ids = " ".join(str(token.token_id) for token in window.tokens) if kind == "activation" else ""
    return Line(
        kind,
        label,
        line_markup(tokens[:place]),
        line_markup(tokens[place:]),
        ids,
        window.start,
        exact(effects.baseline) if effects is not None else "",
    )


def _effect_css(effects: Effects, position: int) -> str:
    share = effects.shares.get(position)
    return "hatch" if share is None else effect_class(share)


@lru_cache(maxsize=16_384)
def _dressed(pieces: Pieces) -> tuple[str, Pieces]:
    """A token's own class and what is left of its pieces: a leading space, or a run of spaces,
    is marked on the token itself, which saves an element for half of all tokens.
    """
    if not pieces or pieces[0][0] != "sp":
        return "", pieces
    (_, spaces), *rest = pieces
    if not rest:
        return ("indent" if len(spaces) > 1 else "lead"), (("", spaces),)
    if len(spaces) > 1:
        return "", pieces
    (kind, first), *others = rest
    if kind == "":
        return "lead", (("", spaces + first), *others)
    return "lead", (("", spaces), *rest)
