"""The prunings of one direction as a list of steps, each beside random removal to the same L0.

Takes the record of the study and what is asked for; gives numbers. Knows no text and no chart.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.db.study_records.pruning import Measured, Pruning

Remove = Literal["denser", "rarer"]
Fill = Literal["zero", "mean"]


@dataclass(frozen=True)
class Costs:
    """What is left of a dictionary, in numbers; NaN where undefined."""

    l0: float
    mse: float
    explained_variance: float
    delta_ce: float
    delta_ce_error: float
    recovered_mean: float
    recovered_mean_error: float
    recovered_zero: float
    recovered_zero_error: float

    def as_json(self) -> dict[str, float | None]:
        """None for what is undefined."""
        return {name: None if value != value else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class Step:
    """One pruning."""

    number: int
    """0 where nothing is removed"""
    threshold: float | None
    """density; None where nothing is removed"""
    n_removed: int
    costs: Costs
    delta_by_context: Float[ndarray, " n_contexts"]
    random: list[Costs]
    """by draw, at about the same L0"""
    random_removed: list[int]
    before: Costs | None
    """the same features removed before the selection (zeroed), under per-token top-k"""

    @property
    def address(self) -> str:
        """The threshold as the page's address writes it."""
        return "none" if self.threshold is None else plain(self.threshold)

    def as_json(self) -> dict[str, Any]:
        """All of it but the sums by context."""
        return {
            "threshold": self.threshold,
            "n_removed": self.n_removed,
            **self.costs.as_json(),
            "random": [
                {"n_removed": n, **costs.as_json()}
                for n, costs in zip(self.random_removed, self.random, strict=True)
            ],
            "removed_before_selection": self.before and self.before.as_json(),
        }


def steps_of(record: Pruning, remove: Remove, fill: Fill) -> list[Step]:
    """Nothing removed, then ever more."""
    sweep = record.dense if remove == "denser" else record.rare
    measured, random = (
        (sweep.zeroed, record.random.zeroed) if fill == "zero"
        else (sweep.folded, record.random.folded)
    )  # fmt: skip
    whole = costs_at(record.whole, 0, record.l0)
    steps = [Step(0, None, 0, whole, record.whole.delta_by_context[0], [], [], None)]
    for i in range(sweep.threshold.size):
        level, before = int(sweep.level[i]), sweep.before
        n_draws = len(record.random.l0)
        steps.append(
            Step(
                i + 1,
                float(sweep.threshold[i]),
                int(sweep.n_removed[i]),
                costs_at(measured, i, float(sweep.l0[i])),
                measured.delta_by_context[i],
                [
                    costs_at(random, (draw, level), float(record.random.l0[draw, level]))
                    for draw in range(n_draws)
                ],
                [int(record.random.n_removed[draw, level]) for draw in range(n_draws)],
                before and costs_at(before.measured, i, float(before.l0[i])),
            )
        )
    return steps


def emptied(record: Pruning, fill: Fill) -> Costs:
    """Everything removed."""
    return costs_at(record.none, 0 if fill == "zero" else 1, 0.0)


def costs_at(measured: Measured, at: int | tuple[int, int], l0: float) -> Costs:
    """One entry of what was measured."""
    names = [name for name in Costs.__dataclass_fields__ if name != "l0"]
    return Costs(l0, **{name: float(getattr(measured, name)[at]) for name in names})


def nearest_l0(steps: list[Step], l0: float) -> Step:
    """The step whose L0 is nearest; of equals the one that removes less."""
    return min(steps, key=lambda step: abs(step.costs.l0 - l0))


def nearest_threshold(steps: list[Step], threshold: float) -> Step:
    """The step whose threshold is nearest by ratio; nothing removed where there is none."""
    known = [(step, step.threshold) for step in steps if step.threshold is not None]
    if not known:
        return steps[0]
    return min(known, key=lambda item: abs(np.log(item[1] / threshold)))[0]


def plain(value: float) -> str:
    """The shortest decimal that is the number, never with an exponent: 0.0383."""
    return f"{Decimal(repr(float(value))):f}"


def as_percent(share: float) -> str:
    """The same as a percentage, all its digits: 3.83%."""
    return f"{(Decimal(repr(float(share))) * 100).normalize():f}%"
