"""`/{model}/{sae}/regions`: do features hold together inside the regions they fire in?

`build` ranks features by their spans, each with its busiest stored contexts as strips and the test
of the study beside them; `RegionsPage` is all the template may show.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.columns import FeatureColumns, FeatureQuery, Range
from app.db.examples import get_contexts, get_groups
from app.db.features import get_features
from app.db.records import LIVES_AS, FeatureRecord
from app.db.studies import get_study
from app.db.study_records.regions import Regions
from app.web import text
from app.web.charts.columns import columns as column_chart
from app.web.charts.plot import Chart
from app.web.memory import Memory
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.pages.feature.busiest_contexts import BusyContext, busiest_contexts
from app.web.pages.feature.locality_strips import ContextStrip, strip_rows
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.pages.policy import corpus_sentence
from app.web.pages.studies.ways import Way, not_measured, ways_of
from app.web.urls import json_twin, sae_url, study_url
from app.web.views import RegionsView

PAGE = "regions"
_STRIPS = 3
_SORTS = {
    "-span_fill": "span fill",
    "-run_length": "run length",
    "-region_lift": "lift",
    "-smoothed_share": "smoothed away",
    "-near_share": "nearly firing",
}
"""Orders a page offers, largest first, by how they are called"""


@dataclass(frozen=True)
class Choice:
    """A link to the same page in another view."""

    words: str
    url: str
    chosen: bool


@dataclass(frozen=True)
class RegionRow:
    """One feature with its test as printed."""

    row: FeatureRow
    facts: list[tuple[str, str, str]]
    """(name, value, what it rests on)"""
    strips: list[ContextStrip]


@dataclass(frozen=True)
class RegionsPage:
    """Context of `pages/studies/regions.html`."""

    sae: Sae
    view: RegionsView
    ways: list[Way]
    study: Regions
    kinds: Chart
    """features by the share of their spans that they fill"""
    n_point: int
    n_region: int
    n_living: int
    orders: list[Choice]
    scopes: list[Choice]
    """candidates, or every feature with spans"""
    context_size: int
    rows: list[RegionRow]
    n_matching: int
    list_url: str
    """the same features as a list with every column"""
    first_url: str
    """empty on the first page"""
    next_url: str
    next: str | None
    corpus_note: str

    def as_json(self) -> dict[str, Any]:
        """The study's rule, the counts and a page of features."""
        return {
            "model": self.sae.record.model,
            "sae": self.sae.record.sae,
            "study": asdict(self.study),
            "n_point": self.n_point,
            "n_region": self.n_region,
            "n_matching": self.n_matching,
            "features": [item.row.as_json() for item in self.rows],
            "next": self.next,
            "next_url": json_twin(self.next_url) if self.next_url else None,
        }


def build(
    connection: Connection,
    sae: Sae,
    view: RegionsView,
    memory: Memory,
    reader: Reader = NO_NOTEBOOK,
) -> RegionsPage:
    """The page of a dictionary under a view.

    Raises:
        HTTPException: 404 where the study was skipped.
        BadCursor: `view.next` belongs to another list.
    """
    study = get_study(connection, Regions, sae.sae_id)
    if study is None:
        raise not_measured(sae, Regions.STUDY)
    values = memory.columns(connection, sae.sae_id)
    query = _query(view, study)
    page = values.select(query, values.matching(query))
    found = get_features(connection, sae.sae_id, page.feature_indices)
    records = [found[index] for index in page.feature_indices]
    return RegionsPage(
        sae=sae,
        view=view,
        ways=ways_of(connection, sae, PAGE),
        study=study,
        kinds=_fill_chart(values),
        n_point=int((values["lives_as"] == LIVES_AS.index("point")).sum()),
        n_region=int((values["lives_as"] == LIVES_AS.index("region")).sum()),
        n_living=int(values.living.sum()),
        orders=[
            Choice(words, _url(sae, view, sort=sort), view.sort == sort)
            for sort, words in _SORTS.items()
        ],
        scopes=[
            Choice(words, _url(sae, view, all=every), view.all == every)
            for every, words in ((False, "Candidates"), (True, "All"))
        ],
        context_size=sae.corpus.context_size,
        rows=_rows(connection, sae, records, reader),
        n_matching=page.n_matching,
        list_url=_list_url(sae, view, study),
        first_url=_url(sae, view) if view.next else "",
        next_url=study_url(sae, PAGE, view.arguments(next=page.next)) if page.next else "",
        next=page.next,
        corpus_note=corpus_sentence(sae),
    )


