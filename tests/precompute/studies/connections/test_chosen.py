"""The examples connections are measured on."""

import numpy as np

from app.db.records import ExampleGroup
from app.precompute.studies.connections.chosen import choose_peaks


def group(places: list[tuple[int, int]], band: list[int]) -> ExampleGroup:
    context, position = np.array(places).reshape(-1, 2).T
    n, none = len(places), np.zeros(0)
    return ExampleGroup(
        context, position, np.ones(n), np.ones(n), np.array(band), np.ones(n, int), position,
        position + 1, np.zeros(n + 1, int), none, none, none, none, none, none, n,
    )  # fmt: skip


TOP = group([(1, 5), (2, 6), (3, 7)], [-1, -1, -1])
INTERVAL = group([(9, 1), (9, 2), (9, 3), (1, 5), (9, 5)], [0, 0, 1, 2, 2])


def chosen(groups: dict[str, ExampleGroup], n: int) -> list[tuple[int, int]]:
    found = choose_peaks(groups, 3, n)  # pyright: ignore[reportArgumentType]
    assert {peak.feature_index for peak in found} <= {3}
    return [(peak.context_id, peak.position) for peak in found]


def test_half_top_half_intervals_from_the_highest_band_down() -> None:
    groups = {"top": TOP, "interval": INTERVAL}
    assert chosen(groups, 1) == [(1, 5)]
    assert chosen(groups, 4) == [(1, 5), (2, 6), (9, 3), (9, 1)]
    # (1, 5) is a top example already.
    assert chosen(groups, 7) == [(1, 5), (2, 6), (3, 7), (9, 3), (9, 1), (9, 5)]


def test_top_examples_stand_in_where_there_are_no_others() -> None:
    assert chosen({"top": TOP}, 4) == [(1, 5), (2, 6), (3, 7)]
    assert chosen({"interval": INTERVAL}, 2) == [(1, 5)]
