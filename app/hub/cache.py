"""What of the hub is on this machine already: the hub client's own cache, read and never written.

Its layout is the client's documented one: `models--owner--name/refs/REVISION` holds a commit,
`snapshots/COMMIT` the files of that commit, each there once it is whole. Asks nothing of a network.
"""

import json
from pathlib import Path

from app.errors import AtlasError
from app.hub.address import HubAddress
from app.hub.wanted import DEEPER, Kind

MAIN = "main"


def cache_folder() -> Path:
    """Where the client keeps everything; `HF_HUB_CACHE` and `HF_HOME` move it.

    Raises:
        AtlasError: the client is not installed.
    """
    return Path(_constants().HF_HUB_CACHE).expanduser()


def is_offline() -> bool:
    """Whether the user forbade every request (`HF_HUB_OFFLINE`)."""
    return bool(_constants().HF_HUB_OFFLINE)


def cached_commit(address: HubAddress) -> str | None:
    """The commit an address led to when it was last asked for; None if it never was."""
    if address.commit:
        return address.commit
    try:
        ref = _repository(address) / "refs" / (address.revision or MAIN)
        return ref.read_text("utf-8").strip() or None
    except OSError:
        return None


def cached_place(address: HubAddress, kind: Kind) -> Path | None:
    """The folder or file that an address names, if all that is needed of it is here.

    Raises:
        AtlasError: the folder holds several files of weights.
    """
    commit = cached_commit(address)
    if commit is None:
        return None
    place = _repository(address) / "snapshots" / commit / address.folder
    if place.is_file():
        return place
    names = [path.name for path in _files(place)]
    names += [f"{DEEPER}/{path.name}" for path in _files(place / DEEPER)]
    wanted = kind.wanted(names, address)
    return place if wanted and not _missing_shards(place, wanted) else None


def _repository(address: HubAddress) -> Path:
    return cache_folder() / f"models--{address.repo.replace('/', '--')}"


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _missing_shards(folder: Path, wanted: list[str]) -> bool:
    """Whether an index among the files names weights that are not here."""
    for name in wanted:
        if name.endswith(".index.json"):
            try:
                shards = set(json.loads((folder / name).read_text("utf-8"))["weight_map"].values())
            except (OSError, ValueError, KeyError, AttributeError):
                return True
            if not shards <= set(wanted):
                return True
    return False


def _constants():
    try:
        # Where the cache lies and whether requests are forbidden; this part of the client speaks
        # to nobody.
        import huggingface_hub.constants as constants
    except ModuleNotFoundError as error:
        raise AtlasError(
            "What lies on the hub needs huggingface_hub, which is not installed: run "
            "`pip install 'feature-atlas[precompute]'`."
        ) from error
    return constants
