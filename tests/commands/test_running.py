"""How a command that was stopped ends."""

import subprocess
import sys

TORN = """
from app.commands.running import run_until_stopped
from app.precompute.drivers.interruption import Interrupted

class HalfMade:
    def __init__(self):
        raise Interrupted  # as a signal does, wherever it strikes
    def __del__(self):
        self.never_set

run_until_stopped(lambda stop: HalfMade())
"""


def test_what_a_signal_tears_apart_adds_nothing_to_the_sentence() -> None:
    ended = subprocess.run([sys.executable, "-c", TORN], capture_output=True, text=True)
    assert ended.returncode == 130
    assert ended.stderr == "Stopped. The same command goes on from what is finished.\n"
