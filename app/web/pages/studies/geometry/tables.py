"""The tables of the page: hubs, the neighbours of a band, clusters, neuron-aligned features.

Takes what was measured and the rows of features; gives lines as the template prints them. Knows no
query.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.db.catalog import Sae
from app.web import text
from app.web.pages.feature_row import FeatureRow
from app.web.pages.studies.geometry.measured import Measured
from app.web.urls import sae_url
from app.web.views import DictionaryView

MOST_OF_BAND, MOST_CLUSTERS, MOST_MEMBERS, MOST_ALIGNED = 12, 12, 10, 12
_LONGEST_LIST = 380
"""Letters of feature numbers that an address of the list takes."""


@dataclass(frozen=True)
class HubLine:
    """A feature that is the nearest neighbour of others."""

    row: FeatureRow
    times: int
    """of how many of those asked"""
    share: str
    """of those asked"""
    bar: float
    """percent of the bar's width"""


@dataclass(frozen=True)
class ClusterLine:
    """Features that near pairs join."""

    size: int
    members: list[FeatureRow]
    """the first of them"""
    more: int
    """members not shown"""
    weakest: str
    """the lowest cosine that joins them"""
    list_url: str
    """they alone in the list; empty where an address can't hold them"""


@dataclass(frozen=True)
class AlignedLine:
    """A feature that is mostly one entry of its row."""

    row: FeatureRow
    neuron: int
    cosine: str
    share: str
    share_10: str


def hub_lines(
    hubs: list[tuple[int, int]], n_asked: int, rows: Mapping[int, FeatureRow]
) -> list[HubLine]:
    """In the order given."""
    largest = max((times for _, times in hubs), default=1)
    return [
        HubLine(
            rows[index],
            times,
            text.percent(times / max(n_asked, 1)),
            round(100 * times / largest, 1),
        )
        for index, times in hubs
    ]


def cluster_lines(
    sae: Sae, measured: Measured, groups: list[list[int]], rows: Mapping[int, FeatureRow]
) -> list[ClusterLine]:
    """In the order given."""
    return [
        ClusterLine(
            size=len(group),
            members=[rows[index] for index in group[:MOST_MEMBERS]],
            more=max(len(group) - MOST_MEMBERS, 0),
            weakest=text.number(measured.weakest(group)),
            list_url=_list_url(sae, group),
        )
        for group in groups
    ]


def strongest_aligned(measured: Measured) -> list[int]:
    """The living features most like one neuron, those of one neuron alone."""
    order = np.argsort(-np.nan_to_num(measured.found.neuron_cosine), kind="stable")
    kept = [int(i) for i in order if measured.aligned[i] and measured.living[i]]
    return kept[:MOST_ALIGNED]


def aligned_lines(
    measured: Measured, indices: list[int], rows: Mapping[int, FeatureRow]
) -> list[AlignedLine]:
    """In the order given."""
    found, share = measured.found, measured.columns["neuron_share"]
    return [
        AlignedLine(
            rows[index],
            int(found.neuron_index[index]),
            text.number(float(found.neuron_cosine[index])),
            text.percent(float(share[index])),
            text.percent(float(found.neuron_share_10[index])),
        )
        for index in indices
    ]


def _list_url(sae: Sae, group: list[int]) -> str:
    numbers = ",".join(map(str, group))
    if len(numbers) > _LONGEST_LIST:
        return ""
    return sae_url(sae, DictionaryView(feature_index=numbers).arguments())
