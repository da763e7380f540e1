"""Where a run keeps what is not yet an atlas: a folder beside the output, locked and resumable.

`atlas.db.building/` holds the token contexts and the event shards of a run that has not ended, with
a manifest of the recipe they were made by. A run with the same recipe goes on where the last one
stopped; with another recipe the folder is emptied, and the job says so. Once the atlas is published
the events move to `atlas.events/`. Knows file names, not what the files mean.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from app.errors import AtlasError
from app.stats.event_places import events_folder

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Workplace:
    """The building folder of one output; use as a context manager, it holds the lock.

    Raises:
        AtlasError: the folder can't be made, another job is at work on the same output, or the
            disk is full.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output.with_name(output.name + ".building")
        self._manifest = self.folder / "manifest.json"
        self._holds_work = False

    def __enter__(self) -> "Workplace":
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = (self.folder / "lock").open("w")
        except OSError as error:
            raise AtlasError(f"Can't write {self.output}: {error.strerror}.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise AtlasError(
                f"Another job is writing {self.output}: wait for it, or choose another --output."
            ) from error
        self._holds_work = self._manifest.exists()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A mistake in the options leaves nothing behind; a run cut short leaves what it finished.
        if isinstance(error, AtlasError) and not self._holds_work:
            shutil.rmtree(self.folder)
        self._lock.close()
        if isinstance(error, OSError) and error.errno in _FULL:
            raise AtlasError(
                f"Can't write {self.output}: {error.strerror}. What is finished is kept in "
                f"{self.folder}: free some space and run the same command again to go on."
            ) from error

    def resumes(self, recipe: dict[str, Any]) -> bool:
        """Whether an earlier run with this recipe did not end."""
        manifest = self._read()
        return manifest is not None and manifest["fingerprint"] == _fingerprint(recipe)

    def begin(self, recipe: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
        """Binds the folder to a recipe and returns the trial choices kept from an earlier run.

        What an earlier run with another recipe left is deleted. Until `keep` the folder of a new
        run goes when the run fails.
        """
        manifest = self._read()
        self._recipe = recipe
        if manifest is not None and self.resumes(recipe):
            say("Resuming an earlier run with the same settings.")
            return manifest["choices"]
        if manifest is not None:
            old = manifest["recipe"]
            changed = sorted(key for key in recipe | old if recipe.get(key) != old.get(key))
            say(f"Starting afresh: {', '.join(changed)} changed since the unfinished run.")
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
        self._holds_work = False
        self.keep_choices({})
        return {}

    def keep(self) -> None:
        """From here on there is work in the folder that outlives an error."""
        self._holds_work = True

    def keep_choices(self, choices: dict[str, Any]) -> None:
        """Stores what a trial chose (batch and thread counts), so that a resumed run reuses it."""
        manifest = {
            "fingerprint": _fingerprint(self._recipe),
            "recipe": self._recipe,
            "choices": choices,
        }
        temporary = self._manifest.with_suffix(".tmp")
        temporary.write_text(json.dumps(manifest, indent=1), "utf-8")
        os.replace(temporary, self._manifest)

    def ship_events(self, parts: dict[str, Path]) -> Path:
        """Moves finished folders to `atlas.events/` under their names and removes the rest.

        Folders that are gone were moved by a run that was cut short here.
        """
        target = events_folder(self.output)
        for name, source in parts.items():
            if not source.exists():
                continue
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                shutil.rmtree(place)
            shutil.move(source, place)
        shutil.rmtree(self.folder)
        return target

    def _read(self) -> dict[str, Any] | None:
        try:
            return json.loads(self._manifest.read_text("utf-8"))
        except (FileNotFoundError, ValueError):  # none, or a machine that went down while writing
            return None


def check_writable(output: Path) -> None:
    """Refuses, before any work is done, an output that can't be written.

    Raises:
        AtlasError: its folder does not exist or is not writable, or `output` is a folder.
    """
    folder = output.parent
    if not folder.is_dir():
        raise AtlasError(f"Can't write {output}: there is no folder {folder}.")
    if output.is_dir():
        raise AtlasError(f"Can't write {output}: it is a folder; give a file name like atlas.db.")
    if output == events_folder(output):
        raise AtlasError(f"Can't write {output}: .events is the ending of the folder beside it.")
    if not os.access(folder, os.W_OK):
        raise AtlasError(f"Can't write {output}: no permission to write in {folder}.")


def _fingerprint(recipe: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
