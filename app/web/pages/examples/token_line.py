"""One window of text as a line of tokens: text, colour steps and the values behind them.

Takes a window's tokens with their activations and effects, gives a line and its markup. The values
stand in data attributes, so that a script can show them on hover and focus; the table of one
example shows them without a script. Knows no example and no database.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

from markupsafe import Markup, escape

from app.db.records import TokenRecord
from app.web.charts.scales import effect_class, heat_class
from app.web.token_markup import ShownToken, line_markup, show_tokens

VERBS = {"delete": "deleting", "replace": "replacing"}


@dataclass(frozen=True)
class EffectText:
    """Effects of one mode as the script reads them."""

    mode: str
    """delete or replace"""
    effects: str
    """differences in order from the line's first token to the peak, - where not measured"""
    baseline: str
    """the value without a change, the base of percentages"""


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
    """values in order, nothing where it did not fire; empty where it fires nowhere"""
    measured: tuple[EffectText, ...]
    """what was measured of the tokens of this line, mode by mode"""
    start: int
    """position of the first token in its context"""


@dataclass(frozen=True)
class Window:
    """Tokens around a peak with everything measured on them."""

    tokens: Sequence[TokenRecord]
    start: int
    peak: int
    """position in the context"""
    activations: dict[int, float]
    """by position, only where it fires; some may lie outside the window"""
    counted: Sequence[bool]
    """False where a token is in no statistic: position 0, BOS, separators and other specials"""

    def cut(self, n_before: int, n_after: int) -> "Window":
        """The same window, at most so many tokens before and after the peak."""
        return self.between(self.peak - n_before, self.peak + n_after + 1)

    def between(self, start: int, stop: int) -> "Window":
        """The part from one position up to (not including) another."""
        low = max(0, start - self.start)
        high = max(low, stop - self.start)
        return replace(
            self,
            tokens=self.tokens[low:high],
            start=self.start + low,
            counted=self.counted[low:high],
        )

    @cached_property
    def shown(self) -> list[ShownToken]:
        """The tokens as markup: every line over the window prints the same."""
        return show_tokens(self.tokens)

    @property
    def up_to_peak(self) -> tuple[int, ...]:
        """Token ids from the start to the peak."""
        stop = self.peak - self.start + 1
        return tuple(token.token_id for token in self.tokens[:stop])


@dataclass(frozen=True)
class Effects:
    """The ablated text of one example in one mode, by position in the context."""

    mode: str
    baseline: float
    """the value without a change"""
    by_position: dict[int, float]
    """differences of the activation, or of the pre-activation"""
    shares: dict[int, float]
    """the same as shares of the baseline; positions without a finite one are absent, and so are
    all where the baseline is not above zero"""
    on: str = field(default="activation")
    """activation or hidden_pre"""


def activation_line(window: Window, maximum: float, effects: Sequence[Effects] = ()) -> Line:
    """The text coloured by activation, in steps of `maximum`.

    With `effects` (at most two), each token carries these as well: the first as `effect-…`, the
    second as `second-…`.
    """
    classes: dict[int, str] = {}
    values = [""] * len(window.tokens)
    for position, value in window.activations.items():
        i = position - window.start
        if value > 0 and 0 <= i < len(values):
            classes[i] = heat_class(value, maximum)
            values[i] = f"{value:.4g}"
    for i, counted in enumerate(window.counted):
        if not counted:
            _add(classes, i, "uncounted")
    return _line(
        window,
        classes,
        effects,
        kind="activation",
        label="activation",
        n_shown=len(window.tokens),
        token_ids=" ".join([str(token.token_id) for token in window.tokens]),
        activations=_without_zeros(" ".join(values)) if any(values) else "",
    )


def ablated_line(window: Window, effects: Effects) -> Line:
    """The same text up to the peak, coloured by what changing each token does to the peak."""
    on = "" if effects.on == "activation" else " on the pre-activation"
    return _line(
        window,
        {},
        [effects],
        kind="ablated",
        label=f"effect of {VERBS[effects.mode]} tokens{on}",
        n_shown=window.peak - window.start + 1,
        token_ids="",
        activations="",
    )


