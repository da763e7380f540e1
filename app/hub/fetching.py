"""Gets what a user named from the hub into the hub's cache, unless it is there.

Takes a name as it was typed; a local path is nothing to fetch. Only the files a dictionary or a
model needs are downloaded. Says which commit is taken and how far a download is. For commands:
nothing fetches what only a recipe names.
"""

import math
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from app.errors import AtlasError, closest, listed
from app.hub import client
from app.hub.address import HubAddress, dictionary_address, is_inside, model_address
from app.hub.cache import cache_folder, cached_commit, cached_place, is_offline
from app.hub.failures import failure, is_unreachable
from app.hub.finding import Found, find_dictionary, find_model
from app.hub.wanted import DEEPER, DICTIONARY, MODEL, Kind

KILOBYTE = 1_000
_SPARE = 50_000_000
"""Bytes that are left free on the disk."""


class Telling(Protocol):
    """Whom progress is told: a `Reporter` of the job."""

    def say(self, sentence: str) -> None:
        """One line."""

    def stage(
        self, name: str, total: int | None, unit: str, /
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Something long, which is told the units that are done."""
        ...


def fetch_dictionary(named: str, telling: Telling) -> Found:
    """The dictionary of that name, on this machine from now on.

    Raises:
        AtlasError: the hub has none there, refuses it or can't be reached, and the cache has not
            all of it; or it doesn't fit on the disk.
    """
    address = dictionary_address(named)
    commit = None if address is None else _fetch(named, address, DICTIONARY, telling)
    return find_dictionary(named, commit)


def fetch_model(named: str, telling: Telling) -> Found:
    """The model of that name, likewise."""
    address = model_address(named)
    commit = None if address is None else _fetch(named, address, MODEL, telling)
    return find_model(named, commit)


def _fetch(named: str, address: HubAddress, kind: Kind, telling: Telling) -> str | None:
    """The commit that was taken; None leaves it to the cache, where requests are forbidden."""
    if is_offline() or (address.commit and cached_place(address, kind)):
        return address.commit
    try:
        address = address.at(client.resolve(address))
        files = _needed(named, address, kind)
        _download(named, address, files, telling)
    except AtlasError:
        raise
    except Exception as error:  # whatever the client's transport raises
        known = cached_commit(address)
        if not is_unreachable(error) or known is None or not cached_place(address.at(known), kind):
            raise failure(error, address) from error
        telling.say(f"The hub can't be reached: {named} is taken from the cache.")
        address = address.at(known)
    telling.say(f"{named}: commit {str(address.revision)[:12]}.")
    return address.commit


def _needed(named: str, address: HubAddress, kind: Kind) -> dict[str, int]:
    """The files to have, in the order to fetch them: whole paths, with their bytes."""
    listing = client.list_folder(address)
    if listing is None or not (listing.sizes or listing.folders):
        return _needed_of_file(named, address, kind)
    sizes = dict(listing.sizes)
    if kind is DICTIONARY and DEEPER in listing.folders:
        deeper = client.list_folder(_below(address, DEEPER))
        sizes |= {
            f"{DEEPER}/{name}": size for name, size in (deeper.sizes if deeper else {}).items()
        }
    wanted = kind.wanted(sizes, named)
    if not wanted:
        raise AtlasError(
            f"{named} holds no {kind.word} (it needs {kind.needs}), but "
            + (
                f"the folders {listed(sorted(listing.folders))}: name the one you mean."
                if listing.folders
                else f"{listed(sorted(listing.sizes))}."
            )
        )
    files = {_path(address.folder, name): sizes[name] for name in wanted}
    return _settings_above(address, kind.above.get(wanted[-1])) | files


def _settings_above(address: HubAddress, file: str | None) -> dict[str, int]:
    """What a dictionary reads from the two folders above its own, as far as it is there."""
    found: dict[str, int] = {}
    folder = address.folder if file else ""
    for _ in range(2):
        if not folder:
            break
        folder = folder.rpartition("/")[0]
        listing = client.list_folder(HubAddress(address.repo, address.revision, folder))
        if listing and file in listing.sizes:
            found[_path(folder, str(file))] = listing.sizes[str(file)]
    return found


def _needed_of_file(named: str, address: HubAddress, kind: Kind) -> dict[str, int]:
    """The same where the address names a file, or nothing there is."""
    parent, _, name = address.folder.rpartition("/")
    above = HubAddress(address.repo, address.revision, parent)
    listing = client.list_folder(above) if address.folder else None
    files = kind.beside_file(listing.sizes, name) if listing else []
    if listing and files:
        return {_path(parent, file): listing.sizes[file] for file in files}
    while listing is None and parent:  # the nearest folder that there is
        parent = parent.rpartition("/")[0]
        listing = client.list_folder(HubAddress(address.repo, address.revision, parent))
    beside = [_path(parent, folder) for folder in (listing.folders if listing else [])]
    there = closest(name, beside) if beside else "no folders"
    raise AtlasError(
        f"{named} has no dictionary or folder {address.folder!r}: "
        f"{_path(address.repo, parent).rstrip('/')} holds {there}."
    )


def _download(named: str, address: HubAddress, files: dict[str, int], telling: Telling) -> None:
    stray = next((file for file in files if not is_inside(file)), None)
    if stray is not None:
        raise AtlasError(f"The repository {address.repo} lists {stray!r}, which is no path in it.")
    at = cache_folder() / f"models--{address.repo.replace('/', '--')}" / "snapshots"
    missing = {
        file: size
        for file, size in files.items()
        if not (at / str(address.revision) / file).is_file()
    }
    total = sum(missing.values())
    if not missing:
        return
    free = shutil.disk_usage(_existing(cache_folder())).free
    if total + _SPARE > free:
        raise AtlasError(
            f"{named} needs {total / 1e9:,.2f} GB more, and {free / 1e9:,.2f} GB are free in "
            f"{cache_folder()}: free some, or set HF_HOME to a folder on another disk."
        )
    with telling.stage(f"fetching {named}", math.ceil(total / KILOBYTE), "kB") as advance:
        count = _Kilobytes(advance)
        for file in missing:
            client.download(address, file, count)
        count.finish(total)


class _Kilobytes:
    """Bytes as they come, told in kilobytes."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._bytes = self._told = 0

    def __call__(self, n: int) -> None:
        self._bytes += n
        self._tell(self._bytes // KILOBYTE)

    def finish(self, total: int) -> None:
        """All of it is there, also what came another way than byte by byte."""
        self._tell(math.ceil(total / KILOBYTE))

    def _tell(self, kilobytes: int) -> None:
        if kilobytes != self._told:
            self._advance(kilobytes - self._told)
            self._told = kilobytes


def _below(address: HubAddress, folder: str) -> HubAddress:
    return HubAddress(address.repo, address.revision, _path(address.folder, folder))


def _path(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)
