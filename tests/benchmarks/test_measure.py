"""The harness: turns are taken in order, medians are medians, memory is that of all processes."""

import subprocess
import sys
import time

import pytest

from app.errors import AtlasError
from benchmarks.measure import Cost, cost_of, interleaved, median, run_alone

MIB = 2**20


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_ways_take_turns() -> None:
    turns: list[str] = []
    interleaved({name: lambda name=name: turns.append(name) for name in "ab"}, rounds=3)
    assert "".join(turns) == "ab" + "ab" * 3


def test_without_warming_up_only_the_rounds_run() -> None:
    turns: list[str] = []
    interleaved({"a": lambda: turns.append("a")}, rounds=2, warm_up=False)
    assert len(turns) == 2


def test_a_slow_turn_does_not_move_the_median() -> None:
    costs = [Cost(1.0, 10.0), Cost(100.0, 1000.0), Cost(2.0, 20.0)]
    assert median(costs) == Cost(2.0, 20.0)


def test_sleeping_costs_time_and_no_cpu_and_computing_both() -> None:

    asleep = cost_of(lambda: time.sleep(0.3))
    awake = cost_of(lambda: sum(range(10_000_000)))
    assert asleep.wall >= 0.3 and asleep.cpu < 0.1
    assert awake.cpu > 0.05 and awake.wall >= 0.9 * awake.cpu


def test_the_cpu_time_of_ended_children_counts() -> None:

    def in_a_child() -> None:
        subprocess.run(python("sum(range(20_000_000))"), check=True)

    assert cost_of(in_a_child).cpu > 0.1


def test_a_command_gives_its_output_and_its_cpu_time() -> None:
    run = run_alone(python("print(sum(range(20_000_000)))"))
    assert run.output == "199999990000000\n"
    assert 0.1 < run.cost.cpu < 60


def test_peak_memory_is_the_largest_moment_not_the_last() -> None:
    small = run_alone(python("import time; time.sleep(0.2)"))
    large = run_alone(python("import time; a = b'x' * 300 * 2**20; del a; time.sleep(0.2)"))
    grown = large.peak_rss - small.peak_rss
    assert 250 * MIB < grown < 350 * MIB


def test_memory_of_children_counts() -> None:
    child = "import time; a = b'x' * 150 * 2**20; time.sleep(0.6)"
    parent = (
        "import subprocess, sys\n"
        f"both = [subprocess.Popen([sys.executable, '-c', {child!r}]) for _ in range(2)]\n"
        "[one.wait() for one in both]"
    )
    run = run_alone(python(parent))
    assert run.peak_anonymous > 300 * MIB


def test_what_is_added_to_the_environment_arrives() -> None:
    code = "import os; print(os.environ['ADDED'], len(os.environ) > 1)"
    assert run_alone(python(code), environment={"ADDED": "yes"}).output == "yes True\n"


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(AtlasError, match="exit code 3:\nno such thing"):
        run_alone(python("import sys; print('no such thing', file=sys.stderr); sys.exit(3)"))
