"""The examples of a feature as the page shows them: one group, its bands, its lines of text.

Takes a feature's material and the view (group, ablation, layout, example), gives sections of
examples ready to print. Which rows a view shows is decided before anything is read, so that only
their contexts are fetched. Knows no query and no address.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from app.db.records import GROUPS, AblationGroup, ExampleGroup, Group
from app.web import text
from app.web.pages.example_values import ValueRow, value_rows
from app.web.pages.feature_material import Material
from app.web.pages.stored_example import effects_of, window_of
from app.web.pages.token_line import Effects, Line, Window, ablated_line, activation_line
from app.web.token_text import Pieces, text_pieces

MIX_TOP, MIX_PER_BAND = 5, 2
"""The page opens with the strongest five and two of every interval: top examples alone flatter."""

TIGHT_BEFORE, TIGHT_AFTER = 12, 8


@dataclass(frozen=True)
class Worst:
    """The context token whose change lowers an example's peak most."""

    pieces: Pieces
    share: str
    """signed percent of the baseline"""


@dataclass(frozen=True)
class Example:
    """One example as printed."""

    name: str
    """group and rank from 1, e.g. top-3: its anchor and its address"""
    value: str
    """activation, or for silent examples 0"""
    detail: str
    """what stands under the value: the ablation mode shown, or hidden_pre"""
    lines: list[Line]
    context_id: int
    position: int
    document: str
    repeats: int
    worst: Worst | None
    marked: bool
    rows: list[ValueRow]
    """exact values of every token, for the marked example only"""


@dataclass(frozen=True)
class Section:
    """Examples under one heading."""

    heading: str
    detail: str
    examples: list[Example]


@dataclass(frozen=True)
class ExampleView:
    """What the address says about the examples."""

    group: str
    ablation: str
    layout: str
    window: str
    example: str


def split_name(name: str) -> tuple[Group, int] | None:
    """`top-3` → ("top", row 2); None where it names no example."""
    group, _, rank = name.rpartition("-")
    if group not in GROUPS or not rank.isascii() or not rank.isdigit() or int(rank) < 1:
        return None
    return cast(Group, group), int(rank) - 1


def chosen_rows(
    groups: dict[Group, ExampleGroup], ablations: dict[Group, AblationGroup], group: str
) -> dict[Group, list[int]]:
    """The rows a view shows of each stored group, in rank order."""
    if group != "mix":
        return {
            g: list(range(stored.context_id.size)) for g, stored in groups.items() if g == group
        }
    rows: dict[Group, list[int]] = {}
    if "top" in groups:
        rows["top"] = list(range(min(MIX_TOP, groups["top"].context_id.size)))
    if "interval" in groups:
        measured = set(ablations["interval"].rank.tolist()) if "interval" in ablations else set()
        rows["interval"] = [
            row
            for band in sorted(set(groups["interval"].band.tolist()))
            for row in _first_of_band(groups["interval"], band, measured)
        ]
    return rows


def _first_of_band(group: ExampleGroup, band: int, measured: set[int]) -> list[int]:
    """Rows of a band to show in the mix: those with ablated text before the others."""
    rows = [row for row, b in enumerate(group.band.tolist()) if b == band]
    return sorted(sorted(rows, key=lambda row: (row not in measured, row))[:MIX_PER_BAND])


def build_sections(
    material: Material, rows: dict[Group, list[int]], view: ExampleView
) -> list[Section]:
    """The sections of a view, strongest first."""
    sections: list[Section] = []
    for group, wanted in rows.items():
        stored = material.groups[group]
        if stored.band_low.size == 0:
            heading, detail = _group_words(group, stored, len(wanted))
            sections.append(Section(heading, detail, _examples(material, group, wanted, view)))
            continue
        for band in sorted(set(stored.band[wanted].tolist()), reverse=True):
            inside = [row for row in wanted if stored.band[row] == band]
            inside.sort(key=lambda row: (-stored.activation[row], row))
            heading, detail = _band_words(group, stored, band, len(inside))
            sections.append(Section(heading, detail, _examples(material, group, inside, view)))
    return sections


def _examples(
    material: Material, group: Group, rows: Iterable[int], view: ExampleView
) -> list[Example]:
    return [
        example for row in rows if (example := _example(material, group, row, view)) is not None
    ]


def _example(material: Material, group: Group, row: int, view: ExampleView) -> Example | None:
    window = window_of(material, group, row)
    if window is None:
        return None
    if view.window == "tight":
        window = window.cut(TIGHT_BEFORE, TIGHT_AFTER)
    stored = material.groups[group]
    maximum = material.record.max_activation or 0.0
    effects = effects_of(material.ablations.get(group), row, view.ablation)
    name = f"{group}-{row + 1}"
    if effects is None:
        lines = [activation_line(window, maximum)]
    elif view.layout == "wrapped":
        lines = [activation_line(window, maximum, effects)]
    else:
        lines = [activation_line(window, maximum), ablated_line(window, effects)]
    hidden_pre = float(stored.hidden_pre[row])
    if group == "silent":
        detail = "" if math.isnan(hidden_pre) else f"pre {text.number(hidden_pre)}"
    else:
        detail = "" if effects is None else effects.mode
    context = material.contexts[int(stored.context_id[row])]
    document_id = int(context.document_ids[window.peak])
    return Example(
        name=name,
        value=text.number(float(stored.activation[row])),
        detail=detail,
        lines=lines,
        context_id=context.context_id,
        position=window.peak,
        document=material.documents.get(document_id, ""),
        repeats=int(stored.repeats[row]),
        worst=_worst(window, effects),
        marked=name == view.example,
        rows=value_rows(material, group, row, window) if name == view.example else [],
    )


def _worst(window: Window, effects: Effects | None) -> Worst | None:
    if effects is None:
        return None
    shares = {p: share for p, share in effects.shares.items() if p != window.peak}
    if not shares:
        return None
    position = min(shares, key=lambda p: (shares[p], -p))
    if not shares[position] < 0:
        return None
    token = window.tokens[position - window.start]
    return Worst(text_pieces(token.token), text.signed_percent(shares[position]))


def _group_words(group: Group, stored: ExampleGroup, n_shown: int) -> tuple[str, str]:
    if group == "silent":
        return (
            "Silent where it usually fires",
            f"{n_shown} drawn at random from {stored.n_candidates:,} occurrences, at activation 0, "
            "of the tokens that carry 90% of its activation. A good reading explains these too; "
            "“pre” is the pre-activation there.",
        )
    n_stored = stored.context_id.size
    count = f"all {n_stored}" if n_shown == n_stored else f"the first {n_shown} of {n_stored}"
    return (
        "Strongest",
        f"{count} stored; one per context, from {stored.n_candidates:,} contexts it fires in",
    )


def _band_words(group: Group, stored: ExampleGroup, band: int, n_shown: int) -> tuple[str, str]:
    low, high = float(stored.band_low[band]), float(stored.band_high[band])
    n_stored = int((stored.band == band).sum())
    share, n_active = float(stored.band_share[band]), int(stored.band_n_active[band])
    part = "of its firings" if group == "interval" else "of its firings, by rank"
    return (
        f"{text.number(low)} – {text.number(high)}",
        f"{text.percent(share)} {part} ({n_active:,} tokens); "
        f"{n_shown} of {n_stored} drawn at random shown",
    )
