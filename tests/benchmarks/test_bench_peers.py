"""The comparison with peers: what was not run is counted in, and said to be."""

import pytest

from benchmarks.measure import Cost
from benchmarks.peers.bench_peers import PEERS, Row, extrapolated, section


def test_later_batches_stand_for_those_not_run_and_the_first_for_itself() -> None:
    costs = [Cost(100.0, 200.0), Cost(10.0, 20.0), Cost(12.0, 24.0)]
    assert extrapolated(costs, 11) == Cost(100.0 + 10 * 11.0, 200.0 + 10 * 22.0)


def test_what_was_run_whole_is_not_changed() -> None:
    costs = [Cost(100.0, 200.0), Cost(10.0, 20.0), Cost(12.0, 24.0)]
    assert extrapolated(costs, 3) == Cost(122.0, 244.0)


def test_a_single_batch_stands_for_all() -> None:
    assert extrapolated([Cost(3.0, 4.0)], 16) == Cost(48.0, 64.0)


@pytest.fixture
def text() -> str:
    peers = [Row(name, Cost(500.0, 300.0), 2**30, 71_680.0, 512) for name in PEERS]
    bound = Row("bound", Cost(20.0, 10.0), None, None, 4096)
    stages = Row("events + statistics", Cost(25.0, 12.0), None, None, 4096)
    whole = Row("whole", Cost(50.0, 30.0), 2**29, 8_192.0, 4096)
    return section([bound, stages, whole, *peers], 2**18, 4096, "peer 1.0")


def test_costs_stand_beside_their_ratio_to_the_bound(text: str) -> None:
    assert "| events + statistics | 12 | 25 | 1.20 | 1.25 |  |  |" in text
    assert "| whole | 30 | 50 | 3.00 | 2.50 | 512 | 8.0 |" in text


def test_a_row_that_is_extrapolated_says_how_much_was_run(text: str) -> None:
    assert "SaeVisRunner (512 run) | 300 | 500 | 30.00 | 25.00 | 1,024 | 70.0 |" in text


def test_each_peer_is_compared_with_both_parts_of_our_job(text: str) -> None:
    assert "SaeVisRunner / events + statistics | 25.0 | 20.0 | 25 |" in text
    assert "SaeVisRunner / whole job | 10.0 | 10.0 | 25 |" in text
    assert "NeuronpediaRunner / whole job | 10.0 | 10.0 | 12 |" in text
