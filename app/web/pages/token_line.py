"""One window of text as a line of tokens: text, colour steps and the values behind them.

Takes a window's tokens with their activations and effects, gives what the macro `token-strip`
prints. The values stand in data attributes, so that a script can show them on hover and focus; the
table of one example shows them without a script. Knows no example and no database.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from app.db.records import TokenRecord
from app.web.charts.scales import effect_class, heat_class
from app.web.token_markup import line_markup, show_tokens


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
    activations: str
    """exact values in order, 0 where it did not fire; empty where it fires nowhere"""
    effects: str
    """differences of the peak's activation in order, - where not measured; empty without effects"""
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
    classes = {
        position - window.start: heat_class(value, maximum)
        for position, value in window.activations.items()
        if value > 0 and 0 <= position - window.start < len(window.tokens)
    }
    for i, counted in enumerate(window.counted):
        if not counted:
            classes[i] = f"{classes.get(i, '')} uncounted"
    if effects is not None:
        _add_effects(classes, window, effects)
    values = [window.activations.get(window.start + i, 0.0) for i in range(len(window.tokens))]
    return _line(
        window,
        classes,
        kind="activation",
        label="activation",
        n_shown=len(window.tokens),
        token_ids=" ".join([str(token.token_id) for token in window.tokens]),
        activations=" ".join([exact(value) for value in values]) if any(values) else "",
        effects=effects,
    )


def ablated_line(window: Window, effects: Effects) -> Line:
    """The same text up to the peak, coloured by what changing each token does to the peak."""
    classes: dict[int, str] = {}
    _add_effects(classes, window, effects)
    verb = "deleting" if effects.mode == "delete" else "replacing"
    return _line(
        window,
        classes,
        kind="ablated",
        label=f"effect of {verb} tokens",
        n_shown=window.peak - window.start + 1,
        token_ids="",
        activations="",
        effects=effects,
    )


def exact(value: float | None) -> str:
    """A float32 in full, without trailing noise; empty for None and NaN."""
    return "" if value is None or not math.isfinite(value) else f"{value:.7g}"


def _line(
    window: Window,
    classes: dict[int, str],
    *,
    kind: str,
    label: str,
    n_shown: int,
    token_ids: str,
    activations: str,
    effects: Effects | None,
) -> Line:
    peak = window.peak - window.start
    classes[peak] = f"peak {classes.get(peak, '')}"
    shown = show_tokens(window.tokens[:n_shown])
    after = {i - peak: css for i, css in classes.items() if i >= peak}
    return Line(
        kind,
        label,
        line_markup(shown[:peak], classes),
        line_markup(shown[peak:], after),
        token_ids,
        activations,
        "" if effects is None else _effects_text(window, effects),
        window.start,
        "" if effects is None else exact(effects.baseline),
    )


def _add_effects(classes: dict[int, str], window: Window, effects: Effects) -> None:
    """Adds the colour step of every token up to the peak, or the hatch where it wasn't measured."""
    for i in range(window.peak - window.start + 1):
        share = effects.shares.get(window.start + i)
        css = "hatch" if share is None else effect_class(share)
        if css:
            classes[i] = f"{classes.get(i, '')} {css}"


def _effects_text(window: Window, effects: Effects) -> str:
    found = [effects.by_position.get(p) for p in range(window.start, window.peak + 1)]
    return " ".join(["-" if v is None or not math.isfinite(v) else f"{v:.4g}" for v in found])
