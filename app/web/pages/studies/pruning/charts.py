"""The curves of pruning: in the plane of L0 and ΔCE, and along the threshold.

Takes steps and rivals, gives charts. Random removal is drawn as the mean of its draws, with a band
from the lowest to the highest where there are several. Knows no query.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.web import text
from app.web.charts.axes import Axis, make_axis
from app.web.charts.plot import Chart, Dot, Polyline, from_top, percent
from app.web.charts.scales import Tick
from app.web.pages.studies.pruning.rivals import Rival
from app.web.pages.studies.pruning.steps import Costs, Remove, Step, as_percent

Values = Float[ndarray, " _n"]

_MOST_POINTS = 160
"""of the exact curve of L0: a step of it is under a pixel then"""


@dataclass(frozen=True)
class Curves:
    """What is drawn: the steps of one direction, those of the other, and both their ends."""

    remove: Remove
    steps: Sequence[Step]
    others: Sequence[Step]
    emptied: Costs
    now: int
    """number of the step shown"""


def plane(curves: Curves, rivals: Sequence[Rival], against: str) -> Chart:
    """L0 and ΔCE of every pruning, and of the other dictionaries as they are."""
    drawn = [*curves.steps, *curves.others]
    costs = [step.costs for step in drawn] + [curves.emptied]
    random = [draw for step in drawn for draw in step.random]
    known = [*costs, *random, *(rival.costs for rival in rivals)]
    x = make_axis(np.array([0.0, *(item.l0 for item in known)]), log=False)
    delta = np.array([item.delta_ce for item in known])
    finite = delta[np.isfinite(delta)]
    y = make_axis(finite, log=bool(finite.size and (finite > 0).all()))
    lines = [
        _curve(curves.steps, curves.emptied, x, y, "line", _removed(curves.remove)),
        _curve(curves.others, curves.emptied, x, y, "line-second", _removed(_other(curves.remove))),
    ]
    by_l0 = sorted(
        (step for step in drawn if step.random), key=lambda step: step.random[0].l0, reverse=True
    )
    unique = list({step.random[0].l0: step for step in by_l0}.values())
    areas = []
    if unique:
        at = _mean(unique, "l0")
        lines.append(_line(at, _mean(unique, "delta_ce"), x, y, "line-third", _random(unique)))
        if len(unique[0].random) > 1:
            low, high = _ends(unique, "delta_ce")
            areas.append(_band(at, low, high, x, y))
    return Chart(
        "plane",
        "Change of cross-entropy by L0: prunings of this dictionary, and other dictionaries",
        "L0, features active at a token",
        "ΔCE, nats a token" + (" (log scale)" if y.log else ""),
        x.ticks,
        from_top(y.ticks),
        lines=lines,
        areas=areas,
        dots=[
            *_rival_dots(rivals, against, x, y),
            *_step_dots(curves, lambda step: step.costs.l0, lambda c: c.delta_ce, x, y),
        ],
    )


def along_threshold(
    curves: Curves,
    densities: Values,
    kind: str,
    y_name: str,
    value: Callable[[Costs], float],
) -> Chart:
    """A share at every threshold; random removal to the same L0 beside it.

    Args:
        densities: those of the living features; they give the axis its borders.
    """
    x = make_axis(densities, share=True, log=True)
    measured = np.array([value(step.costs) for step in curves.steps])
    random = [step for step in curves.steps if step.random]
    beside = np.array([value(draw) for step in random for draw in step.random])
    y = _percent_axis(np.concatenate([measured, beside, [value(curves.emptied)]]))
    at = np.array([_place(step, curves.remove, x) for step in curves.steps])
    end = x.low if curves.remove == "denser" else x.high
    lines = [
        _line(
            np.append(at, end), np.append(measured, value(curves.emptied)), x, y, "line",
            _removed(curves.remove),
        )
    ]  # fmt: skip
    if random:
        places = np.array([_place(step, curves.remove, x) for step in random])
        means = np.array([np.mean([value(draw) for draw in step.random]) for step in random])
        lines.append(_line(places, means, x, y, "line-third", _random(random)))
    return _threshold_chart(curves, x, y, kind, y_name, lines, value)


def exact_l0(curves: Curves, densities: Values) -> Chart:
    """L0 at every threshold, measured or not: it follows from the densities alone."""
    x = make_axis(densities, share=True, log=True)
    ordered = np.sort(densities)
    at = np.unique(np.quantile(ordered, np.linspace(0, 1, _MOST_POINTS)))
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    below = sums[np.searchsorted(ordered, at, side="right")]
    left = below if curves.remove == "denser" else sums[-1] - below
    y = make_axis(np.array([0.0, *(step.costs.l0 for step in curves.steps)]), log=False)
    ends = (x.low, x.high)
    values = np.concatenate([[0.0], left, [sums[-1]]])
    if curves.remove == "rarer":
        values = np.concatenate([[sums[-1]], left, [0.0]])
    line = _line(np.array([ends[0], *at, ends[1]]), values, x, y, "line", "exact, from n_active")
    return _threshold_chart(curves, x, y, "along", "L0", [line], lambda costs: costs.l0)


def _percent_axis(values: Values) -> Axis:
    """Of shares that may be negative: to round percentages around them."""
    axis = make_axis(100 * np.append(values, 0.0), log=False)
    ticks = [Tick(tick.at, f"{tick.label}%") for tick in axis.ticks]
    return Axis(axis.low / 100, axis.high / 100, False, ticks)


def _threshold_chart(
    curves: Curves,
    x: Axis,
    y: Axis,
    kind: str,
    y_name: str,
    lines: list[Polyline],
    value: Callable[[Costs], float],
) -> Chart:
    side = "denser than" if curves.remove == "denser" else "rarer than"
    return Chart(
        kind,
        f"{y_name} after removing what is {side} a threshold",
        "threshold of density",
        y_name,
        x.ticks,
        from_top(y.ticks),
        lines=lines,
        dots=_step_dots(curves, lambda step: _place(step, curves.remove, x), value, x, y),
    )


def _step_dots(
    curves: Curves,
    across: Callable[[Step], float],
    up: Callable[[Costs], float],
    x: Axis,
    y: Axis,
) -> list[Dot]:
    """The steps; the one shown comes last, over the others."""
    found = []
    for step in curves.steps:
        place = _dot_place(across(step), up(step.costs), x, y)
        if place is None:
            continue
        css = "step now" if step.number == curves.now else "step"
        name = "this dictionary, whole" if not step.number else _said(step, curves.remove)
        found.append(Dot(*place, css, name, step=step.number))
    return found


def _rival_dots(rivals: Sequence[Rival], against: str, x: Axis, y: Axis) -> list[Dot]:
    found = []
    for rival in rivals:
        place = _dot_place(rival.costs.l0, rival.costs.delta_ce, x, y)
        if place is None:
            continue
        name = rival.sae.record.sae
        said = f"{name}: L0 {text.number(rival.costs.l0)}, ΔCE {text.signed(rival.costs.delta_ce)}"
        css = "rival chosen" if name == against else "rival"
        found.append(Dot(*place, css, said, name=name))
    return found


def _dot_place(across: float, up: float, x: Axis, y: Axis) -> tuple[str, str] | None:
    places = [axis.places(np.array([value]))[0] for axis, value in ((x, across), (y, up))]
    if not np.isfinite(places).all():
        return None
    return percent(100 * places[0]), percent(100 - 100 * places[1])


def _said(step: Step, remove: Remove) -> str:
    side = "denser" if remove == "denser" else "rarer"
    return (
        f"{step.n_removed:,} features {side} than {as_percent(step.threshold or 0.0)} removed: "
        f"L0 {text.number(step.costs.l0)}, ΔCE {text.signed(step.costs.delta_ce)}"
    )


def _place(step: Step, remove: Remove, x: Axis) -> float:
    """A threshold on the axis; nothing removed stands at its end."""
    if step.threshold is None:
        return x.high if remove == "denser" else x.low
    return step.threshold


def _curve(
    steps: Sequence[Step], emptied: Costs, x: Axis, y: Axis, css: str, name: str
) -> Polyline:
    costs = [*(step.costs for step in steps), emptied]
    at, up = np.array([c.l0 for c in costs]), np.array([c.delta_ce for c in costs])
    return _line(at, up, x, y, css, name)


def _line(across: Values, up: Values, x: Axis, y: Axis, css: str, name: str) -> Polyline:
    return Polyline(_points(across, up, x, y), css, name)


def _band(across: Values, low: Values, high: Values, x: Axis, y: Axis) -> Polyline:
    """Along the upper border and back along the lower one."""
    there, back = _points(across, high, x, y), _points(across[::-1], low[::-1], x, y)
    return Polyline(f"{there} {back}", "middle-half", "its draws, lowest to highest")


def _points(across: Values, up: Values, x: Axis, y: Axis) -> str:
    """In a space of 100 × 100; what has no place on the axes is left out."""
    places = np.stack([100 * x.places(across), 100 - 100 * y.places(up)], axis=1)
    known = places[np.isfinite(places).all(axis=1)]
    return " ".join([f"{a:.4g},{b:.4g}" for a, b in known.tolist()])


def _mean(steps: Sequence[Step], name: str) -> Values:
    return np.array([np.mean([getattr(draw, name) for draw in step.random]) for step in steps])


def _ends(steps: Sequence[Step], name: str) -> tuple[Values, Values]:
    values = np.array([[getattr(draw, name) for draw in step.random] for step in steps])
    return values.min(axis=1), values.max(axis=1)


def _random(steps: Sequence[Step]) -> str:
    n = len(steps[0].random)
    return "random features removed" + (f", mean of {n} draws" if n > 1 else "")


def _removed(remove: Remove) -> str:
    return "densest removed" if remove == "denser" else "rarest removed"


def _other(remove: Remove) -> Remove:
    return "rarer" if remove == "denser" else "denser"
