"""The log of a training run: one JSON object a line, beside the weights it made.

It records what is handed to it and how long the run took; it knows nothing of models, and no path
or name of the machine is ever written.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


class Log:
    """Writes lines to `folder/training.jsonl` and echoes them to stderr.

    A new run empties the file; one that is `resumed` adds to it.
    """

    def __init__(self, folder: Path, resumed: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "training.jsonl"
        if not resumed:
            self.path.write_text("")
        self._start = time.monotonic()

    def write(self, event: str, **fields: Any) -> None:
        """One line: the event's name, the seconds since the start, then the fields in order."""
        seconds = round(time.monotonic() - self._start)
        line = json.dumps({"event": event, "seconds": seconds, **_rounded(fields)})
        with self.path.open("a") as file:
            file.write(line + "\n")
        print(line, file=sys.stderr, flush=True)


def read_log(folder: Path) -> dict[str, dict[str, Any]]:
    """The last line of every event in the folder's log, by the event's name."""
    lines = (folder / "training.jsonl").read_text().splitlines()
    return {record["event"]: record for record in map(json.loads, lines)}


def _rounded(value: Any) -> Any:
    """Floats to five significant digits, at any depth: more would be noise."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return value
