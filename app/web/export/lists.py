"""The exported features of a dictionary as pages of a list, by density and by number.

Takes their records, gives contexts for `pages/site-list.html`. Knows no file.
"""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_features
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.urls import sae_url

Order = Literal["density", "number"]
ORDERS: tuple[Order, ...] = ("density", "number")
ROWS = 200


@dataclass(frozen=True)
class SiteList:
    """Context of `pages/site-list.html`: one page of a list."""

    sae: Sae
    order: Order
    number: int
    """of this page, from 1"""
    n_pages: int
    n_features: int
    rows: list[FeatureRow]
    order_urls: dict[str, str]
    previous_url: str
    """empty on the first page"""
    next_url: str
    """empty on the last page"""

    def as_json(self) -> dict[str, Any]:
        """Lists of a static copy have no twin."""
        return {}


def list_url(sae: Sae, order: Order, number: int = 1) -> str:
    """The address of a page of a list; only a site has it."""
    name = "features" if order == "density" else "features-by-number"
    return f"{sae_url(sae)}/{name}" + (f"/{number}" if number > 1 else "")


def n_pages(n_features: int) -> int:
    """How many pages so many features fill."""
    return max(1, -(-n_features // ROWS))


def ordered(densities: dict[int, float | None], order: Order) -> list[int]:
    """Features in the order of a list; of equal density the lower number first."""
    if order == "number":
        return sorted(densities)
    return sorted(densities, key=lambda index: (-(densities[index] or 0.0), index))


def build_list(
    connection: Connection, sae: Sae, indices: list[int], order: Order, number: int
) -> SiteList:
    """Page `number` of the list of these features, which are in its order."""
    shown = indices[(number - 1) * ROWS : number * ROWS]
    records = get_features(connection, sae.sae_id, shown)
    last = n_pages(len(indices))
    return SiteList(
        sae=sae,
        order=order,
        number=number,
        n_pages=last,
        n_features=len(indices),
        rows=make_rows(connection, sae.model_id, [records[index] for index in shown]),
        order_urls={name: list_url(sae, name) for name in ORDERS},
        previous_url=list_url(sae, order, number - 1) if number > 1 else "",
        next_url=list_url(sae, order, number + 1) if number < last else "",
    )
