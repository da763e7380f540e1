"""The decoder directions of a dictionary: unit rows in a file beside the atlas.

`atlas.decoders/` holds one `.npy` for each dictionary, float16 [d_sae, d_out], named by the SHA-256
of its bytes, which the atlas keeps: a file that is missing, cut or of another run is not used.
`DecoderFile` writes one, `get_directions` looks rows up. Knows no page.
"""

import hashlib
import io
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float16, Float32
from numpy import ndarray
from sqlalchemy import Connection, select

from app import durable, npy
from app.db import schema

ROWS_PER_BLOCK = 256
"""Rows that are best handed over at once."""


def decoders_folder(atlas: Path) -> Path:
    """Where the decoder rows of an atlas lie; `atlas.db.partial` shares that of `atlas.db`."""
    path = atlas.with_suffix("") if atlas.suffix == ".partial" else atlas
    return path.with_name(path.stem + ".decoders")


class DecoderFile:
    """The rows of one dictionary, on their way to the folder."""

    def __init__(self, atlas: Path, blocks: Iterable[Float[ndarray, "rows d_out"]]) -> None:
        """Takes unit rows block by block in feature order and holds all of them, two bytes each."""
        content = io.BytesIO()
        np.save(content, np.concatenate([np.asarray(rows, "<f2") for rows in blocks]))
        self._content = content.getvalue()
        self._folder = decoders_folder(atlas)
        self.hash = hashlib.sha256(self._content).hexdigest()
        self.n_bytes = len(self._content)

    def write(self) -> None:
        """Puts the file in place durably; one of that name, whole or not, is replaced."""
        durable.write(self._folder / _name(self.hash), self._content)


def drop_other_files(atlas: Path, hashes: Collection[str]) -> None:
    """Deletes the decoder rows of dictionaries that an atlas no longer holds."""
    folder = decoders_folder(atlas)
    if not folder.is_dir():
        return
    held = {_name(found) for found in hashes}
    for path in folder.iterdir():
        if path.name not in held:
            path.unlink()
    if not held:
        folder.rmdir()


def get_directions(
    connection: Connection, sae_id: int, d_out: int, feature_indices: Iterable[int]
) -> dict[int, Float32[ndarray, " d_out"]]:
    """Unit decoder rows by feature, rounded to float16 when they were stored.

    Empty where `directions_problem` has something to say or the dictionary was too large to keep
    them. A cosine of two of them is off by less than 0.001.
    """
    path, problem = _find(connection, sae_id)
    if path is None or problem:
        return {}
    rows = npy.mapped(path)
    if rows.ndim != 2 or rows.shape[1] != d_out:
        return {}
    return {
        index: np.asarray(rows[index], np.float32)
        for index in sorted(set(feature_indices))
        if 0 <= index < len(rows)
    }


def all_directions(connection: Connection, sae_id: int) -> Float16[ndarray, "d_sae d_out"] | None:
    """All unit decoder rows of a dictionary as they lie on disk, mapped; None where
    `directions_problem` has something to say or the dictionary was too large to keep them."""
    path, problem = _find(connection, sae_id)
    if path is None or problem:
        return None
    return npy.mapped(path)


def has_directions(connection: Connection, sae_id: int) -> bool:
    """Whether a dictionary's decoder rows were kept at all."""
    return _find(connection, sae_id)[0] is not None


def directions_problem(connection: Connection, sae_id: int) -> str:
    """Why a dictionary's decoder rows can't be read though the atlas counts on them; empty where
    they can or there never were any."""
    return _find(connection, sae_id)[1]


def _find(connection: Connection, sae_id: int) -> tuple[Path | None, str]:
    """The file of a dictionary and what is wrong with it."""
    table = schema.decoder_file
    row = connection.execute(select(table).where(table.c.sae_id == sae_id)).one_or_none()
    if row is None:
        return None, ""
    path = decoders_folder(_atlas_of(connection)) / _name(row.hash)
    try:
        state = path.stat()
    except OSError:
        return path, f"The file of decoder rows {path.parent.name}/{path.name} is missing."
    if state.st_size != row.n_bytes or _hash_of(path, state.st_mtime_ns) != row.hash:
        return path, f"The file of decoder rows {path.parent.name}/{path.name} is damaged."
    return path, ""


def _name(content_hash: str) -> str:
    return f"{content_hash[:32]}.npy"


def _atlas_of(connection: Connection) -> Path:
    """The file behind a connection."""
    files = {name: file for _, name, file in connection.exec_driver_sql("PRAGMA database_list")}
    return Path(files["main"])


@lru_cache(maxsize=64)
def _hash_of(path: Path, _changed_at: int) -> str:
    """Read whole, a tenth of a second for 64 MiB, once for each state of the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
