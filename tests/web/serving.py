"""The real command in a process of its own, which tests ask over sockets and end as they like."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Served:
    """`feature-atlas serve` on a free port, answering by the time it is made."""

    def __init__(self, atlas: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from app.cli import main; main()",
             "serve", str(atlas), "--port", "0", *words],
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )  # fmt: skip
        assert self.process.stderr is not None
        self.said = ""
        for line in self.process.stderr:
            self.said += line
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                self.url, self.port = found[0], int(found[1])
                return
        raise AssertionError(self.said)

    def kill(self) -> None:
        """As a machine would that loses its power: nothing is told."""
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(20) == -signal.SIGKILL
        assert self.process.stderr is not None
        self.process.stderr.close()

    def end(self) -> str:
        """As somebody would who stops it; gives the rest of its log."""
        self.process.terminate()
        assert self.process.stderr is not None
        log = self.process.stderr.read()
        self.process.wait(20)
        self.process.stderr.close()
        return log
