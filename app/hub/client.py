"""The only file of the project that speaks to the hub: resolves, lists and downloads.

A thin layer over huggingface_hub, which brings cache, locks, tokens, retries and resuming. Gives
names and sizes; what goes wrong is raised as the client raises it (`failures.py` has the words).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import RemoteEntryNotFoundError
from huggingface_hub.hf_api import RepoFile

from app.hub.address import HubAddress

_LIBRARY = "feature-atlas"


@dataclass(frozen=True)
class Listing:
    """What lies directly in a folder of a repository."""

    sizes: dict[str, int] = field(default_factory=dict)
    """bytes of each file, by name"""
    folders: list[str] = field(default_factory=list)


def resolve(address: HubAddress) -> str:
    """The commit an address leads to now; the client remembers it for when nobody answers."""
    return _api().resolve_revision(address.repo, revision=address.revision).resolved


def list_folder(address: HubAddress) -> Listing | None:
    """A folder at a commit; None if there is none of that name."""
    prefix = f"{address.folder}/" if address.folder else ""
    listing = Listing()
    try:
        entries = _api().list_repo_tree(
            address.repo, address.folder or None, revision=address.revision
        )
        for entry in entries:
            if not entry.path.startswith(prefix):
                continue
            name = entry.path.removeprefix(prefix)
            if isinstance(entry, RepoFile):
                listing.sizes[name] = entry.size
            else:
                listing.folders.append(name)
    except RemoteEntryNotFoundError:
        return None
    return listing


def download(address: HubAddress, file: str, advance: Callable[[int], None]) -> None:
    """One file of the repository, by its whole path; `advance` is told the bytes that arrive.

    A connection that is cut is taken up where it was, some times; then this ends.
    """
    bar: Any = type("_Advance", (_Bar,), {"advance": staticmethod(advance)})
    hf_hub_download(
        address.repo, file, revision=address.revision, library_name=_LIBRARY, tqdm_class=bar
    )


class _Bar:
    """What the client takes for a progress bar: it counts and draws nothing."""

    advance: Callable[[int], None]

    def __init__(self, *_: Any, initial: int = 0, **__: Any) -> None:
        if initial:
            self.update(initial)

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, n: float | None = 1) -> None:
        """Bytes that are on the disk."""
        self.advance(int(n or 0))

    def update_transfer(self, n: float | None = 1) -> None:
        """Bytes that came by the network, which are packed differently: not counted."""

    def set_postfix_str(self, *_: Any, **__: Any) -> None:
        """The client's words on speed; ours are elsewhere."""

    def set_transfer_postfix_str(self, *_: Any, **__: Any) -> None:
        """Likewise."""

    def close(self) -> None:
        """Nothing was opened."""


def _api() -> HfApi:
    return HfApi(library_name=_LIBRARY)
