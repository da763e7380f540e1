"""What else happens to a run: damage, signals, a full disk, a changed setting, a second job."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.precompute.workplace.workplace import Workplace
from tests.torture.command import Command
from tests.torture.conftest import Job, content, stages_in


@pytest.fixture
def unfinished(command: Command, make_job: Callable[..., Job], uninterrupted: Any) -> Job:
    """A job whose run was killed once everything but the atlas was done."""
    job = make_job()
    ended = command.run(*job.arguments, meanwhile=when("combined", signal.SIGKILL))
    assert ended.code == -signal.SIGKILL
    assert not job.output.exists()
    return job


def when(stage: str, *signals: int) -> Callable[[int, Path], None]:
    """Sends signals to the command once a stage has ended."""

    def meanwhile(pid: int, log: Path) -> None:
        while not log.exists() or stage not in stages_in(log.read_text("utf-8")):
            assert Path(f"/proc/{pid}").exists()
            time.sleep(0.0005)
        for number in signals:
            os.kill(pid, number)

    return meanwhile


def same(job: Job, uninterrupted: Any) -> bool:
    return content(job.output) == uninterrupted.content


def shards(job: Job) -> Iterator[Path]:
    yield from sorted((job.building / "events").rglob("shard-*/*.npy"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


@pytest.mark.parametrize(
    ("harm", "pattern", "again"),
    [
        (flip, "events/resid/shard-00001/activation.npy", {"events", "statistics", "ablated text"}),
        (cut, "events/resid/shard-00001/token.npy", {"events", "statistics", "ablated text"}),
        (Path.unlink, "events/mlp/sums-00002.npz", {"events", "quality", "statistics"}),
        (flip, "tokens/tokens.npy", {"events", "quality", "statistics"}),
        (cut, "ablated text/000000.result", {"ablated text"}),
    ],
)
def test_what_is_damaged_is_done_again(
    command: Command,
    unfinished: Job,
    uninterrupted: Any,
    harm: Callable[[Path], None],
    pattern: str,
    again: set[str],
) -> None:
    harm(unfinished.building / pattern)
    ended = command.run(*unfinished.arguments)
    assert ended.code == 0, ended.said
    (warning,) = [line for line in ended.said.splitlines() if line.startswith("Warning: ")]
    assert warning.startswith(f"Warning: {pattern} ")
    assert again <= set(stages_in(ended.said))
    assert "weights" not in stages_in(ended.said)  # nothing of it was read there
    assert same(unfinished, uninterrupted)


def test_what_is_whole_is_not_done_again(
    command: Command, unfinished: Job, uninterrupted: Any
) -> None:
    ended = command.run(*unfinished.arguments)
    assert "Resuming an earlier run with the same settings." in ended.said
    assert stages_in(ended.said) == ["atlas"]
    assert same(unfinished, uninterrupted)


def test_a_changed_setting_costs_what_depends_on_it(
    command: Command, unfinished: Job, make_job: Callable[..., Job]
) -> None:
    ended = command.run(*unfinished.with_options(ablation_window=3))
    assert (
        "Since the unfinished run ablation_window changed: ablated text, combined are made again, "
        "the rest (tokens, events, statistics, co-activation, near misses, weights, map, "
        "final norm, quality, silent examples, " in ended.said
    )
    assert stages_in(ended.said) == ["ablated text", "combined", "atlas"]
    fresh = make_job("atlas-fresh.db", unfinished.output.parent)
    fresh.output.parent.mkdir(exist_ok=True)
    found = content(unfinished.output)
    assert command.run(*fresh.with_options(ablation_window=3)).code == 0
    expected = content(fresh.output)
    tables = [name for name in expected if "/" not in name and "." not in name]
    assert {name: found[name] for name in tables} == {name: expected[name] for name in tables}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_pieces_end_and_says_how_to_go_on(
    command: Command, make_job: Callable[..., Job], uninterrupted: Any, number: int
) -> None:
    job = make_job()
    ended = command.run(*job.arguments, meanwhile=when("events", number))
    assert ended.code == 130
    assert ended.said.rstrip().endswith("Stopped. The same command goes on from what is finished.")
    assert "Traceback" not in ended.said
    assert not job.output.exists()
    kept = len(list(shards(job)))
    assert kept
    ended = command.run(*job.arguments)
    assert ended.code == 0
    assert "events" not in stages_in(ended.said)
    assert same(job, uninterrupted)


@pytest.mark.parametrize("n_bytes", [500, 3_000, 60_000, 200_000])
def test_a_full_disk_is_a_sentence_and_costs_nothing_finished(
    command: Command,
    make_job: Callable[..., Job],
    uninterrupted: Any,
    n_bytes: int,
) -> None:
    """A file that may not grow past so many bytes fails as a full disk does."""
    job = make_job()
    ended = command.run(*job.arguments, largest_file=n_bytes)
    assert ended.code == 2, ended.said
    assert "Traceback" not in ended.said
    *_, sentence = ended.said.rstrip().splitlines()
    assert sentence.startswith("Error: ")
    assert "the same command again" in sentence
    assert not job.output.exists()
    assert not job.output.with_name("atlas.db.partial").exists()
    earlier = set(stages_in(ended.said))
    ended = command.run(*job.arguments)
    assert ended.code == 0, ended.said
    assert not (earlier - {"atlas"}) & set(stages_in(ended.said))
    assert same(job, uninterrupted)


def test_a_second_job_on_the_same_output_refuses(
    command: Command, make_job: Callable[..., Job]
) -> None:
    job = make_job()
    with Workplace(job.output):
        ended = command.run(*job.arguments)
    assert ended.code == 2
    assert "Another job is writing" in ended.said
