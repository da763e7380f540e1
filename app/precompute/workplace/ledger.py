"""The list of what a run has finished: one line for each piece, appended once it is durable.

Every stage has a recipe (plain values: its settings, and the recipes of the stages it reads from)
and pieces; a line either opens a recipe for a stage or says that a piece of it is done, with the
seals of its files. A stage's pieces count as long as its recipe is the one last opened. Each line
begins with its CRC-32; behind one that is torn or damaged nothing counts. One process writes. Knows
no stage by name and opens none of the files.
"""

import errno
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from app.durable import sync_folder
from app.precompute.workplace.seals import Seals

Recipe = Mapping[str, Any]
"""JSON values; what a stage reads from stands under `AFTER`, as {stage: fingerprint}."""

AFTER = "after"


def fingerprint(recipe: Recipe) -> str:
    """A name for a recipe: equal for equal values."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:32]


class Ledger:
    """The finished pieces of every stage, and single facts kept beside them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts: dict[str, Any] = {}
        self._recipes: dict[str, Recipe] = {}
        self._pieces: dict[str, dict[str, Seals]] = {}
        end = 0
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    if not self._read(line):
                        break
                    end += len(line)
            if end < path.stat().st_size:
                os.truncate(path, end)

    def stages(self) -> list[str]:
        """The stages that have a recipe, in the order in which they first had one."""
        return list(self._recipes)

    def recipe(self, stage: str) -> Recipe | None:
        """The recipe a stage's pieces were made by."""
        return self._recipes.get(stage)

    def finished(self, stage: str) -> Mapping[str, Seals]:
        """The pieces of a stage that are done, with the seals of their files."""
        return self._pieces.get(stage, {})

    def open(self, stage: str, recipe: Recipe) -> None:
        """From here on the stage's pieces are made by this recipe; others are forgotten."""
        if self._recipes.get(stage) != recipe:
            self._append({"stage": stage, "recipe": recipe})

    def finish(self, stage: str, piece: str, seals: Seals) -> None:
        """A piece is done and its files are on disk."""
        self._append({"stage": stage, "piece": piece, "files": seals})

    def forget(self, stage: str, pieces: Iterable[str]) -> None:
        """These pieces have to be done again."""
        gone = sorted(set(pieces) & self.finished(stage).keys())
        if gone:
            self._append({"stage": stage, "forget": gone})

    def keep(self, fact: str, value: Any) -> None:
        """Keeps a JSON value under a name, over an older one."""
        self._append({"fact": fact, "value": value})

    def _append(self, entry: dict[str, Any]) -> None:
        text = json.dumps(entry).encode()
        line = b"%08x %s\n" % (zlib.crc32(text), text)
        new = not self.path.exists()
        with self.path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                if file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                os.truncate(self.path, before)  # half a line would hide the ones behind it
                raise
        if new:
            sync_folder(self.path.parent)
        self._take(json.loads(text))

    def _read(self, line: bytes) -> bool:
        """Takes in a line; False for one that is not what was written."""
        crc, _, text = line.removesuffix(b"\n").partition(b" ")
        if not line.endswith(b"\n") or crc != b"%08x" % zlib.crc32(text):
            return False
        self._take(json.loads(text))
        return True

    def _take(self, entry: dict[str, Any]) -> None:
        if "fact" in entry:
            self.facts[entry["fact"]] = entry["value"]
        elif "recipe" in entry:
            self._recipes[entry["stage"]] = entry["recipe"]
            self._pieces[entry["stage"]] = {}
        elif "forget" in entry:
            for piece in entry["forget"]:
                self._pieces[entry["stage"]].pop(piece, None)
        else:
            self._pieces[entry["stage"]][entry["piece"]] = entry["files"]
