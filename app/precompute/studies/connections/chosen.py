"""On which of its examples a feature's connections are measured.

Takes its stored top and interval examples; knows no model.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from app.db.records import ExampleGroup, Group


@dataclass(frozen=True)
class Peak:
    """A place where a feature fires."""

    feature_index: int
    context_id: int
    position: int


def choose_peaks(groups: Mapping[Group, ExampleGroup], feature_index: int, n: int) -> list[Peak]:
    """At most n different examples: half of them (rounded up) the first top examples, the others
    interval examples, band after band from the highest down, then again; more top ones where there
    are too few of those.
    """
    top = _places(groups.get("top"))
    interval = groups.get("interval")
    others: list[tuple[int, int]] = []
    if interval is not None:
        places, band = _places(interval), interval.band.astype(int)
        turn = np.array([(band[:i] == band[i]).sum() for i in range(len(band))])
        others = [places[i] for i in np.lexsort((-band, turn))]
    n_top = n - n // 2
    listed = [*top[:n_top], *[place for place in others if place not in top[:n_top]][: n // 2]]
    listed += [place for place in top[n_top:] if place not in listed]
    return [Peak(feature_index, *place) for place in listed[:n]]


def peaks_of(
    examples: Iterable[tuple[str, int, Group, ExampleGroup]], n: int
) -> Iterator[list[Peak]]:
    """Those of every feature that has any, in feature order; `examples` of one dictionary."""
    feature, groups = -1, dict[Group, ExampleGroup]()
    for _, feature_index, group, found in examples:
        if feature_index != feature:
            if groups:
                yield choose_peaks(groups, feature, n)
            feature, groups = feature_index, {}
        groups[group] = found
    if groups:
        yield choose_peaks(groups, feature, n)


def _places(group: ExampleGroup | None) -> list[tuple[int, int]]:
    if group is None:
        return []
    return list(zip(group.context_id.tolist(), group.position.tolist(), strict=True))
