"""What is said while the job runs."""

import io
import re

import pytest
from rich.console import Console

from app.precompute.reporter import Reporter


def test_a_log_file_gets_one_line_a_stage() -> None:
    out = io.StringIO()
    reporter = Reporter(Console(file=out))
    with reporter.stage("events", 4_000, "tokens") as advance:
        advance(1_500)
        advance(2_500)
    with reporter.stage("statistics", 2, "features") as advance:
        advance(2)
    reporter.say("100% [of] it")
    reporter.summary()
    lines = out.getvalue().splitlines()
    assert re.fullmatch(r"events: 4,000 tokens in [\d.]+ s \([\d,]+ tokens/s\)", lines[0])
    assert lines[2] == "100% [of] it"
    assert re.fullmatch(r"Done in \d+ s: events \d+ s, statistics \d+ s\.", lines[3])


def test_a_terminal_sees_rate_and_time_left() -> None:
    out = io.StringIO()
    reporter = Reporter(Console(file=out, force_terminal=True, width=120))
    with reporter.stage("events", 10, "tokens") as advance:
        for _ in range(5):
            advance(1)
    shown = out.getvalue()
    assert "5/10" in shown
    assert "events" in shown


def test_a_stage_that_fails_is_not_reported_as_done() -> None:
    out = io.StringIO()
    reporter = Reporter(Console(file=out))
    with pytest.raises(ValueError, match="broken"), reporter.stage("events", 10, "tokens"):
        raise ValueError("broken")
    assert "events:" not in out.getvalue()