def token_strip(line: Line, name: str) -> Markup:
    """A line as a page prints it, cut before its peak; `name` is that of its example.

    The script makes it one tab stop in which arrow keys step (token-card.js). No space stands
    between two tags, so that the text of the document is the text of the tokens.
    """
    values = [("data-ids", line.token_ids), ("data-activations", line.activations)]
    for measured in line.measured:
        values += [
            (f"data-{measured.mode}", measured.effects),
            (f"data-{measured.mode}-baseline", measured.baseline),
        ]
    data = "".join([f' {key}="{value}"' for key, value in values if value])
    return Markup(
        f'<div class="line {line.kind}" role=group aria-label="{escape(name)}: '
        f'{escape(line.label)}" data-start={line.start}{data}>'
        f"<span class=before><span>{line.before}</span></span>"
        f"<span class=after><span>{line.after}</span></span></div>"
    )


def exact(value: float | None) -> str:
    """A float32 in full, without trailing noise; empty for None and NaN."""
    return "" if value is None or not math.isfinite(value) else f"{value:.7g}"


def _line(
    window: Window,
    classes: dict[int, str],
    effects: Sequence[Effects],
    *,
    kind: str,
    label: str,
    n_shown: int,
    token_ids: str,
    activations: str,
) -> Line:
    peak = window.peak - window.start
    for found, css in zip(effects, (effect_class, _second_class), strict=False):
        _add_effects(classes, window, found, css)
    runs = _hatched_runs(classes, window, effects)
    _add(classes, peak, "peak")
    before, after = {}, {}
    for i, css in classes.items():
        if i < peak:
            before[i] = css
        elif i < n_shown:
            after[i - peak] = css
    return Line(
        kind,
        label,
        line_markup(window.shown[:peak], before, runs),
        line_markup(window.shown[peak:n_shown], after),
        token_ids,
        activations,
        tuple(_effect_text(window, found) for found in effects),
        window.start,
    )


def _second_class(share: float) -> str:
    return effect_class(share).replace("effect", "second")


def _add(classes: dict[int, str], i: int, css: str) -> None:
    classes[i] = f"{classes[i]} {css}" if classes.get(i) else css


def _add_effects(
    classes: dict[int, str], window: Window, effects: Effects, step: Callable[[float], str]
) -> None:
    """Adds the colour step of every token up to the peak that has a share of the baseline."""
    for position, share in effects.shares.items():
        i = position - window.start
        css = step(share)
        if css and 0 <= i <= window.peak - window.start:
            _add(classes, i, css)


def _hatched_runs(
    classes: dict[int, str], window: Window, effects: Sequence[Effects]
) -> list[tuple[int, int, str]]:
    """Hatches what no mode measured, up to the peak: neighbours share one element around them.

    A single token, and the peak, get the class themselves.
    """
    if not effects:
        return []
    measured = {position for found in effects for position in found.shares}
    if window.peak not in measured:
        _add(classes, window.peak - window.start, "hatch")
    inside = sorted(p - window.start for p in measured if window.start <= p < window.peak)
    runs: list[tuple[int, int, str]] = []
    for before, stop in pairwise([-1, *inside, window.peak - window.start]):
        if stop - before == 2:
            _add(classes, before + 1, "hatch")
        elif stop - before > 2:
            runs.append((before + 1, stop, "hatch"))
    return runs


def _effect_text(window: Window, effects: Effects) -> EffectText:
    found = [effects.by_position.get(p, math.nan) for p in range(window.start, window.peak + 1)]
    text = " ".join([f"{v or 0.0:.3g}" if math.isfinite(v) else "-" for v in found])
    return EffectText(effects.mode, _without_zeros(text), exact(effects.baseline))


def _without_zeros(numbers: str) -> str:
    """Numbers in a row, those below one without the zero: thousands of them stand on a page."""
    return f" {numbers}".replace(" 0.", " .").replace(" -0.", " -.")[1:]
