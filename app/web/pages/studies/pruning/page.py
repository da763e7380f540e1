"""`/{model}/{sae}/pruning`: a slider over density, curves, and other dictionaries beside them.

`build` reads what the study stored and puts every step into words, so that a script has only to
show another one; `PruningPage` is all the template may show.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.studies import get_study
from app.db.study_records.pruning import Pruning
from app.errors import closest, echoed
from app.web import text
from app.web.charts.plot import Chart
from app.web.memory import Memory
from app.web.pages.policy import corpus_sentence
from app.web.pages.studies.pruning.charts import Curves, along_threshold, exact_l0, plane
from app.web.pages.studies.pruning.readout import MEASURES, Readout, readout_of
from app.web.pages.studies.pruning.rivals import Rival, difference, rivals_of
from app.web.pages.studies.pruning.steps import (
    Costs,
    Step,
    as_percent,
    emptied,
    nearest_l0,
    nearest_threshold,
    steps_of,
)
from app.web.pages.studies.pruning.view import NOTHING, PruningView, density
from app.web.pages.studies.ways import Way, not_measured, ways_of
from app.web.urls import sae_url, study_url
from app.web.views import DictionaryView

NAME = "pruning"
FILLS = {"zero": "zeroed", "mean": "mean folded into b_dec"}
REMOVES = {"denser": "denser than", "rarer": "rarer than"}


@dataclass(frozen=True)
class Choice:
    """A link to the page under another view."""

    words: str
    url: str
    here: bool


@dataclass(frozen=True)
class RivalRow:
    """Another dictionary at the hook, as the table lists it."""

    name: str
    sae: Sae
    cells: list[str]
    url: str
    """this page compared with it; without a comparison, where it is compared with"""
    here: bool
    own_url: str
    """its own pruning, compared with this dictionary; empty where it was not studied"""


@dataclass(frozen=True)
class PruningPage:
    """Context of `pages/studies/pruning.html`."""

    sae: Sae
    view: PruningView
    ways: list[Way]
    removes: list[Choice]
    fills: list[Choice]
    readouts: list[Readout]
    """every step; nothing removed comes first"""
    now: int
    """number of the step shown"""
    asked: str
    """the threshold asked for, where no step has it; else empty"""
    rivals: list[RivalRow]
    plane: Chart
    along: list[Chart]
    step_rows: list[list[str]]
    """every step as a row of the table of numbers, everything removed last"""
    measures: list[str]
    """heads of that table, the threshold aside"""
    selection: str
    """before or after the selection, for per-token top-k; else empty"""
    sample: str
    """what cross-entropies and errors were measured on"""
    corpus_note: str
    numbers: "_Numbers"

    @property
    def shown(self) -> Readout:
        """The step shown."""
        return self.readouts[self.now]

    def as_json(self) -> dict[str, Any]:
        """Every step of both directions under the fill asked for, and the other dictionaries."""
        return self.numbers.as_json()


@dataclass(frozen=True)
class _Numbers:
    """What the page shows, before it is put into words."""

    sae: Sae
    view: PruningView
    record: Pruning
    steps: dict[str, list[Step]]
    """by direction"""
    emptied: Costs
    rivals: list[Rival]
    rival: Rival | None
    now: Step

    def as_json(self) -> dict[str, Any]:
        record, rival = self.record, self.rival
        apart = rival and difference(record, self.now, rival)
        return {
            "model": self.sae.record.model,
            "sae": self.sae.record.sae,
            "hook_name": self.sae.record.hook_name,
            "hook_name_out": self.sae.record.hook_name_out,
            "n_tokens": record.n_tokens,
            "n_living": record.n_living,
            "sample": {
                "context_ids": record.context_ids.tolist(),
                "n_tokens": record.n_ce_tokens,
                "ce_clean": record.ce_clean,
                "ce_clean_error": record.ce_clean_error,
                "ce_zero_ablated": record.ce_zero_ablated,
                "ce_mean_ablated": record.ce_mean_ablated,
            },
            "fill": self.view.fill,
            "nothing_removed": self.steps["denser"][0].costs.as_json(),
            "everything_removed": self.emptied.as_json(),
            "denser": [step.as_json() for step in self.steps["denser"][1:]],
            "rarer": [step.as_json() for step in self.steps["rarer"][1:]],
            "remove": self.view.remove,
            "threshold": self.now.threshold,
            "others": [item.as_json() for item in self.rivals],
            "against": rival
            and {
                "sae": rival.sae.record.sae,
                "delta_ce_difference": apart and apart[0],
                "delta_ce_difference_error": apart and apart[1],
            },
        }


def build(connection: Connection, sae: Sae, view: PruningView, memory: Memory) -> PruningPage:
    """The page under a view.

    Raises:
        HTTPException: 404 where the study was skipped or there is no such dictionary at the hook.
    """
    record = get_study(connection, Pruning, sae.sae_id)
    if record is None:
        raise not_measured(sae, NAME)
    numbers = _numbers(connection, sae, view, record)
    steps, now = numbers.steps[view.remove], numbers.now
    densities = memory.columns(connection, sae.sae_id)["density"]
    other = "rarer" if view.remove == "denser" else "denser"
    curves = Curves(view.remove, steps, numbers.steps[other], numbers.emptied, now.number)
    return PruningPage(
        sae=sae,
        view=view,
        ways=ways_of(connection, sae, NAME),
        removes=_choices(sae, view, "remove", REMOVES, threshold=""),
        fills=_choices(sae, view, "fill", FILLS),
        readouts=[_readout(numbers, step) for step in steps],
        now=now.number,
        asked=_asked(view, now),
        rivals=_rival_rows(connection, sae, view, numbers.rivals),
        plane=plane(curves, numbers.rivals, view.against),
        along=_along(curves, densities[densities > 0].astype(float)),
        step_rows=_step_rows(numbers, steps),
        measures=["removed", *(measure.name for measure in MEASURES)],
        selection=_selection(record),
        sample=_sample(record),
        corpus_note=corpus_sentence(sae),
        numbers=numbers,
    )


def _numbers(connection: Connection, sae: Sae, view: PruningView, record: Pruning) -> _Numbers:
    rivals = rivals_of(connection, sae, record)
    rival = None
    if view.against:
        names = [item.sae.record.sae for item in rivals]
        if view.against not in names:
            known = f"known are {closest(view.against, names)}" if names else "there is no other"
            raise HTTPException(
                404,
                f"There is no other dictionary {echoed(view.against)!r} at "
                f"{sae.record.place}, with a measured cross-entropy, to compare "
                f"{sae.address} with: {known}.",
            )
        rival = rivals[names.index(view.against)]
    steps = {remove: steps_of(record, remove, view.fill) for remove in ("denser", "rarer")}
    return _Numbers(
        sae, view, record, steps, emptied(record, view.fill), rivals, rival,
        _chosen(steps[view.remove], view, rival),
    )  # fmt: skip


def _chosen(steps: list[Step], view: PruningView, rival: Rival | None) -> Step:
    if view.threshold == NOTHING:
        return steps[0]
    if view.threshold:
        return nearest_threshold(steps, density(view.threshold))
    return nearest_l0(steps, rival.costs.l0 if rival else steps[0].costs.l0 / 2)


def _asked(view: PruningView, now: Step) -> str:
    if view.threshold in ("", NOTHING) or density(view.threshold) == now.threshold:
        return ""
    return as_percent(density(view.threshold))


def _readout(numbers: _Numbers, step: Step) -> Readout:
    sae, view = numbers.sae, numbers.view
    url = study_url(sae, NAME, view.arguments(threshold=step.address))
    removed = ""
    if step.threshold is not None:
        border = as_percent(step.threshold)
        kept = (
            DictionaryView(density=f"{border}..")
            if view.remove == "denser"
            else DictionaryView(density=f"..{border}", dead="no")
        )
        removed = sae_url(sae, kept.arguments())
    return readout_of(
        numbers.record, numbers.steps[view.remove], step, view.remove, view.fill, numbers.rival,
        url, removed,
    )  # fmt: skip


def _choices(
    sae: Sae, view: PruningView, name: str, words: dict[str, str], **changes: str
) -> list[Choice]:
    return [
        Choice(said, study_url(sae, NAME, view.arguments(**{name: value}, **changes)), here)
        for value, said in words.items()
        for here in [getattr(view, name) == value]
    ]


def _rival_rows(
    connection: Connection, sae: Sae, view: PruningView, rivals: list[Rival]
) -> list[RivalRow]:
    found = []
    for rival in rivals:
        name, costs = rival.sae.record.sae, rival.costs
        here = view.against == name
        chosen = view.arguments(against="" if here else name, threshold="")
        studied = rival.delta_by_context is not None or (
            get_study(connection, Pruning, rival.sae.sae_id) is not None
        )
        own = PruningView(against=sae.record.sae).arguments()
        found.append(
            RivalRow(
                name,
                rival.sae,
                [
                    text.count(rival.sae.record.d_sae),
                    *(measure.shown(measure.value(costs)) for measure in MEASURES),
                ],
                study_url(sae, NAME, chosen),
                here,
                study_url(rival.sae, NAME, own) if studied else "",
            )
        )
    return found


def _along(curves: Curves, densities: Any) -> list[Chart]:
    """L0, explained variance and CE recovered over the threshold; none where nothing fires."""
    if not densities.size:
        return []
    return [
        exact_l0(curves, densities),
        along_threshold(
            curves, densities, "along", "explained variance",
            lambda costs: costs.explained_variance,
        ),
        along_threshold(
            curves, densities, "along", "CE recovered, mean",
            lambda costs: costs.recovered_mean,
        ),
    ]  # fmt: skip


def _step_rows(numbers: _Numbers, steps: list[Step]) -> list[list[str]]:
    side = ">" if numbers.view.remove == "denser" else "<"
    named = [
        ("–" if step.threshold is None else f"{side} {as_percent(step.threshold)}",
         step.n_removed, step.costs)
        for step in steps
    ]  # fmt: skip
    named.append(("everything", numbers.record.n_living, numbers.emptied))
    return [
        [name, text.count(n), *(measure.shown(measure.value(costs)) for measure in MEASURES)]
        for name, n, costs in named
    ]


def _selection(record: Pruning) -> str:
    if not record.selects:
        return ""
    return (
        "This dictionary lets the k strongest features of a token fire. Features are removed after "
        "that selection, so fewer fire; removed before it, others fire in their place, which is "
        "the column of its own."
    )


def _sample(record: Pruning) -> str:
    n = record.context_ids.size
    many = "context" if n == 1 else "contexts"
    return (
        f"L0 and numbers of features: all {record.n_tokens:,} counted tokens, exact. All else: "
        f"{record.n_ce_tokens:,} counted tokens of {n:,} {many} drawn with the run's seed, at "
        "which the activation is replaced and which are predicted; ± are standard errors with the "
        f"context as the unit. CE clean {text.number(record.ce_clean)}, mean-ablated "
        f"{text.number(record.ce_mean_ablated)}, zero-ablated "
        f"{text.number(record.ce_zero_ablated)} nats."
    )
