"""What names something on the hub: `hf://owner/repo[@revision][/folder]`, or a model's plain name.

Takes what a user wrote, gives its parts. An address that could lead out of the repository's folder
in the cache is refused here. Knows no file system and no network.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from app.errors import AtlasError, echoed

SCHEME = "hf://"
SHAPE = "hf://owner/repo[@revision][/folder]"

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_MODEL_NAME = re.compile(rf"{_PART}(/{_PART})?")
_ADDRESS = re.compile(
    r"(?P<repo>[^/@]+/[^/@]+)(?:@(?P<revision>refs/pr/\d+|[^/@]+))?(?:/(?P<folder>.*))?"
)
_REVISION = re.compile(r"[\w+-][\w.+-]*(/[\w+-][\w.+-]*)*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NUMBER = re.compile(r"#\d+$")
_OTHER_KINDS = ("datasets/", "spaces/", "buckets/", "kernels/")


@dataclass(frozen=True)
class HubAddress:
    """A folder, or a file, of a repository of the hub."""

    repo: str
    """owner/repo; of some old models a single word"""
    revision: str | None = None
    """branch, tag or commit; None is the repository's main branch"""
    folder: str = ""
    """path inside the repository, without slashes around it; empty is all of it"""
    number: str = ""
    """`#3` names the fourth dictionary of a file that holds several"""

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return (
            f"{SCHEME}{self.repo}{revision}{'/' if self.folder else ''}{self.folder}{self.number}"
        )

    @property
    def commit(self) -> str | None:
        """The revision, where it is a whole commit hash: such an address never changes."""
        return self.revision if self.revision and _COMMIT.fullmatch(self.revision) else None

    @property
    def stem(self) -> str:
        """What it is called where nobody gives it a name: the last part of its path."""
        return PurePosixPath(f"{self.repo}/{self.folder}").name + self.number

    def at(self, commit: str) -> "HubAddress":
        """The same folder at a commit."""
        return replace(self, revision=commit)


def is_address(named: str) -> bool:
    """Whether it is meant as an address of the hub, well formed or not."""
    return named.startswith(SCHEME)


def parse_address(named: str) -> HubAddress:
    """The parts of `hf://…`.

    Raises:
        AtlasError: it is none, names another kind of repository than a model's, or could lead out
            of the repository.
    """
    rest = without_number(named).removeprefix(SCHEME).removeprefix("models/")
    if rest.startswith(_OTHER_KINDS):
        raise AtlasError(
            f"{echoed(named)} is no repository of models, and others are not read: {SHAPE}."
        )
    match = _ADDRESS.fullmatch(rest)
    if match is None or not _REPOSITORY.fullmatch(match["repo"]) or _climbs(match["repo"]):
        raise AtlasError(f"{echoed(named)} is no address on the hub; it has the shape {SHAPE}.")
    revision, folder = match["revision"], (match["folder"] or "").rstrip("/")
    if revision is not None and (not _REVISION.fullmatch(revision) or _climbs(revision)):
        raise AtlasError(
            f"{echoed(named)} has the revision {echoed(revision)!r}, which can be none: give a "
            f"branch, a tag or a commit as in {SHAPE}."
        )
    if folder and not is_inside(folder):
        raise AtlasError(
            f"{echoed(named)} has the folder {echoed(folder)!r}, which is no path inside a "
            f"repository: {SHAPE}."
        )
    return HubAddress(match["repo"], revision, folder, named[len(without_number(named)) :])


def model_address(named: str) -> HubAddress | None:
    """Where a model's name leads on the hub: an address, or owner/name; None for anything else.

    A name is only looked for on the hub where there is no file or folder of that name.
    """
    if is_address(named):
        return parse_address(named)
    if Path(named).expanduser().exists() or not _MODEL_NAME.fullmatch(named) or _climbs(named):
        return None
    return HubAddress(named)


def dictionary_address(named: str) -> HubAddress | None:
    """Where a dictionary lies on the hub; None for a path on this machine."""
    return parse_address(named) if is_address(named) else None


def without_number(named: str) -> str:
    """The file of `learned_dicts.pt#3`; anything else as it is."""
    return _NUMBER.sub("", named)


def is_inside(path: str) -> bool:
    """Whether a path with slashes stays inside the folder it starts from, on every system."""
    parts = path.split("/")
    plain = path.isprintable() and "\\" not in path
    drives = any(re.fullmatch("[A-Za-z]:.*", part) for part in parts)
    return plain and not drives and all(part not in ("", ".", "..") for part in parts)


def _climbs(name: str) -> bool:
    return ".." in name or "--" in name  # "--" parts owner and repository in the cache
