"""Stored connections read the other way, and the strongest of a dictionary.

A connection is measured on the examples of the feature above; whoever looks at the feature below
wants to know what it feeds. Takes what was found of the features above, gives the records of those
below. Pure; reads no table.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.db.study_records.connections import Causes, Effects, SingleConnections

MOST_EFFECTS = 20
"""Features above that are listed for one below; how many there are in all is counted."""
MOST_SINGLE = 20
"""Strongest connections that are listed for two dictionaries"""


@dataclass(frozen=True)
class Link:
    """From one feature to another."""

    below: int
    above: int
    share: float
    """of the upper feature's `hidden_pre`"""
    share_same: float
    n_examples: int


def links_of(feature_index: int, causes: Causes) -> list[Link]:
    """Those that are kept of one feature above."""
    columns = (causes.feature_index, causes.share, causes.share_same, causes.n_examples)
    return [
        Link(below, feature_index, share, same, n)
        for below, share, same, n in zip(*(c.tolist() for c in columns), strict=True)
    ]


class Upwards:
    """Gathers connections by the feature they begin at."""

    def __init__(self) -> None:
        self._found: dict[str, dict[int, dict[str, list[Link]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(list))
        )

    def add(self, sae: str, feature_index: int, below: Iterable[Causes]) -> None:
        """Those of one feature of `sae`."""
        for causes in below:
            for link in links_of(feature_index, causes):
                self._found[causes.sae][link.below][sae].append(link)

    def effects(self, order: Mapping[str, int]) -> dict[str, dict[int, list[Effects]]]:
        """By dictionary and feature; dictionaries above in this order."""
        return {
            sae: {
                index: [
                    _effects(other, above[other]) for other in sorted(above, key=order.__getitem__)
                ]
                for index, above in found.items()
            }
            for sae, found in self._found.items()
        }


def strongest_single(links: Sequence[Link]) -> SingleConnections:
    """The largest shares, whatever their sign; ties to the lower features."""
    order = sorted(links, key=lambda link: (-abs(link.share), link.above, link.below))
    chosen = order[:MOST_SINGLE]
    return SingleConnections(
        feature_index=np.array([link.above for link in chosen], np.uint32),
        below_index=np.array([link.below for link in chosen], np.uint32),
        share=np.array([link.share for link in chosen], np.float32),
        n_examples=np.array([link.n_examples for link in chosen], np.uint16),
    )


def _effects(sae: str, links: list[Link]) -> Effects:
    ordered = sorted(links, key=lambda link: (-abs(link.share), link.above))[:MOST_EFFECTS]
    return Effects(
        sae=sae,
        feature_index=np.array([link.above for link in ordered], np.uint32),
        share=np.array([link.share for link in ordered], np.float32),
        share_same=np.array([link.share_same for link in ordered], np.float32),
        n_examples=np.array([link.n_examples for link in ordered], np.uint16),
        n_found=len(links),
    )
