"""`/{model}/{sae}`: one dictionary, its quality and its list of features.

`build` reads one page of the list the view describes; `DictionaryPage` is all the template may
show.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import (
    FeatureQuery,
    Range,
    counts_between,
    list_features,
    smallest_above_zero,
)
from app.db.records import TokenRecord
from app.db.tokens import match_tokens
from app.web.charts.density import density_chart, density_edges
from app.web.charts.plot import Chart
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.pages.index import sae_json
from app.web.pages.list_controls import (
    Filter,
    ListColumn,
    list_columns,
    list_filters,
    order_in_words,
)
from app.web.pages.policy import corpus_sentence
from app.web.pages.quality_figures import Figure, quality_figures, quality_sentence
from app.web.ranges import parse_range
from app.web.urls import json_twin, sae_url
from app.web.views import DictionaryView

_MEANT_TOKENS = 64
"""Tokens a filter by text may stand for."""


@dataclass(frozen=True)
class DictionaryPage:
    """Context of `pages/dictionary.html`."""

    sae: Sae
    view: DictionaryView
    lede: list[list[str]]
    """the dictionary in a sentence of [kind, text] pieces"""
    figures: list[Figure]
    density: Chart
    """histogram of the living features"""
    n_living: int
    scale_urls: dict[str, str]
    """the same view with linear or log counts"""
    columns: dict[str, ListColumn]
    """sortable columns by name"""
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
    corpus_note: str

    def as_json(self) -> dict[str, Any]:
        """The dictionary, then the page of `features`, then `next` and `next_url`."""
        return {
            **sae_json(self.sae),
            "n_matching": self.n_matching,
            "features": [row.as_json() for row in self.rows],
            "next": self.next,
            "next_url": json_twin(self.next_url) if self.next_url else None,
        }


def build(connection: Connection, sae: Sae, view: DictionaryView) -> DictionaryPage:
    """The page of a dictionary under a view.

    Raises:
        BadCursor: `view.next` belongs to another list.
    """
    meant = _meant_tokens(connection, sae, view.top_token)
    page = list_features(connection, sae.sae_id, feature_query(view, meant))
    edges = density_edges(smallest_above_zero(connection, sae.sae_id, "density"))
    counts = counts_between(connection, sae.sae_id, "density", edges)
    return DictionaryPage(
        sae=sae,
        view=view,
        lede=quality_sentence(sae),
        figures=quality_figures(sae),
        density=density_chart(
            edges, counts, view.scale, parse_range(view.density), _bin_link(sae, view)
        ),
        n_living=sum(counts),
        scale_urls={
            scale: sae_url(sae, view.arguments(scale=scale)) for scale in ("linear", "log")
        },
        columns=list_columns(sae, view),
        filters=list_filters(sae, view, meant),
        meant_tokens=meant,
        clear_url=_clear_url(sae, view),
        rows=make_rows(connection, sae.model_id, page.features),
        n_matching=page.n_matching,
        order=order_in_words(view),
        first_url=sae_url(sae, view.arguments(next=None)) if view.next else "",
        next_url=sae_url(sae, view.arguments(next=page.next)) if page.next else "",
        next=page.next,
        corpus_note=corpus_sentence(sae),
    )


def feature_query(view: DictionaryView, meant: list[TokenRecord] | None) -> FeatureQuery:
    """The view as a query of the list."""
    ranges = (Range(name, *parse_range(text)) for name, text in view.ranges().items())
    return FeatureQuery(
        sort=view.sort.removeprefix("-"),
        descending=view.sort.startswith("-"),
        ranges=tuple(ranges),
        dead={"yes": True, "no": False, "": None}[view.dead],
        top_token_ids=None if meant is None else tuple(token.token_id for token in meant),
        size=view.size,
        next=view.next,
    )


def _meant_tokens(connection: Connection, sae: Sae, text: str) -> list[TokenRecord] | None:
    """The vocabulary tokens a filter's text stands for; none may be, which matches nothing."""
    if not text:
        return None
    matches = match_tokens(connection, sae.model_id, sae.corpus_id, text, _MEANT_TOKENS)
    return [match.token for match in matches]


def _bin_link(sae: Sae, view: DictionaryView) -> Callable[[float, float], str]:
    return lambda low, high: sae_url(
        sae, view.arguments(density=f"{100 * low:.4g}%..{100 * high:.4g}%", next=None)
    )


def _clear_url(sae: Sae, view: DictionaryView) -> str:
    if not view.filtered():
        return ""
    kept = DictionaryView(sort=view.sort, size=view.size, scale=view.scale)
    return sae_url(sae, kept.arguments())
