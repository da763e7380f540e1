"""Where a run keeps what is not yet an atlas: a folder beside the output, locked and resumable.

`atlas.db.building/` holds the token contexts and the event shards of a run that has not ended, with
a manifest of the recipe they were made by. A run with the same recipe goes on where the last one
stopped; with another recipe the folder is emptied, and the job says so. Once the atlas is published
the events move to `atlas.events/`. Knows file names, not what the files mean.
"""

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


class Workplace:
    """The building folder of one output; use as a context manager, it holds the lock.

    Raises:
        AtlasError: the folder can't be made, or another job is at work on the same output.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output.with_name(output.name + ".building")
        self._manifest = self.folder / "manifest.json"

    def __enter__(self) -> "Workplace":
        existed = self.folder.exists()
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = (self.folder / "lock").open("w")
        except OSError as error:
            raise AtlasError(f"Can't write {self.output}: {error.strerror}.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AtlasError(
                f"Another job is writing {self.output}: wait for it, or choose another --output."
            ) from error
        self._is_new = not existed
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A mistake in the options leaves nothing behind; a run cut short leaves what it finished.
        if isinstance(error, AtlasError) and self._is_new and not self._manifest.exists():
            shutil.rmtree(self.folder)
        self._lock.close()

    def begin(self, recipe: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
        """Binds the folder to a recipe and returns the trial choices kept from an earlier run.

        What an earlier run with another recipe left is deleted.
        """
        fingerprint = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
        if self._manifest.exists():
            manifest = json.loads(self._manifest.read_text("utf-8"))
            if manifest["fingerprint"] == fingerprint:
                say("Resuming an earlier run with the same settings.")
                return manifest["choices"]
            changed = sorted(
                key for key in recipe if recipe[key] != manifest["recipe"].get(key, recipe[key])
            )
            what = ", ".join(changed) or "the recipe"
            say(f"Starting afresh: {what} changed since the unfinished run.")
            for entry in self.folder.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry)
        self._fingerprint, self._recipe = fingerprint, recipe
        self.keep_choices({})
        return {}

    def keep_choices(self, choices: dict[str, Any]) -> None:
        """Stores what a trial chose (batch and thread counts), so that a resumed run reuses it."""
        manifest = {"fingerprint": self._fingerprint, "recipe": self._recipe, "choices": choices}
        temporary = self._manifest.with_suffix(".tmp")
        temporary.write_text(json.dumps(manifest, indent=1), "utf-8")
        os.replace(temporary, self._manifest)

    def ship_events(self, parts: dict[str, Path]) -> Path:
        """Moves finished folders to `atlas.events/` under their names and removes the rest."""
        target = self.output.with_suffix(".events")
        for name, source in parts.items():
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                shutil.rmtree(place)
            shutil.move(source, place)
        shutil.rmtree(self.folder)
        return target


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
    if not os.access(folder, os.W_OK):
        raise AtlasError(f"Can't write {output}: no permission to write in {folder}.")
