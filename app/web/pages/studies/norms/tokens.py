"""The table of tokens by the norms of their activations.

Takes the study's record and vocabulary entries, gives rows under a view. Knows no query.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.db.catalog import Sae
from app.db.records import TokenRecord
from app.db.study_records.norms import Norms
from app.web import text
from app.web.pages.studies.norms.view import NormsView
from app.web.urls import study_url, token_search_url

N_SHOWN = 50
_LONGEST_LINK = 60
"""Characters of a token that is still searched by a link"""

COLUMNS = {
    "-maximum": "Largest",
    "-mean": "Mean",
    "-n_outlier": "Outliers",
    "-error_share": "Squared error",
    "-unembedding": "‖W_U‖",
}
"""Columns to sort by and how they are called."""


@dataclass(frozen=True)
class Head:
    """A column the table can be sorted by."""

    name: str
    url: str
    is_sorted: bool


@dataclass(frozen=True)
class TokenRow:
    """One token id as printed."""

    token_id: int
    token: str
    url: str
    """the features that fire on it; empty for a token too long to ask for"""
    n: str
    maximum: str
    times: str
    """the largest norm over the median"""
    mean: str
    outliers: str
    """how many of its occurrences; empty for none"""
    error: str
    """share of the squared error"""
    error_bar: float
    """percent of the bar's width, relative to the largest share listed"""
    unembedding: str
    unembedding_is_outlier: bool
    """the logit lens leaves it out"""


def heads(sae: Sae, view: NormsView) -> dict[str, Head]:
    """By column."""
    return {
        sort.removeprefix("-"): Head(
            name, study_url(sae, "norms", view.arguments(sort=sort)), view.sort == sort
        )
        for sort, name in COLUMNS.items()
    }


def in_order(found: Norms, view: NormsView) -> np.ndarray:
    """Rows of the listed tokens by the column, largest first; ties to the lower token id."""
    values = getattr(found.tokens, view.sort.removeprefix("-")).astype(np.float64)
    known = np.where(np.isnan(values), -np.inf, values)
    return np.lexsort((found.tokens.token_id, -known))


def token_rows(
    sae: Sae, found: Norms, order: np.ndarray, entries: Mapping[int, TokenRecord]
) -> list[TokenRow]:
    """The rows `order` names."""
    listed = found.tokens
    largest = max(float(listed.error_share.max()), 1e-12) if listed.error_share.size else 1.0
    rows = []
    for row in order.tolist():
        token_id, n = int(listed.token_id[row]), int(listed.n[row])
        token, n_outlier = entries[token_id].token, int(listed.n_outlier[row])
        maximum, share = float(listed.maximum[row]), float(listed.error_share[row])
        rows.append(
            TokenRow(
                token_id=token_id,
                token=token,
                url=token_search_url(sae, token, token_id) if len(token) <= _LONGEST_LINK else "",
                n=text.count(n),
                maximum=text.number(maximum) if n else text.MISSING,
                times=f"{text.number(maximum / found.norm.median, 2)}×" if n else "",
                mean=text.number(float(listed.mean[row])) if n else text.MISSING,
                outliers=text.count(n_outlier) if n_outlier else "",
                error=text.percent(share) if n else text.MISSING,
                error_bar=round(100 * share / largest, 2),
                unembedding=text.number(float(listed.unembedding[row])),
                unembedding_is_outlier=bool(listed.unembedding[row] > found.unembedding.threshold),
            )
        )
    return rows
