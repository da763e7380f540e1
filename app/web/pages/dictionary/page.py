"""`/{model}/{sae}`: one dictionary, its quality and its list of features.

`build` reads one page of the list the view describes; `DictionaryPage` is all the template may
show.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.records import TokenRecord
from app.web.charts.density import (
    DensityBrush,
    DensityChart,
    count_between,
    density_chart,
    edge_texts,
    edge_values,
)
from app.web.charts.plot import Chart
from app.web.memory import Memory
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.pages.dictionary.columns import (
    USUAL,
    ColumnChoice,
    ListColumn,
    TypedWrong,
    column_choices,
    list_columns,
)
from app.web.pages.dictionary.controls import Filter, list_filters, order_in_words
from app.web.pages.dictionary.feature_list import FeatureList, feature_list, records_in_order
from app.web.pages.dictionary.quality_figures import Figure, quality_figures, quality_sentence
from app.web.pages.dictionary.scatter import ScatterPanel, scatter_panel
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.pages.given import said
from app.web.pages.imported import Origin, lede_of, not_held, origin_of
from app.web.pages.index import sae_json
from app.web.pages.policy import context_counts, corpus_sentence, deletion_counts
from app.web.pages.studies.ways import Way, ways_of
from app.web.ranges import parse_range, range_words
from app.web.urls import features_url, json_twin, sae_url
from app.web.views import DictionaryView


@dataclass(frozen=True)
class DictionaryPage:
    """Context of `pages/dictionary.html`."""

    sae: Sae
    view: DictionaryView
    ways: list[Way]
    """to the other pages about the dictionary"""
    lede: list[list[str]]
    """the dictionary in a sentence of [kind, text] pieces"""
    figures: list[Figure]
    """none of an import: its quality was not measured"""
    origin: Origin | None
    """where it came from; None where it was run here"""
    note: str
    """what the activations are measured in"""
    absent: dict[str, str]
    """why the charts `density` and `scatter` are missing; empty where they are there"""
    density: Chart
    """histogram of the living features"""
    density_brush: DensityBrush
    density_words: str
    """the range of densities that is kept; empty where there is none"""
    n_living: int
    scatter: ScatterPanel
    scale_urls: dict[str, str]
    """the same view with linear or log counts"""
    columns: list[ListColumn]
    """what the table shows, from left to right, the feature's short form left aside"""
    is_wide: bool
    """the table has more columns than a screen usually holds"""
    column_choices: list[ColumnChoice]
    hidden: list[tuple[str, str]]
    """arguments of the view that no field of the table stands for"""
    filters: list[Filter]
    meant_tokens: list[TokenRecord] | None
    """the tokens the filter by top token stands for; None where it is not set"""
    clear_url: str
    """the list without filters; empty where there are none"""
    rows: list[FeatureRow]
    n_matching: int
    order: str
    """how the list is ordered, in words"""
    first_url: str
    """the list's first page; empty on it"""
    next_url: str
    """empty on the last page"""
    next: str | None
    """token of the next page"""
    downloads: dict[str, str]
    """addresses of the whole list by format"""
    context_counts: str
    """how many examples and draws a share left without context rests on; empty if not stored"""
    deletion_counts: str
    """how many examples an effect of deletion rests on; empty if not stored"""
    corpus_note: str
    given: list[tuple[str, str]]
    """rows on where it came from, if it was no ordinary run"""

    def as_json(self) -> dict[str, Any]:
        """The dictionary, then the page of `features`, then `next` and `next_url`."""
        return {
            **sae_json(self.sae),
            "n_matching": self.n_matching,
            "features": [row.as_json() for row in self.rows],
            "next": self.next,
            "next_url": json_twin(self.next_url) if self.next_url else None,
        }


