"""What is said while the job runs, on a terminal, in a log and to programs."""

import io
import json
import re
from itertools import pairwise
from typing import Any

import pytest
from rich.console import Console

from app.precompute.progress import figures
from app.precompute.progress import views as progress_views
from app.precompute.progress.closing import Sizes
from app.precompute.progress.figures import Figures, duration, size
from app.precompute.progress.reporter import Reporter

SIZES = Sizes("atlas.db", 24_000, 8, 5_000_000, 640)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The clocks of wall and processor, set by the test."""
    now = {"wall": 0.0, "processor": 0.0}
    for module in (figures, progress_views):
        monkeypatch.setattr(module.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(figures.time, "process_time", lambda: now["processor"])
    return now


def test_a_log_file_gets_one_line_a_stage(clock: dict[str, float]) -> None:
    out = io.StringIO()
    reporter = Reporter(Console(file=out))
    with reporter.stage("events", 4_000, "tokens") as advance:
        advance(1_500)
        clock["wall"] = 2
        advance(2_500)
    with reporter.stage("statistics", 8, "features", tokens=4_000) as advance:
        clock["wall"] = 6
        advance(8)
    reporter.say("100% [of] it")
    assert out.getvalue().splitlines() == [
        "events: 4,000 tokens in 2.0 s (2,000 tokens/s)",
        "statistics: 8 features in 4.0 s (2.0 features/s, 1,000 tokens/s)",
        "100% [of] it",
    ]


def test_a_log_hears_of_a_long_stage_every_half_minute(clock: dict[str, float]) -> None:
    out = io.StringIO()
    reporter = Reporter(Console(file=out))
    with reporter.stage("events", 1_000, "tokens") as advance:
        for second in range(1, 101):
            clock["wall"] = float(second)
            advance(10)
    first, second, third, _ = out.getvalue().splitlines()
    assert re.fullmatch(
        r"events: 300/1,000 tokens · 10 tokens/s · 1:10 left · peak [\d.,]+ [GM]B", first
    )
    assert "600/1,000" in second and "40.0 s left" in second
    assert "900/1,000" in third and "10.0 s left" in third


def test_a_terminal_sees_rate_time_left_and_memory() -> None:
    out = io.StringIO()
    reporter = Reporter(Console(file=out, force_terminal=True, width=120))
    with reporter.stage("events", 10, "tokens") as advance:
        for _ in range(5):
            advance(1)
    shown = out.getvalue()
    assert "5/10 tokens" in shown and "events" in shown
    assert "tokens/s" in shown and " left" in shown and "peak" in shown


def test_a_terminal_may_be_told_to_show_lines_only() -> None:
    out = io.StringIO()
    reporter = Reporter(Console(file=out, force_terminal=True, width=120), "plain")
    with reporter.stage("events", 10, "tokens") as advance:
        advance(10)
    assert len(out.getvalue().splitlines()) == 1
    assert "\x1b[" not in out.getvalue()


def test_a_stage_that_fails_is_not_reported_as_done() -> None:
    out = io.StringIO()
    reporter = Reporter(Console(file=out))
    with pytest.raises(ValueError, match="broken"), reporter.stage("events", 10, "tokens"):
        raise ValueError("broken")
    reporter.summary(SIZES)
    assert "events:" not in out.getvalue()
    assert not re.search("^events", out.getvalue(), re.MULTILINE)


def events_of(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def test_programs_get_an_object_a_line(
    clock: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = Reporter(kind="json")
    reporter.say("Two cores.")
    reporter.say("Warning: a shard is damaged.")
    with reporter.stage("events", 100, "tokens") as advance:
        for _ in range(20):
            clock["wall"] += 0.2
            advance(5)
    with pytest.raises(ValueError), reporter.stage("map", None, "features"):
        raise ValueError
    reporter.summary(SIZES)
    captured = capsys.readouterr()
    assert captured.out == ""
    said, warning, started, *progress, ended, _, failed, summary = events_of(captured.err)
    assert said == {"event": "said", "at": 0.0, "text": "Two cores."}
    assert warning == {"event": "warning", "at": 0.0, "text": "a shard is damaged."}
    assert started == {
        "event": "stage started", "at": 0.0, "stage": "events", "total": 100, "unit": "tokens",
        "tokens": 0,
    }  # fmt: skip
    assert len(progress) == 6  # of twenty: never two within half a second
    times = [item["at"] for item in progress]
    assert all(b - a >= 0.5 for a, b in pairwise(times))
    first = progress[0]
    assert (first["event"], first["done"], first["total"]) == ("progress", 15, 100)
    assert (first["per_second"], first["tokens_per_second"]) == (25.0, 25.0)
    assert first["seconds_left"] == 3.4
    assert first["peak_bytes"] > 1e6
    assert (ended["event"], ended["done"], ended["seconds"]) == ("stage ended", 100, 4.0)
    assert (ended["whole"], failed["whole"]) == (True, False)
    assert summary["event"] == "summary"
    assert [item["stage"] for item in summary["stages"]] == ["events"]
    assert (summary["atlas_bytes"], summary["events_bytes"]) == (24_000, 5_000_000)


def test_the_closing_table(clock: dict[str, float]) -> None:
    """Five lines of figures: time, share, pace, against the bound; memory; sizes."""
    out = io.StringIO()
    reporter = Reporter(Console(file=out))
    reporter.bound("events", 0.001, on_processor=True)
    with reporter.stage("events", 4_000, "tokens") as advance:
        clock.update(wall=3.0, processor=4.4)
        advance(4_000)
    with reporter.stage("atlas", 8, "features") as advance:
        clock["wall"] = 4.0
        advance(8)
    clock["wall"] = 5.0
    reporter.summary(SIZES)
    table = out.getvalue().splitlines()[3:]
    assert table[:5] == [
        "stage            time  share  tokens/s",
        "events          3.0 s    60%     1,333  1.10 x the trial's forward + encoder",
        "atlas           1.0 s    20%",
        "between stages  1.0 s    20%",
        "together        5.0 s",
    ]
    assert re.fullmatch(r"memory     peak [\d.,]+ [GM]B", table[6])
    assert table[7:] == [
        "atlas.db   24.0 kB, 3,000 bytes for each of 8 features",
        "beside it  events 5.0 MB, decoders 640 B",
    ]


def test_the_bound_is_held_against_what_was_measured_like_it(clock: dict[str, float]) -> None:
    """Time of threads against time of a thread, wall time against wall time."""
    for on_processor, expected in ((True, 1.5), (False, 2.0)):
        stage = Figures(
            "events", 100, "tokens", bound=0.1, bound_on_processor=on_processor, done=100,
            seconds=20.0, processor_seconds=15.0,
        )  # fmt: skip
        assert stage.of_bound == expected
    assert Figures("events", 100, "tokens", done=100, seconds=20.0).of_bound is None


def test_a_stage_of_features_stands_for_tokens_of_text() -> None:
    stage = Figures("statistics", 10, "features", tokens=1_000, done=5, seconds=2.0)
    assert (stage.tokens_done, stage.tokens_per_second, stage.seconds_left) == (500, 250, 2)
    nothing = Figures("statistics", 10, "features")
    assert (nothing.per_second, nothing.tokens_per_second, nothing.seconds_left) == (None,) * 3


def test_times_and_sizes_as_people_write_them() -> None:
    assert [duration(s) for s in (0.04, 59.9, 59.96, 61.0, 3_661.0)] == [
        *("0.0 s", "59.9 s", "1:00", "1:01", "1:01:01"),
    ]
    assert [size(n) for n in (812, 1_200, 34_500_000, 1_230_000_000)] == [
        *("812 B", "1.2 kB", "34.5 MB", "1.2 GB"),
    ]
