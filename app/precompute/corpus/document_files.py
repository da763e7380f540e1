"""One reader per kind of file: text, JSON lines, Parquet, and rows of a Hugging Face dataset.

Each gives (document name, the pieces of its text) lazily and turns whatever is wrong with the file
into one `AtlasError` naming file and line. Which reader a corpus needs: see `documents.py`.
pyarrow and datasets are imported only when a corpus needs them.
"""

import codecs
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BufferedIOBase
from pathlib import Path
from types import ModuleType
from typing import Any

from app.errors import AtlasError, closest

Texts = Iterator[tuple[str, Iterable[str]]]
Reader = Callable[[], Texts]

_READ_SIZE = 1 << 20


def text_documents(opener: Callable[[], BufferedIOBase], path: Path, name: str) -> Texts:
    """One document: the whole file, newlines as they are, a leading byte order mark dropped."""
    yield name, _decoded(opener, path)


def json_documents(
    opener: Callable[[], BufferedIOBase], path: Path, name: str, text_field: str
) -> Texts:
    """One document per line, named `name:line` (from 1); blank lines are skipped."""
    with _reading(path), opener() as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}, line {number}"
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if line.strip():
                yield f"{name}:{number}", [_json_text(line, where, text_field)]


def check_parquet(path: Path, text_field: str) -> None:
    """Raises AtlasError unless the file is Parquet with a column of texts called `text_field`."""
    parquet, types = _imported("pyarrow.parquet", path), _imported("pyarrow.types", path)
    with _reading(path):
        schema = parquet.read_schema(path)
    if text_field not in schema.names:
        raise _no_field(str(path), text_field, schema.names, "column")
    kind = schema.field(text_field).type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
        raise AtlasError(
            f"{path}: column {text_field!r} holds {kind}, not text: name the column that holds "
            f"the text (columns: {', '.join(schema.names)})."
        )


def parquet_documents(path: Path, name: str, text_field: str) -> Texts:
    """One document per row, named `name:row` (from 1), read a few hundred rows at a time."""
    parquet = _imported("pyarrow.parquet", path)
    with _reading(path), parquet.ParquetFile(path) as file:
        number = 0
        for batch in file.iter_batches(batch_size=256, columns=[text_field]):
            for text in batch.column(0).to_pylist():
                number += 1
                yield f"{name}:{number}", [_checked(text, f"{path}, row {number}", text_field)]


def hub_rows(
    name: str, config: str | None, split: str, text_field: str
) -> Iterable[dict[str, Any]]:
    """The rows of a dataset on the Hugging Face hub, streamed; its columns are checked if known.

    Raises:
        AtlasError: it can't be opened (no such dataset, no network, unknown split or config).
    """
    datasets = _imported("datasets", name)
    try:
        rows = datasets.load_dataset(name, config, split=split, streaming=True)
    except Exception as error:  # the library raises whatever its file systems and hub client raise
        raise AtlasError(
            f"The corpus {name!r} is not a file here and could not be opened as a Hugging Face "
            f"dataset (split {split!r}): {_first_line(error)}. Check the name, give a config as "
            f"{name}:CONFIG, or give a local file."
        ) from error
    if rows.column_names is not None and text_field not in rows.column_names:
        raise _no_field(f"The dataset {name}", text_field, rows.column_names, "column")
    return rows


def dataset_documents(rows: Iterable[dict[str, Any]], name: str, text_field: str) -> Texts:
    """One document per row of a dataset, named `name:row` (from 1)."""
    try:
        for number, row in enumerate(rows, start=1):
            where = f"The dataset {name}, row {number}"
            if text_field not in row:
                raise _no_field(where, text_field, row, "column")
            yield f"{name}:{number}", [_checked(row[text_field], where, text_field)]
    except AtlasError:
        raise
    except Exception as error:  # see hub_rows
        raise AtlasError(
            f"Reading the dataset {name} failed: {_first_line(error)}. "
            "Try again, or give a local file."
        ) from error


def _decoded(opener: Callable[[], BufferedIOBase], path: Path) -> Iterator[str]:
    """A file's text in pieces of about a megabyte."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    n_lines = 0
    with _reading(path), opener() as file:
        while True:
            chunk = file.read(_READ_SIZE)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # error.object also holds bytes kept from the chunk before; they end no line
                line = n_lines + error.object[: error.start].count(b"\n") + 1
                raise _not_utf8(f"{path}, line {line}", error) from error
            if text:
                yield text
            if not chunk:
                return
            n_lines += text.count("\n")


def _json_text(line: bytes, where: str, text_field: str) -> str:
    try:
        row = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise _not_utf8(where, error) from error
    except (ValueError, RecursionError) as error:
        hint = " (a JSON array must become one object per line)" if line[:1] == b"[" else ""
        raise AtlasError(
            f"{where}: not valid JSON, {_first_line(error)}; "
            f"expected one JSON object per line{hint}."
        ) from error
    if not isinstance(row, dict):
        raise AtlasError(
            f"{where}: expected a JSON object with the text under {text_field!r}, "
            f"found a {type(row).__name__}."
        )
    if text_field not in row:
        raise _no_field(where, text_field, row, "key")
    return _checked(row[text_field], where, text_field)


def _checked(text: object, where: str, text_field: str) -> str:
    if not isinstance(text, str):
        raise AtlasError(f"{where}: {text_field!r} holds {_kind(text)}, expected text.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise AtlasError(
            f"{where}: {text_field!r} holds half a character (\\u{ord(text[error.start]):04x} "
            f"alone) at character {error.start + 1}; expected whole Unicode text."
        ) from error
    return text


def _kind(value: object) -> str:
    return "nothing (null)" if value is None else f"a {type(value).__name__}"


def _no_field(where: str, text_field: str, fields: Iterable[str], word: str) -> AtlasError:
    names = list(fields)
    known = f"the closest are: {closest(text_field, names)}" if names else "it has none"
    return AtlasError(
        f"{where}: no {word} {text_field!r}; {known}. Name the {word} that holds the text."
    )


def _not_utf8(where: str, error: UnicodeDecodeError) -> AtlasError:
    return AtlasError(
        f"{where}: byte 0x{error.object[error.start]:02x} is not valid UTF-8; texts must be UTF-8, "
        "so convert the file or leave it out."
    )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what file systems, gzip and pyarrow raise while reading `path` into an AtlasError."""
    try:
        yield
    except (OSError, EOFError, zlib.error, ValueError) as error:
        # gzip raises OSError, EOFError or zlib.error; pyarrow's errors are ValueErrors or OSErrors
        raise AtlasError(f"The corpus file {path} can't be read: {_first_line(error)}.") from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _imported(module: str, wanted_for: object) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise AtlasError(
            f"Reading {wanted_for} needs the package {package}: pip install {package}."
        ) from error
