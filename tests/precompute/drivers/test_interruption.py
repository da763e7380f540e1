"""Signals to a real process: noted while a piece is done, heeded after it; twice is at once."""

import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import sys, time
from app.precompute.drivers.interruption import Interrupted, Stop
with Stop().listening() as stop:
    stop.say = lambda sentence: print("said", flush=True)
    try:
        if {finishing}:
            with stop.finishing():
                print("begun", flush=True)
                time.sleep({seconds})
                print("finished", flush=True)
        else:
            print("begun", flush=True)
            time.sleep({seconds})
    except Interrupted:
        print("interrupted", flush=True)
        sys.exit(3)
print("end", flush=True)
"""


def start(finishing: bool, seconds: float) -> subprocess.Popen[str]:
    program = PROGRAM.format(finishing=finishing, seconds=seconds)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert line(process) == "begun"
    return process


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_being_done_is_finished_first(number: int) -> None:
    with start(finishing=True, seconds=0.5) as process:
        process.send_signal(number)
        assert [line(process) for _ in range(3)] == ["said", "finished", "interrupted"]
    assert process.returncode == 3


def test_where_nothing_can_be_finished_it_ends_where_it_stands() -> None:
    begun = time.monotonic()
    with start(finishing=False, seconds=60) as process:
        process.send_signal(signal.SIGINT)
        assert line(process) == "interrupted"
    assert process.returncode == 3
    assert time.monotonic() - begun < 50


def test_the_second_signal_ends_at_once() -> None:
    begun = time.monotonic()
    with start(finishing=True, seconds=60) as process:
        process.send_signal(signal.SIGINT)
        assert line(process) == "said"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert line(process) == ""
    assert time.monotonic() - begun < 50