def build(
    connection: Connection,
    sae: Sae,
    view: DictionaryView,
    memory: Memory,
    typed: Mapping[str, TypedWrong] = MappingProxyType({}),
    reader: Reader = NO_NOTEBOOK,
) -> DictionaryPage:
    """The page of a dictionary under a view.

    Args:
        typed: filters that can't be read, by argument; the view is without them.

    Raises:
        BadCursor: `view.next` belongs to another list.
    """
    listed = feature_list(connection, sae, view, memory, reader)
    page = listed.page()
    density = _density(sae, view, listed)
    origin = origin_of(sae)
    n_living = int(np.count_nonzero(listed.columns.living))
    axes = {view.x, view.y}
    measured = listed.columns.measured
    columns = list_columns(sae, view, typed, measured)
    whole = view.arguments(next=None, **_UNLISTED)
    return DictionaryPage(
        sae=sae,
        view=view,
        ways=ways_of(connection, sae),
        lede=quality_sentence(sae) if origin is None else lede_of(sae, n_living),
        figures=quality_figures(sae) if origin is None else [],
        origin=origin,
        note=_note(sae),
        absent={
            "density": not_held(sae, "How often features fire")
            if "density" not in measured
            else "",
            "scatter": not_held(sae, "Numbers to draw features by") if not measured >= axes else "",
        }
        if origin is not None
        else {"density": "", "scatter": ""},
        density=density.chart,
        density_brush=density.brush,
        density_words=range_words(view.density) if view.density else "",
        n_living=n_living,
        scatter=scatter_panel(connection, sae, view, listed, memory),
        scale_urls={
            scale: sae_url(sae, view.arguments(scale=scale)) for scale in ("linear", "log")
        },
        columns=columns,
        is_wide=len(columns) > len(USUAL) + 1,
        column_choices=column_choices(sae, view, measured),
        hidden=_hidden(view, columns),
        filters=list_filters(sae, view, listed.meant_tokens, measured, not reader.is_empty),
        meant_tokens=listed.meant_tokens,
        clear_url=_clear_url(sae, view),
        rows=make_rows(
            connection,
            sae.model_id,
            records_in_order(connection, sae.sae_id, page.feature_indices),
            reader.names(sae),
        ),
        n_matching=page.n_matching,
        order=order_in_words(view, measured),
        first_url=sae_url(sae, view.arguments(next=None)) if view.next else "",
        next_url=sae_url(sae, view.arguments(next=page.next)) if page.next else "",
        next=page.next,
        downloads={kind: features_url(sae, kind, whole) for kind in ("csv", "json")},
        context_counts=context_counts(sae),
        deletion_counts=deletion_counts(sae),
        corpus_note=corpus_sentence(sae),
        given=said(sae.record),
    )


def _note(sae: Sae) -> str:
    said = "Activations of different dictionaries are not comparable as they stand"
    return f"{said}: {sae.record.convention}." if sae.record.convention else f"{said}."


_UNLISTED = {"size": 50, "scale": "linear", "columns": ""}
"""Arguments that change how the list is shown and not what it holds"""

_FIELDS_BESIDE = ("feature_index", "contains")
"""Filters that have a field in every table"""


def _density(sae: Sae, view: DictionaryView, listed: FeatureList) -> DensityChart:
    """All living features, and over them those that the other filters keep."""
    density = listed.columns["density"]
    living = density[density > 0]
    texts = edge_texts(float(living.min()) if living.size else None)
    edges = edge_values(texts)
    matching = None
    if set(view.filters()) - {"density"}:
        matching = count_between(density[listed.kept_whatever_density], edges)
    return density_chart(
        texts,
        count_between(living, edges),
        matching,
        view.scale,
        parse_range(view.density),
        _bin_link(sae, view),
    )


def _bin_link(sae: Sae, view: DictionaryView) -> Callable[[str, str], str]:
    return lambda low, high: sae_url(sae, view.arguments(density=f"{low}..{high}", next=None))


def _hidden(view: DictionaryView, columns: list[ListColumn]) -> list[tuple[str, str]]:
    fields = {column.argument for column in columns} | {*_FIELDS_BESIDE}
    return [item for item in view.arguments(next=None) if item[0] not in fields]


def _clear_url(sae: Sae, view: DictionaryView) -> str:
    if not view.filtered():
        return ""
    return sae_url(sae, view.arguments(**dict.fromkeys(view.filters(), ""), next=None))
