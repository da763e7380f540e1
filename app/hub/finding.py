"""Where a dictionary or a model is on this machine, whichever way it is named.

Takes what the user wrote or a recipe tells, gives a path: a local one as it stands, one on the hub
in the hub's cache. Asks nothing of a network; what isn't here yet is a sentence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.errors import AtlasError
from app.hub.address import HubAddress, dictionary_address, model_address, without_number
from app.hub.cache import cache_folder, cached_commit, cached_place, is_offline
from app.hub.wanted import DICTIONARY, MODEL, Kind


@dataclass(frozen=True)
class Found:
    """Something that can be read."""

    named: str
    """as it was named"""
    path: Path
    """where it lies on this machine"""
    commit: str | None = None
    """of what lies on the hub"""


def find_dictionary(named: str, commit: str | None = None) -> Found:
    """A dictionary; `commit`: where the name leads on the hub, if that is known.

    Raises:
        AtlasError: it lies on the hub and not in the cache. Whether a local path exists is for
            the readers to say.
    """
    address = dictionary_address(named)
    if address is None:
        return Found(named, Path(named).expanduser())
    return _in_cache(named, address, commit, DICTIONARY)


def find_model(named: str, commit: str | None = None) -> Found:
    """A model, likewise.

    Raises:
        AtlasError: there is no such folder, or it lies on the hub and not in the cache.
    """
    address = model_address(named)
    if address is not None:
        return _in_cache(named, address, commit, MODEL)
    path = Path(named).expanduser()
    if not path.is_dir():
        raise AtlasError(
            f"The model folder {named} does not exist; name a folder with config.json, weights and "
            "tokenizer, or a model on the Hugging Face hub."
        )
    return Found(named, path)


def at_hand(
    find: Callable[[str, str | None], Found], named: str, beside: Path, commit: str | None = None
) -> Path | None:
    """What a recipe names: here, in the folder `beside`, or in the hub's cache; None if nowhere.

    A recipe keeps the last part of a local path, and names on the hub whole, with their commits.
    """
    if not named:
        return None
    for place in (Path(named).expanduser(), beside / named):
        if is_there(place):
            return place
    try:
        path = find(named, commit).path
    except AtlasError:
        return None
    return path if is_there(path) else None


def is_there(path: Path) -> bool:
    """Whether it exists, or the file that `learned_dicts.pt#3` is one of."""
    return path.exists() or Path(without_number(str(path))).is_file()


def _in_cache(named: str, address: HubAddress, commit: str | None, kind: Kind) -> Found:
    address = address.at(commit) if commit else address
    place = cached_place(address, kind)
    if place is None:
        offline = " and without HF_HUB_OFFLINE" if is_offline() else ""
        raise AtlasError(
            f"The {kind.word} {named} is not in this machine's cache of the hub, or not whole "
            f"({cache_folder()}): name it once on the command line with a connection{offline}, or "
            "give a local folder."
        )
    return Found(named, place.with_name(place.name + address.number), cached_commit(address))
