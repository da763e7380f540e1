"""Where a run keeps what is not yet an atlas: a folder beside the output, locked and resumable.

`atlas.db.building/` holds the token contexts, the event shards and what every other stage found,
one folder a stage, and a ledger of the pieces that are done, by which recipe, with the checksums of
their files. A run goes on where the last one stopped; a stage whose recipe changed, and those that
read from it, are made again. A file that is no longer what was written counts as not done, and so
does all that may have been made from it. Once the atlas is published the events move to
`atlas.events/`. Knows file names, not what the files mean.
"""

import errno
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType

from app.durable import sync_folder
from app.errors import AtlasError
from app.lock import Lock
from app.precompute.workplace import seals
from app.precompute.workplace.ledger import AFTER, Ledger, Recipe
from app.precompute.workplace.stage_recipes import changed_settings
from app.stats.event_places import events_folder

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

Say = Callable[[str], None]


class Workplace:
    """The building folder of one output; use as a context manager, it holds the lock.

    Raises:
        AtlasError: the folder can't be made, another job is at work on the same output, or the
            disk is full.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        # Absolute, as it is told to workers that may stand in another folder.
        self.folder = output.absolute().with_name(output.name + ".building")
        self._holds_work = False

    def __enter__(self) -> "Workplace":
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = Lock(self.folder / "lock")
        except BlockingIOError as error:
            raise AtlasError(
                f"Another job is writing {self.output}: wait for it, or choose another --output."
            ) from error
        except OSError as error:
            raise AtlasError(f"Can't write {self.output}: {error.strerror}.") from error
        self.ledger = Ledger(self.folder / "ledger.jsonl")
        self._holds_work = bool(self.ledger.stages())
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
        self._lock.release()
        if isinstance(error, OSError) and error.errno in _FULL:
            raise AtlasError(
                f"Can't write {self.output}: {error.strerror}. What is finished is kept in "
                f"{self.folder}: free some space and run the same command again to go on."
            ) from error

    def keep(self) -> None:
        """From here on there is work in the folder that outlives an error."""
        self._holds_work = True

    def begin(self, recipes: Mapping[str, Recipe], say: Say) -> None:
        """Binds every stage to its recipe; what an earlier run made by another one is deleted.

        Says in a sentence what is kept and what is not, and why.
        """
        ledger = self.ledger
        before = [stage for stage in ledger.stages() if ledger.finished(stage)]
        stale = [stage for stage in before if ledger.recipe(stage) != recipes.get(stage)]
        kept = [stage for stage in before if stage not in stale]
        if stale:
            reasons = {
                name
                for stage in stale
                for name in changed_settings(ledger.recipe(stage) or {}, recipes.get(stage, {}))
            }
            say(_what_changed(sorted(reasons), stale, kept))
        elif kept:
            say("Resuming an earlier run with the same settings.")
        for stage, recipe in recipes.items():
            if ledger.recipe(stage) != recipe:
                shutil.rmtree(self.folder / stage, ignore_errors=True)
                ledger.open(stage, recipe)
        for stage in set(before) - recipes.keys():  # of a dictionary that is no longer asked for
            shutil.rmtree(self.folder / stage, ignore_errors=True)
            ledger.forget(stage, ledger.finished(stage))

    def done(self, stage: str) -> Collection[str]:
        """The pieces of a stage that need not be done again."""
        return self.ledger.finished(stage).keys()

    def verify(self, stage: str, say: Say) -> None:
        """Reads what an earlier run finished of a stage; forgets, with a warning, what is damaged.

        What other stages made may have been made from it: it is forgotten too.
        """
        damaged = []
        for piece, sealed in self.ledger.finished(stage).items():
            fault = seals.damage(self.folder, sealed)
            if fault:
                damaged.append(piece)
                say(f"Warning: {fault}: {stage} {piece} is done again, and all that follows.")
        if damaged:
            self.ledger.forget(stage, damaged)
            for reader in self._readers(stage):
                self.ledger.forget(reader, list(self.ledger.finished(reader)))

    def will_publish(self, recipe: str, file: os.stat_result) -> None:
        """Notes which file is about to be renamed into the output's place."""
        self.ledger.keep("published", {"recipe": recipe, "file": _identity(file)})

    def has_published(self, recipe: str) -> bool:
        """Whether what stands at the output is what this run, by this recipe, put there."""
        noted = self.ledger.facts.get("published")
        if noted is None or noted["recipe"] != recipe or not self.output.exists():
            return False
        return noted["file"] == _identity(self.output.stat())

    def ship_events(self, parts: Mapping[str, Path]) -> Path:
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
            sync_folder(place.parent)
        # The ledger last: until it is gone, a run that is cut short here goes on here.
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry != self.ledger.path:
                entry.unlink()
        self.ledger.path.unlink(missing_ok=True)
        self.folder.rmdir()
        return target

    def _readers(self, stage: str) -> list[str]:
        """The stages that read from a stage, and those that read from them."""
        direct = [
            other
            for other in self.ledger.stages()
            if stage in (self.ledger.recipe(other) or {}).get(AFTER, {})
        ]
        return direct + [further for each in direct for further in self._readers(each)]


def _identity(file: os.stat_result) -> list[int]:
    """What stays the same when a file is renamed and differs between any two of one disk."""
    return [file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns]


def _what_changed(reasons: list[str], stale: list[str], kept: list[str]) -> str:
    """One sentence: why, what is made again, what is not."""
    again, rest = _titles(stale), _titles(kept)
    why = ", ".join(reasons) or "the dictionaries"
    if not rest:
        return f"Starting afresh: {why} changed since the unfinished run."
    verb = "is" if len(again) == 1 else "are"
    return (
        f"Since the unfinished run {why} changed: {', '.join(again)} {verb} made again, the rest "
        f"({', '.join(rest)}) is kept."
    )


def _titles(stages: list[str]) -> list[str]:
    """Stages as one says them, each once; in the plural where every dictionary has its own."""
    return list(dict.fromkeys(stage.split("/")[0] for stage in stages))


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
