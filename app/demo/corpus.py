"""The demo's text: the Python standard library as the running interpreter ships it.

Gives the library's sources, the language reference topics of `pydoc` and IDLE's text files as named
documents in a fixed order, and splits them into a training and a held-out part by file. It reads
only the interpreter's own installation, needs nothing but the standard library, and knows nothing
of tokens or models.
"""

import hashlib
import pydoc_data.topics
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "encodings", "ensurepip", "idle_test", "site-packages", "test", "tests"}
    | {"dist-packages", "lib-dynload"}
)
"""Tests quote odd text on purpose, `encodings` is mostly tables, the rest is not the library."""

SKIPPED_PREFIXES = ("_sysconfigdata", "config-", "pydoc_data/topics")
"""What a build writes about its own machine, and the topics, which come as one document each."""


class Document(NamedTuple):
    """One file of the corpus."""

    name: str
    """Path below the library's folder with `/` on every system, or `topic/<name>`."""
    text: str
    """The whole text, newlines as `\\n`."""


def stdlib_documents(root: Path | None = None) -> list[Document]:
    """Every document of the library at `root` (default: the running interpreter's own).

    Order: sources by name, then topics by name, then IDLE's text files by name; names are compared
    as strings, so the order is the same on every system. Files that are not UTF-8 are left out.
    """
    folder = root or Path(sysconfig.get_paths()["stdlib"])
    sources = _read(folder, (path for path in folder.rglob("*.py") if _belongs(path, folder)))
    topics = pydoc_data.topics.topics.items()
    idle = _read(folder, (folder / "idlelib").glob("*.txt"))
    return [
        *sorted(sources),
        *sorted(Document(f"topic/{name}", text) for name, text in topics),
        *sorted(idle),
    ]


def split(
    documents: Sequence[Document], seed: int = 0, share: float = 0.05
) -> tuple[list[Document], list[Document]]:
    """(training, held out), each in the order given; about `share` of the files are held out.

    A file's side depends on nothing but `seed` and its name: another Python version, with other
    files around it, holds out the same ones.
    """
    held_out = [_uniform(f"{seed}/{document.name}") < share for document in documents]
    sides = list(zip(documents, held_out, strict=True))
    return [d for d, held in sides if not held], [d for d, held in sides if held]


def _belongs(path: Path, folder: Path) -> bool:
    relative = path.relative_to(folder)
    return not SKIPPED_FOLDERS & set(relative.parts) and not relative.as_posix().startswith(
        SKIPPED_PREFIXES
    )


def _read(folder: Path, paths: Iterable[Path]) -> Iterator[Document]:
    for path in paths:
        try:
            yield Document(path.relative_to(folder).as_posix(), path.read_text("utf-8"))
        except UnicodeDecodeError:
            continue


def _uniform(key: str) -> float:
    """A number in [0, 1) that depends on the text of `key` alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
