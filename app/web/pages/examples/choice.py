"""Which stored examples a view shows, in which sections, and which of them are one text.

Takes groups as stored and what the address says; gives rows and headings. Decided before any text
is read, so that only the contexts shown are fetched. Knows neither markup nor addresses.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.db.records import GROUPS, AblationGroup, ContextRecord, ExampleGroup, Group
from app.web import text
from app.web.pages.examples.near_misses import Sample

MIX_TOP, MIX_PER_BAND = 5, 2
"""The page opens with the strongest five and two of every interval: top examples alone flatter."""

BAND = "band"
"""Name of the examples drawn from a band of activations; `GROUPS` has the stored ones."""

TIGHT_BEFORE, TIGHT_AFTER = 12, 8


@dataclass(frozen=True)
class Source:
    """One group of examples and the ablated text there is of it."""

    group: str
    stored: ExampleGroup
    ablations: AblationGroup | None


@dataclass(frozen=True)
class Choice:
    """One example to show."""

    row: int
    """of its group, from 0"""
    twins: tuple[int, ...] = ()
    """rows of the same section whose text up to the peak is the same, shown as this one"""


@dataclass(frozen=True)
class Chosen:
    """The examples under one heading, in the order they are shown."""

    source: Source
    heading: str
    detail: str
    choices: Sequence[Choice]


def split_name(name: str) -> tuple[str, int] | None:
    """`top-3` → ("top", row 2); None where it names no example."""
    group, _, rank = name.rpartition("-")
    known = group in GROUPS or group == BAND
    if not known or not rank.isascii() or not rank.isdigit() or int(rank) < 1:
        return None
    return group, int(rank) - 1


def chosen_rows(
    groups: Mapping[Group, ExampleGroup], ablations: Mapping[Group, AblationGroup], group: str
) -> dict[Group, list[int]]:
    """The rows a view shows of each stored group, in rank order; none for a band."""
    if group != "mix":
        return {
            g: list(range(stored.context_id.size)) for g, stored in groups.items() if g == group
        }
    rows: dict[Group, list[int]] = {}
    if "top" in groups:
        rows["top"] = list(range(min(MIX_TOP, groups["top"].context_id.size)))
    spread: Group = "interval" if "interval" in groups or "quantile" not in groups else "quantile"
    if spread in groups:
        measured = set(ablations[spread].rank.tolist()) if spread in ablations else set()
        rows[spread] = [
            row
            for band in sorted(set(groups[spread].band.tolist()))
            for row in _first_of_band(groups[spread], band, measured)
        ]
    return rows or {g: list(range(stored.context_id.size)) for g, stored in groups.items()}


def chosen_sections(
    groups: Mapping[Group, ExampleGroup],
    ablations: Mapping[Group, AblationGroup],
    rows: Mapping[Group, list[int]],
    sample: Sample,
) -> list[Chosen]:
    """The sections of a view, strongest first; near misses come from `sample`."""
    sections: list[Chosen] = []
    for group, wanted in rows.items():
        source = Source(group, groups[group], ablations.get(group))
        if source.stored.band_low.size == 0:
            heading, detail = _group_words(group, source.stored, len(wanted), sample)
            sections.append(Chosen(source, heading, detail, list(map(Choice, wanted))))
            continue
        for band in sorted(set(source.stored.band[wanted].tolist()), reverse=True):
            inside = by_activation(source, [r for r in wanted if source.stored.band[r] == band])
            heading, detail = _band_words(group, source.stored, band, len(inside))
            sections.append(Chosen(source, heading, detail, list(map(Choice, inside))))
    return sections


def by_activation(source: Source, rows: list[int]) -> list[int]:
    """Rows, the strongest first; ties by rank."""
    return sorted(rows, key=lambda row: (-source.stored.activation[row], row))


def shown_span(stored: ExampleGroup, row: int, window: str) -> tuple[int, int]:
    """First position and past-the-last of what a window shows of an example.

    Args:
        window: tight, snippet or whole; the end of a whole context may lie behind its tokens.
    """
    if window == "whole":
        return 0, 1 << 31
    start, stop = int(stored.window_start[row]), int(stored.window_stop[row])
    if window == "tight":
        peak = int(stored.position[row])
        return max(start, peak - TIGHT_BEFORE), min(stop, peak + TIGHT_AFTER + 1)
    return start, stop


def folded(
    section: Chosen, contexts: Mapping[int, ContextRecord], window: str, kept: str
) -> Chosen:
    """The section with examples of one and the same text up to the peak folded into the first.

    Args:
        window: what is shown of a text, and so what is compared.
        kept: name of an example that stands for itself whatever its text.
    """
    stored = section.source.stored
    first: dict[bytes, int] = {}
    found: list[Choice] = []
    for choice in section.choices:
        context = contexts.get(int(stored.context_id[choice.row]))
        if context is None:
            continue
        start, _ = shown_span(stored, choice.row, window)
        text_before = context.token_ids[start : int(stored.position[choice.row]) + 1].tobytes()
        place = first.setdefault(text_before, len(found))
        if place == len(found) or f"{section.source.group}-{choice.row + 1}" == kept:
            found.append(choice)
        else:
            found[place] = replace(found[place], twins=(*found[place].twins, choice.row))
    return replace(section, choices=found)


def _first_of_band(group: ExampleGroup, band: int, measured: set[int]) -> list[int]:
    """Rows of a band to show in the mix: those with ablated text before the others."""
    rows = [row for row, b in enumerate(group.band.tolist()) if b == band]
    return sorted(sorted(rows, key=lambda row: (row not in measured, row))[:MIX_PER_BAND])


_HEADINGS: dict[Group, str] = {
    "top": "Strongest",
    "interval": "From its range",
    "quantile": "From its ranks",
    "silent": "Where it doesn’t fire",
    "near": "Near misses",
}
"""Of an import"""


def _imported_count(group: Group, n_shown: int, n_held: int) -> str:
    count = f"all {n_held}" if n_shown == n_held else f"the first {n_shown} of {n_held}"
    at = ", at activation 0 on the token they were chosen for" if group == "silent" else ""
    return f"{count} that were imported{at}"


def _group_words(
    group: Group, stored: ExampleGroup, n_shown: int, sample: Sample
) -> tuple[str, str]:
    if group == "near":
        return "Near misses", sample.detail(n_shown, stored.n_candidates)
    if group == "silent":
        return (
            "Silent where it usually fires",
            f"{n_shown} drawn at random from {stored.n_candidates:,} occurrences, at activation 0, "
            "of the tokens that carry 90% of its activation. A good reading explains these too; "
            "“pre” is the pre-activation there.",
        )
    if stored.n_candidates < 0:
        return _HEADINGS[group], _imported_count(group, n_shown, stored.context_id.size)
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
    if n_active < 0:
        of = "" if math.isnan(share) else f"{text.percent(share)} of its firings; "
        return (
            f"{text.number(low)} – {text.number(high)}",
            f"{of}{_imported_count(group, n_shown, n_stored)}",
        )
    part = "of its firings" if group == "interval" else "of its firings, by rank"
    return (
        f"{text.number(low)} – {text.number(high)}",
        f"{text.percent(share)} {part} ({n_active:,} tokens); "
        f"{n_shown} of {n_stored} drawn at random",
    )
