"""The real command in a process of its own, many times, without importing torch each time.

A process imports the program, runs one job so that all is loaded and compiled, and waits; for every
line of arguments it forks, and the child is the command. A child is killed like any process:
nothing of it is left but its files.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_WAITING = """
import json, os, resource, signal, sys
import app.demo.build, app.cli, numba, datasets, safetensors.torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPTNeoXForCausalLM

print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    sys.argv = ["feature-atlas", *asked["arguments"]]
    if asked["here"]:
        try:
            app.cli.main()
        except SystemExit as end:
            print(end.code, flush=True)
        continue
    child = os.fork()
    if child == 0:
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1), os.dup2(log, 2)
        if asked["largest_file"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (asked["largest_file"],) * 2)
        try:
            app.cli.main()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Ended:
    """A command that ended: its exit code (negative: killed by that signal) and what it said."""

    def __init__(self, code: int, said: str, seconds: float) -> None:
        self.code, self.said, self.seconds = code, said, seconds


class Command:
    """Runs `feature-atlas`; see `running`."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._log = folder / "command.log"

    def run(
        self,
        *arguments: str,
        meanwhile: Callable[[int, Path], None] = lambda pid, log: None,
        largest_file: int | None = None,
    ) -> Ended:
        """Runs it to its end. `meanwhile` is told its process id and the file it writes to."""
        self._log.unlink(missing_ok=True)
        begun = time.monotonic()
        self._ask(here=False, arguments=arguments, log=str(self._log), largest_file=largest_file)
        meanwhile(int(self._line()), self._log)
        code = int(self._line())
        said = self._log.read_text("utf-8") if self._log.exists() else ""
        return Ended(code, said, time.monotonic() - begun)

    def warm(self, *arguments: str) -> None:
        """Runs it in the waiting process itself, with one thread: others don't survive a fork."""
        self._ask(here=True, arguments=[*arguments, "--threads", "1"])
        while (line := self._line()) != "None\n":
            assert not line.startswith("Error"), line

    def _ask(self, **asked: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the waiting process is gone"
        return line


@contextmanager
def running(folder: Path, environment: Mapping[str, str]) -> Iterator[Command]:
    """A command to be run, with its log in `folder`."""
    with subprocess.Popen(
        [sys.executable, "-c", _WAITING],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | environment,
    ) as process:  # fmt: skip
        command = Command(process, folder)
        assert command._line() == "ready\n"
        yield command
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
