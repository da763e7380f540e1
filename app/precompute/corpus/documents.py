"""Where documents come from: files, folders, JSON lines, Parquet, the Hugging Face hub, or memory.

`open_corpus` turns what a user typed into a `Source`: either `Documents`, read lazily and in a
fixed order under stable names ("guide/intro.txt", "data.jsonl:17"), or a `TokenArray`, ids somebody
else made. Long documents arrive in parts, so memory stays bounded however long one is. Everything
wrong with an input is one `AtlasError` naming file and line. Knows nothing of tokens.
"""

import gzip
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Protocol, runtime_checkable

from app.errors import AtlasError, closest
from app.precompute.corpus import document_files

PART_SIZE = 1_000_000
"""characters after which a document is handed on in parts"""

_FORMATS = "a .txt, .jsonl or .parquet file, a folder of them, a .npy token array or a dataset name"
_LINES = (".jsonl", ".ndjson", ".json")
_KNOWN = (".txt", ".md", *_LINES, ".parquet", ".npy")
_DATASET = re.compile(r"(?P<name>[\w.-]+(?:/[\w.-]+)?)(?::(?P<config>[\w.-]+))?")


@runtime_checkable
class Named(Protocol):
    """Anything with a name and a text can be a document in memory."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class Document:
    """A document, or the next part of a long one."""

    name: str
    """Stable: path below the corpus, then `:row` (from 1) where a file holds many documents."""
    text: str
    continues: bool = False
    """True: the next part of the document before it."""


@dataclass(frozen=True)
class Documents:
    """A source of texts. Iterating reads it anew, from the start, in the same order."""

    name: str
    """Short name for pages: the last part of the path, or the dataset's name."""
    spec: str
    """What was asked for, without the folders of whose machine it was; a dataset with its
    configuration."""
    read: Callable[[], Iterable[tuple[str, Iterable[str]]]]
    """(document name, the pieces of its text) for every document"""

    def __iter__(self) -> Iterator[Document]:
        for name, pieces in self.read():
            for i, text in enumerate(in_parts(pieces)):
                yield Document(name, text, continues=i > 0)


@dataclass(frozen=True)
class TokenArray:
    """Ids in a `.npy` file, used exactly as they are; read by `app.precompute.corpus.tokens`."""

    name: str
    spec: str
    path: Path


Source = Documents | TokenArray


def open_corpus(spec: str, *, text_field: str = "text", split: str = "train") -> Source:
    """The source that `spec` names; files are recognised by their ending, `.gz` may follow it.

    A dataset name is `owner/name` or `owner/name:config`, read by streaming. `text_field` is the
    JSON key or column that holds the text, `split` the dataset's split.

    Raises:
        AtlasError: nothing is there, or it lacks the text field. Faults deeper in a file are raised
            when they are read.
    """
    if not spec.strip():
        raise AtlasError(f"The corpus has an empty name: give {_FORMATS}.")
    path = Path(spec).expanduser()
    if os.path.isdir(path):
        files = _folder_files(path)
        readers = [_reader(file, name, text_field) for name, file in files.items()]
        name = path.resolve().name
        return Documents(name, name, lambda: (d for read in readers for d in read()))
    if os.path.exists(path):
        if path.suffix == ".npy":
            return TokenArray(path.name, path.name, path)
        return Documents(path.name, path.name, _reader(path, path.name, text_field))
    match = _DATASET.fullmatch(spec)
    if match is None or _stem_suffix(path) in _KNOWN or spec.startswith((".", "~")):
        raise AtlasError(f"The corpus {spec!r} does not exist: give {_FORMATS}.{_hint(path)}")
    rows = document_files.hub_rows(match["name"], match["config"], split, text_field)
    return Documents(
        match["name"],
        spec,
        partial(document_files.dataset_documents, rows, match["name"], text_field),
    )


def from_documents(documents: Iterable[Named], name: str, spec: str | None = None) -> Documents:
    """A source of documents already in memory; `documents` must be iterable more than once."""
    return Documents(name, spec or name, lambda: ((d.name, [d.text]) for d in documents))


def in_parts(pieces: Iterable[str], size: int | None = None) -> Iterator[str]:
    """One text, given in pieces, as parts of at most `size` (PART_SIZE) characters.

    Where a cut falls depends on the text and `size` alone, never on the pieces. It falls at the
    last place in the second half of a part where tokenizers split too: between a line's end and a
    next line that starts with text, else before a space between two words; failing both, anywhere.
    An empty text is one empty part.
    """
    size = size or PART_SIZE
    rest, n_parts = "", 0
    for piece in pieces:
        rest += piece
        start = 0
        while len(rest) - start > size:
            end = _cut(rest, start, start + size)
            yield rest[start:end]
            start, n_parts = end, n_parts + 1
        rest = rest[start:]
    if rest or not n_parts:
        yield rest


_LINE_END = re.compile(r"(?<=\S\n)(?=\S)")
_WORD_END = re.compile(r"(?<=\S)(?= \S)")


def _cut(text: str, start: int, end: int) -> int:
    """Where to end the part that begins at `start`; text[end] exists.

    The patterns look two characters back and see up to text[end]: neither text before `start` nor
    how much is known after `end` can change the answer.
    """
    middle = start + max(2, (end - start + 1) // 2)
    for pattern in (_LINE_END, _WORD_END):
        cuts = [match.start() for match in pattern.finditer(text, middle, end + 1)]
        if cuts:
            return cuts[-1]
    return end


def _reader(path: Path, name: str, text_field: str) -> document_files.Reader:
    """How to read one file's documents, by its ending; checks now what can be checked now."""
    if not os.access(path, os.R_OK):
        raise AtlasError(f"The corpus file {path} can't be read: check its permissions.")
    suffix = _stem_suffix(path)
    if suffix == ".npy":
        raise AtlasError(
            f"{path} is a token array inside a folder of texts: give the .npy file itself."
        )
    if suffix == ".parquet":
        document_files.check_parquet(path, text_field)
        return partial(document_files.parquet_documents, path, name, text_field)
    opener = partial(_open, path)
    if suffix in _LINES:
        return partial(document_files.json_documents, opener, path, name, text_field)
    return partial(document_files.text_documents, opener, path, name)


def _open(path: Path) -> BufferedIOBase:
    return gzip.GzipFile(path) if path.suffix.lower() == ".gz" else open(path, "rb")


def _folder_files(folder: Path) -> dict[str, Path]:
    """Every file below `folder` by its relative name, sorted; what is hidden is skipped."""
    found: dict[str, Path] = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in files:
            path = Path(place, file)
            if not file.startswith(".") and path.is_file():
                found[path.relative_to(folder).as_posix()] = path
    if not found:
        raise AtlasError(f"The corpus folder {folder} holds no files: give {_FORMATS}.")
    return dict(sorted(found.items()))


def _stem_suffix(path: Path) -> str:
    """The ending that names the format, in lower case, looking through `.gz`."""
    return (Path(path.stem) if path.suffix.lower() == ".gz" else path).suffix.lower()


def _hint(path: Path) -> str:
    """The names most like the one asked for, where its folder exists."""
    if not os.path.isdir(path.parent):
        return ""
    names = [p.name for p in path.parent.iterdir() if not p.name.startswith(".")]
    return f" In {path.parent} there is: {closest(path.name, names)}." if names else ""
