"""Histograms: counts in bins, drawn linear or log, as SVG geometry and as a Plotly figure.

Takes edges and counts. Bars are coloured by a class per bin (the activation histogram is also the
legend of the text's colours) or all alike; they may lead somewhere, a part of them may be chosen,
and single values may be marked on the axis. Knows no feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from app.web.charts.plot import Chart, Figure, Link, Mark, Tick, column, from_top, percent
from app.web.charts.scales import heat_class, linear_ticks, log_height, log_ticks

Scale = Literal["linear", "log"]

LIGHT_HEAT = (
    "#f8f0d6", "#f1deb2", "#eccb8e", "#e9b66c", "#e4a04b",
    "#de8a2c", "#d67312", "#ca5d07", "#bb4811", "#ab3419",
)  # fmt: skip
"""The ramp of the light theme, as in base.css, for drawings that have no style sheet."""

LIGHT_BAR = "#959187"
"""The same for bars without a step."""

_TICK = 0.4
"""Width of such a mark, percent of the plot."""


@dataclass(frozen=True)
class Named:
    """One value marked on the axis of values."""

    value: float
    name: str
    """what is marked, ready to be shown: nothing in it invisible"""


def histogram(
    edges: Sequence[float],
    counts: Sequence[int],
    *,
    kind: str,
    label: str,
    x_name: str,
    y_name: str,
    noun: str,
    scale: Scale = "linear",
    heat: bool = False,
    links: Sequence[str] = (),
    chosen: tuple[int, int] | None = None,
    named: Sequence[Named] = (),
    note: str = "",
) -> Chart:
    """One histogram; `noun` is what is counted, in the plural ("tokens").

    Args:
        edges: n + 1 equally spaced borders; a value on a border belongs to the bin below it.
        counts: n counts.
        heat: colour each bar by its upper edge's share of the last edge.
        links: where each of the n bars leads; empty for bars that are no links.
        chosen: first and past-the-last bin of what the page shows.
        named: values to mark at the foot of the bars.

    Raises:
        ValueError: the lengths don't fit.
    """
    if len(edges) != len(counts) + 1:
        raise ValueError(f"{len(counts)} counts need {len(counts) + 1} edges, not {len(edges)}")
    largest, total = max(counts, default=0), sum(counts)
    log = scale == "log"
    silent = bool(links) or bool(named)  # links speak for bars; the marks below are the message
    heights = [
        log_height(count, largest) if log else 100 * count / max(largest, 1) for count in counts
    ]
    css = [heat_class(high, edges[-1]) if heat else "" for high in edges[1:]]
    marks = [
        column(
            i,
            len(counts),
            heights[i],
            css[i],
            "" if silent else _bin_label(edges, counts, i, noun, total),
        )
        for i in range(len(counts))
        if counts[i]
    ]
    marks += _rug(named, edges)
    hits = [
        Link(mark.x, mark.width, _bin_label(edges, counts, i, noun, total), link, _is(i, chosen))
        for i, link in enumerate(links)
        if counts[i]
        for mark in [column(i, len(counts), 100.0, "", "", gap=0.0)]
    ]
    x_ticks = _edge_ticks(edges)
    y_ticks = log_ticks(largest) if log else _count_ticks(largest)
    return Chart(
        kind,
        f"{label}, {scale} counts",
        x_name,
        y_name,
        x_ticks,
        from_top(y_ticks),
        marks,
        figure=_figure(edges, counts, css, x_ticks, (x_name, y_name, noun), scale, named),
        note=note,
        links=hits,
        brush=_brush(chosen, len(counts)),
    )


def _is(i: int, chosen: tuple[int, int] | None) -> bool:
    return chosen is not None and chosen[0] <= i < chosen[1]


def _brush(chosen: tuple[int, int] | None, n: int) -> Mark | None:
    """Bins [first, last) over the full height; None where none is chosen."""
    if chosen is None or chosen[0] >= chosen[1]:
        return None
    first, last = chosen
    return Mark(percent(100 * first / n), "0", percent(100 * (last - first) / n), "100%", "", "")


def _rug(named: Sequence[Named], edges: Sequence[float]) -> list[Mark]:
    """A tick at the foot for every named value; those outside the edges stand at the ends."""
    low, high = edges[0], edges[-1]
    places = [100 * (min(max(item.value, low), high) - low) / (high - low) for item in named]
    return [
        Mark(percent(place - _TICK / 2), "93%", percent(_TICK), "7%", "rug", "") for place in places
    ]


def _named_label(item: Named) -> str:
    value = f"{item.value:+.3g}".replace("-", "−")
    return f"{item.name} {value}"


def _edge_ticks(edges: Sequence[float]) -> list[Tick]:
    """Round values, and the last edge itself where it is not too close to the last of them."""
    ticks = [tick for tick in linear_ticks(edges[0], edges[-1], 4) if tick.at <= 90]
    return [*ticks, Tick(100.0, f"{edges[-1]:.3g}".replace("-", "−"))]


def _count_ticks(largest: int) -> list[Tick]:
    """Ticks at whole numbers only."""
    ticks = linear_ticks(0, max(largest, 1), 4)
    return [tick for tick in ticks if "." not in tick.label]


def _bin_label(edges: Sequence[float], counts: Sequence[int], i: int, noun: str, total: int) -> str:
    share = counts[i] / total if total else 0.0
    return f"{edges[i]:.3g} – {edges[i + 1]:.3g}: {counts[i]:,} {noun} ({share:.1%})"


def _figure(
    edges: Sequence[float],
    counts: Sequence[int],
    css: Sequence[str],
    x_ticks: Sequence[Tick],
    names: tuple[str, str, str],
    scale: Scale,
    named: Sequence[Named] = (),
) -> Figure:
    """The same histogram for Plotly: what can't be told from its numbers.

    What every figure has alike, colours and the cards of the bars are the script's (chart.js);
    `meta` has what it makes them of.
    """
    x_name, y_name, noun = names
    span = edges[-1] - edges[0]
    trace = {
        "type": "bar",
        "x0": _place((edges[0] + edges[1]) / 2),
        "dx": _place(edges[1] - edges[0]),
        "y": list(counts),
        "meta": {"noun": noun, **_steps(css)},
    }
    layout = {
        "xaxis": {
            "title": {"text": x_name},
            "range": [_place(edges[0]), _place(edges[-1])],
            "tickvals": [_place(edges[0] + span * tick.at / 100) for tick in x_ticks],
            "ticktext": [tick.label for tick in x_ticks],
        },
        "yaxis": {"title": {"text": y_name}, "type": scale},
    }
    if not named:
        return {"data": [trace], "layout": layout}
    # a second axis, so that the marks stand at the foot whatever the scale of the counts
    layout["yaxis2"] = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    rug = {
        "type": "scatter",
        "mode": "markers",
        "yaxis": "y2",
        "x": [float(f"{item.value:.4g}") for item in named],
        "text": [escape(_named_label(item)) for item in named],
    }
    return {"data": [trace, rug], "layout": layout}


def _place(value: float) -> float:
    """A place on an axis in six digits: fifty bars further on it is still exact in four."""
    return float(f"{value:.6g}")


def _steps(css: Sequence[str]) -> dict[str, object]:
    """The colour step of each bar; nothing where all are alike."""
    if not any(name.startswith("heat-") for name in css):
        return {}
    return {"heat": [int(name[5:]) if name else 0 for name in css]}
