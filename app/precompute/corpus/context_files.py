"""The folder of token contexts that every later stage reads, written row by row.

`tokens.npy`, `counted.npy`, `document_ids.npy` (each [n_contexts, context_size]), `documents.json`
and `corpus.json`. Rows are appended as they come, so memory does not grow with the corpus; the
folder is made under a temporary name beside its own and renamed when it is whole. It is opened by
`app.stats.corpus.Corpus`. Knows nothing of tokenizers or packing.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy import ndarray

from app.errors import AtlasError

METADATA = "corpus.json"


class ContextsWriter:
    """Appends rows to a new folder.

    Used as a context manager. The folder appears on `finish`; if that is never reached, nothing is
    left behind but, after a kill, a `.NAME.partial` beside it that the next writer removes.
    """

    def __init__(self, folder: Path, context_size: int, token_dtype: np.dtype) -> None:
        """Raises AtlasError if `folder` exists and holds anything but contexts."""
        if folder.exists() and not _is_ours(folder):
            raise AtlasError(
                f"{folder} exists and holds no token contexts: remove it or choose another place."
            )
        self.folder = folder
        self.partial = folder.with_name(f".{folder.name}.partial")
        self.n_contexts = 0
        self.n_tokens = 0
        """counted tokens so far"""
        self.n_documents = 0
        """documents named so far"""
        self._hash = hashlib.sha256()
        with _writing(folder):
            if self.partial.exists():
                shutil.rmtree(self.partial)
            self.partial.mkdir(parents=True)
            self._tokens = _GrowingArray(self.partial / "tokens.npy", context_size, token_dtype)
            self._counted = _GrowingArray(
                self.partial / "counted.npy", context_size, np.dtype(bool)
            )
            self._documents = _GrowingArray(
                self.partial / "document_ids.npy", context_size, np.dtype("<i4")
            )
            self._names = open(self.partial / "documents.json", "w", encoding="utf-8")  # noqa: SIM115

    def append(self, token_ids: ndarray, counted: ndarray, document_ids: ndarray) -> None:
        """Rows [n, context_size] in order; ids must fit the token dtype."""
        with _writing(self.folder):
            self._hash.update(self._tokens.append(token_ids))
            self._counted.append(counted)
            self._documents.append(document_ids)
        self.n_contexts += len(token_ids)
        self.n_tokens += int(counted.sum())

    def name_document(self, name: str) -> None:
        """Names the next row of the list of documents."""
        with _writing(self.folder):
            self._names.write((",\n" if self.n_documents else "[\n") + json.dumps(name))
        self.n_documents += 1

    def finish(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """Writes what only the end knows and puts the folder in its place, over an older one.

        Returns `metadata` with n_contexts, n_tokens, n_documents and hash: the SHA-256 of the bytes
        of the token rows as stored, then "n_contexts,context_size".
        """
        shape = f"{self.n_contexts},{self._tokens.width}"
        self._hash.update(shape.encode())
        metadata = metadata | {
            "hash": self._hash.hexdigest(),
            "n_contexts": self.n_contexts,
            "n_tokens": self.n_tokens,
            "n_documents": self.n_documents,
        }
        with _writing(self.folder):
            for array in (self._tokens, self._counted, self._documents):
                array.finish()
            self._names.write("\n]\n" if self.n_documents else "[]\n")
            self._names.close()
            text = json.dumps(metadata, indent=1, ensure_ascii=False)
            (self.partial / METADATA).write_text(text + "\n", "utf-8")
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.partial.rename(self.folder)
        return metadata

    def __enter__(self) -> "ContextsWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in (self._tokens, self._counted, self._documents, self._names):
            try:
                file.close()
            except OSError:
                continue  # what a full disk could not take is about to be removed
        shutil.rmtree(self.partial, ignore_errors=True)


class _GrowingArray:
    """A `.npy` file of rows whose number is known only at the end.

    numpy pads the header so that the first axis can grow without moving the data.
    """

    def __init__(self, path: Path, width: int, dtype: np.dtype) -> None:
        self.width, self._dtype, self._n_rows = width, dtype, 0
        self._file = open(path, "wb")  # noqa: SIM115
        self._write_header()

    def append(self, rows: ndarray) -> bytes:
        """Writes the rows; returns the bytes written."""
        data = np.ascontiguousarray(rows, dtype=self._dtype).tobytes()
        self._file.write(data)
        self._n_rows += len(rows)
        return data

    def finish(self) -> None:
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def close(self) -> None:
        self._file.close()

    def _write_header(self) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._n_rows, self.width),
        }
        np.lib.format.write_array_header_1_0(self._file, header)


def _is_ours(folder: Path) -> bool:
    """Whether `folder` may be replaced: it is empty or holds finished contexts."""
    return (folder / METADATA).is_file() or (folder.is_dir() and not any(folder.iterdir()))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AtlasError(
            f"The token contexts can't be written to {folder}: {error.strerror or error}. "
            "Make room there or choose another place, then run the same command again."
        ) from error
