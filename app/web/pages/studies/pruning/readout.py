"""One step of a pruning in words and as a table: before, after, at random, and another dictionary.

Takes numbers, gives texts; ± are standard errors with the context as the unit. Knows no query.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.db.study_records.pruning import Pruning
from app.web import text
from app.web.pages.studies.pruning.rivals import Rival, difference
from app.web.pages.studies.pruning.steps import Costs, Fill, Remove, Step, as_percent

Pieces = list[list[str]]
_CLOSE = 0.01
"""Values of L0 that differ by less than this share are called the same."""


@dataclass(frozen=True)
class Cell:
    """A number with what qualifies it."""

    value: str
    beside: str = ""
    """its error, or the spread of draws"""


@dataclass(frozen=True)
class Row:
    """One measure."""

    name: str
    formula: str
    cells: list[Cell]


@dataclass(frozen=True)
class Readout:
    """One step, as the page shows it."""

    number: int
    url: str
    threshold: str
    """"> 3.83%", "nothing" where nothing is removed"""
    address: str
    """its threshold as addresses write it"""
    said: Pieces
    """the step in a sentence"""
    columns: list[str]
    rows: list[Row]
    verdict: Pieces
    """beside the dictionary compared with; empty without one"""
    list_url: str
    """the features that are removed; empty where there are none"""


@dataclass(frozen=True)
class _Measure:
    name: str
    formula: str
    value: Callable[[Costs], float]
    error: Callable[[Costs], float]
    shown: Callable[[float], str]


def _no_error(_costs: Costs) -> float:
    return math.nan


def _share(value: float) -> str:
    return text.percent(value, 3)


MEASURES = (
    _Measure("L0", "Σ n_active / N of what is left", lambda c: c.l0, _no_error, text.number),
    _Measure(
        "Explained variance", "1 − Σ‖x−x̂‖² / Σ‖x−x̄‖²",
        lambda c: c.explained_variance, _no_error, text.number,
    ),
    _Measure("MSE", "Σ‖x−x̂‖² / (n · d_in)", lambda c: c.mse, _no_error, text.number),
    _Measure(
        "ΔCE, nats", "CE_spliced − CE_clean",
        lambda c: c.delta_ce, lambda c: c.delta_ce_error, text.signed,
    ),
    _Measure(
        "CE recovered, mean", "(CE_mean − CE_spliced) / (CE_mean − CE_clean)",
        lambda c: c.recovered_mean, lambda c: c.recovered_mean_error, _share,
    ),
    _Measure(
        "CE recovered, zero", "(CE_zero − CE_spliced) / (CE_zero − CE_clean)",
        lambda c: c.recovered_zero, lambda c: c.recovered_zero_error, _share,
    ),
)  # fmt: skip


def readout_of(
    record: Pruning,
    steps: Sequence[Step],
    step: Step,
    remove: Remove,
    fill: Fill,
    rival: Rival | None,
    url: str,
    list_url: str,
) -> Readout:
    """The texts of a step."""
    whole = steps[0]
    columns, costs = ["nothing removed"], [whole.costs]
    removed = [Cell("0")]
    if step.threshold is not None:
        columns.append(f"{remove} than {as_percent(step.threshold)}")
        costs.append(step.costs)
        removed.append(_share_of(step.n_removed, record.n_living))
    rows = [[_cell(measure, item) for item in costs] for measure in MEASURES]
    if step.random:
        columns.append("random, same L0")
        removed.append(_spread([float(n) for n in step.random_removed], text.count))
        for row, measure in zip(rows, MEASURES, strict=True):
            row.append(_spread([measure.value(draw) for draw in step.random], measure.shown))
    if step.before is not None:
        zeroed = ", zeroed" if fill == "mean" else ""
        columns.append(f"removed before the selection{zeroed}")
        removed.append(_share_of(step.n_removed, record.n_living))
        for row, measure in zip(rows, MEASURES, strict=True):
            row.append(_cell(measure, step.before))
    if rival is not None:
        columns.append(rival.sae.record.sae)
        removed.append(Cell("0"))
        for row, measure in zip(rows, MEASURES, strict=True):
            row.append(_cell(measure, rival.costs))
    table = [Row("Features removed", f"of {text.count(record.n_living)} that fire", removed)]
    table += [
        Row(measure.name, measure.formula, row) for measure, row in zip(MEASURES, rows, strict=True)
    ]
    side = ">" if remove == "denser" else "<"
    return Readout(
        step.number,
        url,
        "nothing" if step.threshold is None else f"{side} {as_percent(step.threshold)}",
        step.address,
        _said(whole, step, remove, fill),
        columns,
        table,
        [] if rival is None else verdict(record, steps, step, rival),
        list_url,
    )


def verdict(record: Pruning, steps: Sequence[Step], step: Step, rival: Rival) -> Pieces:
    """What pruning to about the L0 of another dictionary costs, beside what that one costs."""
    name, other = rival.sae.record.sae, rival.costs
    if other.l0 > steps[0].costs.l0:
        return _pieces(
            ("text", f"{name} has an L0 of "), ("number", text.number(other.l0)),
            ("text", ", more than this one has unpruned: there is nothing to prune down to. "
             "It can be pruned down to this one on its own page."),
        )  # fmt: skip
    own = step.costs
    apart, error = difference(record, step, rival)
    done = "unpruned" if step.threshold is None else "pruned"
    pieces = _pieces(
        ("text", "At L0 "), ("number", text.number(own.l0)),
        ("text", f", this dictionary {done} costs "),
        ("number", _with_error(own.delta_ce, own.delta_ce_error)),
        ("text", " nats ("), ("number", _share(own.recovered_mean)), ("text", " recovered); "),
        ("text", f"{name}, at L0 "), ("number", text.number(other.l0)), ("text", ", costs "),
        ("number", _with_error(other.delta_ce, other.delta_ce_error)),
        ("text", " nats ("), ("number", _share(other.recovered_mean)), ("text", "): "),
    )  # fmt: skip
    pieces += _difference_said(apart, error, name, done)
    pieces += _pieces(("text", _sample_said(record, rival)))
    return pieces + _interpolated(steps, rival)


def _difference_said(apart: float, error: float | None, name: str, done: str) -> Pieces:
    shown = text.number(abs(apart), 2) + ("" if error is None else f" ± {text.number(error, 2)}")
    if error is not None and abs(apart) < 2 * error:
        return _pieces(
            ("text", "a difference of "), ("number", shown),
            ("text", " nats, within two standard errors"),
        )  # fmt: skip
    better = f"this one {done}" if apart < 0 else name
    return _pieces(("text", f"{better} is better by "), ("number", shown), ("text", " nats"))


def _sample_said(record: Pruning, rival: Rival) -> str:
    n = record.context_ids.size
    if rival.delta_by_context is not None:
        return f", on the same {n:,} contexts."
    sample = f"{text.count(rival.n_ce_tokens)} tokens of its own sample"
    if not rival.same_corpus:
        sample += ", of another corpus"
    return f" ({rival.sae.record.sae} was measured on {sample})."


def _interpolated(steps: Sequence[Step], rival: Rival) -> Pieces:
    """ΔCE at the very L0 of the other, by a straight line, where no step has it."""
    l0 = rival.costs.l0
    ordered = sorted(steps, key=lambda step: step.costs.l0)
    above = [step.costs for step in ordered if step.costs.l0 >= l0]
    below = [step.costs for step in ordered if step.costs.l0 < l0]
    near = min(abs(step.costs.l0 - l0) for step in steps)
    if not above or not below or near <= _CLOSE * l0:
        return []
    a, b = below[-1], above[0]
    share = (l0 - a.l0) / (b.l0 - a.l0)
    value = a.delta_ce + share * (b.delta_ce - a.delta_ce)
    return _pieces(
        ("text", " On the straight line between the two nearest steps, L0 "),
        ("number", text.number(l0)), ("text", " would cost this one "),
        ("number", text.signed(value)), ("text", "."),
    )  # fmt: skip


def _said(whole: Step, step: Step, remove: Remove, fill: Fill) -> Pieces:
    own = step.costs
    if step.threshold is None:
        return _pieces(
            ("text", "With all its features: L0 "), ("number", text.number(own.l0)),
            ("text", ", ΔCE "), ("number", _with_error(own.delta_ce, own.delta_ce_error)),
            ("text", " nats, "), ("number", _share(own.recovered_mean)),
            ("text", " of the cross-entropy recovered."),
        )  # fmt: skip
    many = "feature" if step.n_removed == 1 else f"{text.count(step.n_removed)} features"
    place = "" if fill == "zero" else ", their means folded into b_dec,"
    pieces = _pieces(
        ("text", "Without the "), ("number", many), ("text", f" {remove} than "),
        ("number", as_percent(step.threshold)), ("text", f"{place} L0 falls from "),
        ("number", text.number(whole.costs.l0)), ("text", " to "),
        ("number", text.number(own.l0)), ("text", " and ΔCE goes from "),
        ("number", text.signed(whole.costs.delta_ce)), ("text", " to "),
        ("number", text.signed(own.delta_ce)), ("text", " nats: "),
        ("number", _share(own.recovered_mean)), ("text", " of the cross-entropy is recovered"),
    )  # fmt: skip
    if not step.random:
        return [*pieces, ["text", "."]]
    costs = sorted(draw.delta_ce for draw in step.random)
    shown = " to ".join(dict.fromkeys(text.signed(value) for value in (costs[0], costs[-1])))
    return pieces + _pieces(
        ("text", ". Random ones down to about the same L0 cost "), ("number", shown), ("text", ".")
    )


def _cell(measure: _Measure, costs: Costs) -> Cell:
    error = measure.error(costs)
    shown = "" if math.isnan(error) else f"± {measure.shown(error).lstrip('+')}"
    return Cell(measure.shown(measure.value(costs)), shown)


def _spread(values: Sequence[float], shown: Callable[[float], str]) -> Cell:
    """The mean of the draws, and their ends."""
    mean = sum(values) / len(values)
    low, high = shown(min(values)), shown(max(values))
    return Cell(shown(mean), f"{low} … {high}" if len(values) > 1 and low != high else "")


def _share_of(n: int, n_living: int) -> Cell:
    return Cell(text.count(n), text.percent(n / n_living))


def _with_error(value: float, error: float) -> str:
    return text.signed(value) + ("" if math.isnan(error) else f" ± {text.number(error, 2)}")


def _pieces(*pieces: tuple[str, str]) -> Pieces:
    return [list(piece) for piece in pieces]
