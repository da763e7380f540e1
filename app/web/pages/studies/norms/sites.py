"""The hooks of a model at which the atlas has norms, one line each.

Takes a connection and a dictionary; gives lines for every hook of its model, its own marked. Knows
no template.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.studies import get_study
from app.db.study_records.norms import Norms
from app.web.text import number, percent
from app.web.urls import study_url


@dataclass(frozen=True)
class Site:
    """One hook, as a dictionary there reads it."""

    hook_name: str
    sae: str
    """the dictionary's address"""
    url: str
    """its page of norms; empty for the page shown"""
    median: str
    zero: str
    """mean norm at position 0, and how many times the median that is"""
    largest: str
    outliers: str
    """their share of the counted tokens"""
    square: str
    """their share of Σ ‖x‖²"""


def sites(connection: Connection, sae: Sae, own: Norms) -> list[Site]:
    """By the first dictionary at each other hook and corpus, in the atlas' order."""
    found, seen = [_site(sae, own, here=True)], {(own.hook_name, sae.corpus_id)}
    for other in list_saes(connection):
        key = (other.record.output_hook, other.corpus_id)
        if other.model_id != sae.model_id or key in seen:
            continue
        norms = get_study(connection, Norms, other.sae_id)
        if norms is not None:
            seen.add(key)
            found.append(_site(other, norms, here=False))
    return sorted(found, key=lambda site: site.hook_name)


def _site(sae: Sae, norms: Norms, here: bool) -> Site:
    median, zero = norms.norm.median, norms.zero
    return Site(
        hook_name=norms.hook_name,
        sae=sae.address,
        url="" if here else study_url(sae, "norms"),
        median=number(median),
        zero="–" if zero is None else f"{number(zero.mean)} ({number(zero.mean / median, 2)}×)",
        largest=number(float(norms.norm.quantiles[-1])),
        outliers=percent(norms.n_outlier / max(norms.norm.n, 1)),
        square=percent(norms.outlier_square_share),
    )