def _url(sae: Sae, view: RegionsView, **changes: Any) -> str:
    return study_url(sae, PAGE, view.arguments(next=None, **changes))


def _query(view: RegionsView, study: Regions) -> FeatureQuery:
    ranges = () if view.all else (Range("region_lift", study.candidate_lift, None),)
    return FeatureQuery(
        sort=view.sort.lstrip("-"),
        descending=view.sort.startswith("-"),
        ranges=ranges,
        dead=False,
        size=view.size,
        next=view.next,
    )


def _list_url(sae: Sae, view: RegionsView, study: Regions) -> str:
    shown = "density,span_fill,run_length,region_lift,smoothed_share,near_share"
    arguments = [("sort", view.sort), ("columns", shown)]
    if not view.all:
        arguments.append(("region_lift", f"{study.candidate_lift:g}.."))
    return sae_url(sae, arguments)


def _fill_chart(values: FeatureColumns) -> Chart:
    """Features with spans, in tenths of span fill."""
    fill = values["span_fill"][np.isfinite(values["span_fill"])]
    counts, _ = np.histogram(fill, bins=10, range=(0, 1))
    total = max(int(counts.sum()), 1)
    names = [f"{10 * i}" for i in range(10)]
    return column_chart(
        names,
        (counts / total).tolist(),
        kind="fill",
        label="Features by span fill",
        x_name="span fill, from % on",
        y_name="share of features",
        labels=[
            f"{10 * i}% to {10 * i + 10}%: {count:,} features" for i, count in enumerate(counts)
        ],
        note=f"Of the {int(counts.sum()):,} features with a span: three firings or more inside one "
        "document of one context.",
    )


def _rows(
    connection: Connection, sae: Sae, records: list[FeatureRecord], reader: Reader
) -> list[RegionRow]:
    busy = {record.feature_index: _busiest(connection, sae, record) for record in records}
    wanted = {each.context_id for found in busy.values() for each in found}
    contexts = get_contexts(connection, sae.corpus_id, wanted)
    return [
        RegionRow(
            row,
            _facts(row.record),
            strip_rows(row.record, busy[row.record.feature_index], contexts),
        )
        for row in make_rows(connection, sae.model_id, records, reader.names(sae))
    ]


def _busiest(connection: Connection, sae: Sae, record: FeatureRecord) -> list[BusyContext]:
    stored = get_groups(connection, sae.sae_id, record.feature_index)
    return busiest_contexts({group: found for group, (found, _) in stored.items()})[:_STRIPS]


def _facts(record: FeatureRecord) -> list[tuple[str, str, str]]:
    """The test, value by value; what was not measured is left out."""
    found = [
        ("span fill", text.percent(record.span_fill), ""),
        ("run", text.number(record.run_length), "tokens, mean"),
    ]
    if record.region_lift is not None:
        found.append(("lift at 16", f"{text.number(record.region_lift)} ×", "its null"))
    if record.smoothed_share is not None and record.n_span_switches:
        by_chance = record.smoothed_share_shuffled
        beside = "" if by_chance is None else f", {text.percent(by_chance)} in random order"
        found.append(
            (
                "smoothed away",
                text.percent(record.smoothed_share),
                f"of {record.n_span_switches:,} switches{beside}",
            )
        )
    if record.near_share is not None and math.isfinite(record.near_share):
        found.append(("nearly firing", text.percent(record.near_share), "of silent tokens"))
    return found
