"""The examples of a feature as the page shows them: sections, their examples, their lines of text.

Takes the sections chosen, a feature's material and the view, gives what the template prints. A page
holds as many examples as fit its budget; the rest is a link away. Knows no query and no address.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.web.pages.examples.choice import Choice, Chosen, folded, split_name
from app.web.pages.examples.example import Example, build_example, layout_of
from app.web.pages.examples.stored import MODES
from app.web.pages.feature.material import Material
from app.web.views import FeatureView

EXAMPLES_BYTES = 38_000
"""Examples of one page, of the 150 kB a page may have; at least one is always shown."""
EXAMPLES_BYTES_BESIDE_A_READING = 8_000
"""The same where a reading is tested, whose counterexamples are the examples to look at."""
_BYTES_LEFT_OVER = 4_000
"""Beyond the budget, where all the others then fit: nobody should turn a page for one of them."""
_BYTES_BESIDE_LINES, _BYTES_BESIDE_LINE, _BYTES_PER_VALUE = 380, 250, 280


@dataclass(frozen=True)
class Section:
    """Examples under one heading."""

    heading: str
    detail: str
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class Shown:
    """The part of a group that stands on one page."""

    sections: list[Section]
    first: int
    """number of the first example shown, from 1; 0 where there is none"""
    last: int
    total: int
    """examples of the view, folded ones counted once"""
    layout: str
    """aligned, wrapped or lines, as drawn: a whole context never stands in one line"""
    modes: tuple[str, ...]
    """modes of ablated text that an example shown has"""

    @property
    def next_start(self) -> int | None:
        """Where the next page starts."""
        return self.last if self.last < self.total else None


def build_examples(
    material: Material, chosen: Sequence[Chosen], view: FeatureView, beside: int = 0
) -> Shown:
    """The examples of the sections, from `view.start` on, as many as fit.

    An example the view names is always among them.

    Args:
        beside: bytes that something else on the page takes from the examples' budget.
    """
    room = _budget(view) - beside
    sections = [folded(section, material.contexts, view.window, view.example) for section in chosen]
    flat = [
        (number, choice) for number, section in enumerate(sections) for choice in section.choices
    ]
    start = view.start if view.start < len(flat) else 0
    found = _page(material, sections, flat[start:], view, room)
    if split_name(view.example) is not None and not any(e.marked for _, e in found):
        names = [f"{sections[n].source.group}-{choice.row + 1}" for n, choice in flat]
        if view.example in names:
            start = names.index(view.example)
            found = _page(material, sections, flat[start:], view, room)
    shown: list[Section] = []
    for number, section in enumerate(sections):
        inside = [example for n, example in found if n == number]
        if inside:
            detail = _detail(section.detail, len(inside), len(section.choices))
            shown.append(Section(section.heading, detail, inside))
    measured = {m.mode for _, e in found for line in e.lines for m in line.measured}
    return Shown(
        shown,
        start + 1 if found else 0,
        start + len(found),
        len(flat),
        layout_of(view),
        tuple(mode for mode in MODES if mode in measured),
    )


def _detail(said: str, n_here: int, n: int) -> str:
    """What stands over a section, and how much of it a page holds that has not room for all."""
    if n_here == n:
        return said
    return f"{said}{' ' if said.endswith('.') else '; '}{n_here} of them on this page"


def _page(
    material: Material,
    sections: Sequence[Chosen],
    flat: Sequence[tuple[int, Choice]],
    view: FeatureView,
    left: int,
) -> list[tuple[int, Example]]:
    """Examples with the number of their section, until the budget is spent."""
    found: list[tuple[int, Example]] = []
    fitting = 0
    for number, choice in flat:
        example = build_example(material, sections[number].source, choice, view)
        if example is None:
            continue
        left -= _size(example)
        found.append((number, example))
        if left >= 0 or fitting == 0:
            fitting = len(found)
        elif left < -_BYTES_LEFT_OVER:
            return found[:fitting]
    return found


def _budget(view: FeatureView) -> int:
    return EXAMPLES_BYTES_BESIDE_A_READING if view.reading else EXAMPLES_BYTES


def _size(example: Example) -> int:
    """Bytes of an example on the page, nearly."""
    parts = (
        part
        for line in example.lines
        for part in (
            line.before,
            line.after,
            line.token_ids,
            line.activations,
            *(measured.effects for measured in line.measured),
        )
    )
    beside = _BYTES_BESIDE_LINES + _BYTES_BESIDE_LINE * len(example.lines)
    beside += _BYTES_PER_VALUE * len(example.rows)
    return sum(len(part.encode()) for part in parts) + beside
