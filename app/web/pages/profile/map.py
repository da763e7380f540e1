"""The heat map of a profile: rows examples, columns places before the peak, cells tokens.

Takes the examples of a profile and the modes to show, gives rows of cells. What fires is underlined
whatever its colour; what was not measured is hatched. Knows no query and no address.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from app.web import text
from app.web.charts.scales import effect_class
from app.web.markup import attribute
from app.web.pages.profile.disagreement import disagreeing
from app.web.pages.profile.examples import ProfileExample

COLUMNS = 16
"""Places before the peak that are drawn; those farther away are in the table of numbers."""
ROWS = 16
"""Rows drawn at most: twelve examples in one mode, eight in two."""
MOST_EXAMPLES = 12

OFFSETS = [*(f"−{k}" for k in range(COLUMNS, 0, -1)), "peak"]


class Cell(NamedTuple):
    """One token of the heat map."""

    token: str
    """escaped markup"""
    css: str
    """its colour step, and fires, hatch, differs or outside where they hold"""
    label: str
    """the effect in words; empty outside the context"""


@dataclass(frozen=True)
class HeatRow:
    """One example in one mode, aligned at its peak."""

    name: str
    value: str
    mode: str
    """named where both are shown; else empty"""
    first: bool
    """whether it is the first row of its example"""
    cells: list[Cell]

    @property
    def markup(self) -> Markup:
        """The cells side by side: a page holds hundreds, so no template prints them one by one."""
        return Markup(
            "".join(
                [
                    f"<td{attribute('class', css)}{attribute('title', label)}>{token}"
                    for token, css, label in self.cells
                ]
            )
        )


def n_drawn(n_modes: int) -> int:
    """Examples the map has room for."""
    return min(MOST_EXAMPLES, ROWS // n_modes)


def heat_rows(examples: Sequence[ProfileExample], modes: Sequence[str]) -> list[HeatRow]:
    """As many examples as there is room for; with two modes, their rows one beneath the other."""
    rows: list[HeatRow] = []
    for example in examples[: n_drawn(len(modes))]:
        value = text.number(example.window.activations.get(example.window.peak, 0.0))
        stop = example.window.peak - example.window.start + 1
        texts = [shown.whole for shown in example.window.shown[max(0, stop - COLUMNS - 1) : stop]]
        for mode in modes:
            named = mode if len(modes) > 1 else ""
            cells = _cells(example, mode, texts)
            rows.append(HeatRow(example.name, value, named, mode == modes[0], cells))
    return rows


def _cells(example: ProfileExample, mode: str, texts: Sequence[str]) -> list[Cell]:
    """The columns from the farthest to the peak; `texts` are those inside the window."""
    window = example.window
    differs = disagreeing(example).tolist()
    shares = example.shares[mode].tolist() if mode in example.shares else []
    cells = [Cell("", "outside", "")] * (COLUMNS + 1 - len(texts))
    for i, token in enumerate(texts):
        distance = len(texts) - 1 - i
        share = shares[distance] if distance < len(shares) else math.nan
        measured = not math.isnan(share)
        css = effect_class(share) if measured else "hatch"
        if window.activations.get(window.peak - distance, 0.0) > 0:
            css += " fires"
        if distance < len(differs) and differs[distance]:
            css += " differs"
        label = text.signed_percent(share) if measured else "not measured"
        if distance == 0 and not measured:
            label = _peak_label(example)
        cells.append(Cell(token, css.lstrip(), label))
    return cells


def _peak_label(example: ProfileExample) -> str:
    """The peak is never deleted; what replacing it does stands in its place."""
    replaced = example.shares.get("replace")
    if replaced is None or math.isnan(float(replaced[0])):
        return "not measured"
    return f"never deleted; replacing it: {text.signed_percent(float(replaced[0]))}"
