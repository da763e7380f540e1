"""The list of features a view describes: its query, all of it in order, one page of it.

Takes the view and what the server keeps of the dictionary. Knows no template; the page, its twin
and the downloads all list what this says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.columns import FeatureColumns, FeaturePage, FeatureQuery, Range
from app.db.features import get_features
from app.db.records import FeatureRecord, TokenRecord
from app.db.tokens import match_tokens
from app.web.memory import Memory
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.notebook.written import written_features
from app.web.ranges import parse_indices, parse_range
from app.web.views import DictionaryView

MEANT_TOKENS = 64
"""Tokens a filter by text may stand for."""


@dataclass(frozen=True)
class FeatureList:
    """A list of one dictionary, ready to be looked through."""

    columns: FeatureColumns
    query: FeatureQuery
    texts: list[str] | None
    """what a filter by text looks at; None where there is no such filter"""
    meant_tokens: list[TokenRecord] | None
    """the tokens the filter by top token stands for; None where it is not set"""
    written: Bool[ndarray, " d_sae"] | None = None
    """which features a filter by what people wrote keeps; None where there is none"""
    labelled: Bool[ndarray, " d_sae"] | None = None
    """which features have the text looked for in a label; None where none is looked for"""

    @cached_property
    def kept_whatever_density(self) -> Bool[ndarray, " d_sae"]:
        """Which features all filters but the range of densities keep: what the histogram counts."""
        query = self.query.without_range("density")
        kept = self.columns.matching(query, self.texts)
        if self.labelled is not None:
            kept |= self.columns.matching(replace(query, contains="")) & self.labelled
        return kept if self.written is None else kept & self.written

    @cached_property
    def kept(self) -> Bool[ndarray, " d_sae"]:
        """Which features the list holds, in order of feature_index."""
        brushed = [item for item in self.query.ranges if item.column == "density"]
        return self.kept_whatever_density & self.columns.in_ranges(brushed)

    def page(self) -> FeaturePage:
        """The page the view names.

        Raises:
            BadCursor: the view's `next` belongs to another list.
        """
        return self.columns.select(self.query, self.kept)

    def everything(self) -> Int[ndarray, " n_matching"]:
        """Every feature_index of the list, in its order."""
        return self.columns.ordered(self.query, self.kept)


def feature_list(
    connection: Connection,
    sae: Sae,
    view: DictionaryView,
    memory: Memory,
    reader: Reader = NO_NOTEBOOK,
) -> FeatureList:
    """The list of a dictionary under a view; filters by what people wrote ask the notebook."""
    columns = memory.columns(connection, sae.sae_id)
    meant = _meant_tokens(connection, sae, view.top_token)
    return FeatureList(
        columns=columns,
        query=_query(view, meant),
        texts=memory.texts(connection, sae) if view.contains else None,
        meant_tokens=meant,
        written=_mask(columns, written_features(reader, sae, view.has)) if view.has else None,
        labelled=_mask(columns, reader.names(sae).holding(view.contains))
        if view.contains
        else None,
    )


def _mask(columns: FeatureColumns, features: set[int]) -> Bool[ndarray, " d_sae"]:
    return np.isin(columns["feature_index"], sorted(features))


def records_in_order(
    connection: Connection, sae_id: int, feature_indices: list[int], size: int = 500
) -> Iterator[FeatureRecord]:
    """The features given, in their order; `size` at a time are in memory."""
    for start in range(0, len(feature_indices), size):
        part = feature_indices[start : start + size]
        found = get_features(connection, sae_id, part)
        yield from (found[index] for index in part)


def _query(view: DictionaryView, meant: list[TokenRecord] | None) -> FeatureQuery:
    return FeatureQuery(
        sort=view.sort.removeprefix("-"),
        descending=view.sort.startswith("-"),
        ranges=tuple(Range(name, *parse_range(text)) for name, text in view.ranges().items()),
        indices=parse_indices(view.feature_index) if view.feature_index else None,
        dead={"yes": True, "no": False, "": None}[view.dead],
        lives_as=view.lives_as,
        top_token_ids=None if meant is None else tuple(token.token_id for token in meant),
        contains=view.contains,
        has=view.has,
        size=view.size,
        next=view.next,
    )


def _meant_tokens(connection: Connection, sae: Sae, text: str) -> list[TokenRecord] | None:
    """The vocabulary tokens a filter's text stands for; none may be, which matches nothing."""
    if not text:
        return None
    matches = match_tokens(connection, sae.model_id, sae.corpus_id, text, MEANT_TOKENS)
    return [match.token for match in matches]
