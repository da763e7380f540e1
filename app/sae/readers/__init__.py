"""Reads a dictionary from a local folder or file, whatever the format: one module per format.

`load_dictionary` recognises the format from the files and hands over to its reader. A new format
is a new module with its own READER and one line in READERS. Nothing here downloads anything, and
nothing read here is ever executed.
"""

from pathlib import Path

from app.errors import AtlasError, closest
from app.sae.dictionary import Dictionary
from app.sae.readers import dictionary_learning, saelens
from app.sae.readers.reader import Reader

#: In the order they are asked.
READERS: tuple[Reader, ...] = (saelens.READER, dictionary_learning.READER)


def load_dictionary(
    path: Path, *, sae_format: str | None = None, device: str = "cpu"
) -> Dictionary:
    """The dictionary at `path`, in float32 on `device`.

    `sae_format` names the reader ("saelens", "dictionary_learning"); without it the files decide.
    Every fault of the files is an AtlasError: nothing there, an unknown layout, missing or
    misshapen tensors, NaN or infinity, a damaged file, a pickle that wants to run code.
    """
    path = path.expanduser()
    if not path.exists():
        raise AtlasError(
            f"No dictionary at {path}: the path does not exist; give a folder that holds "
            f"{_layouts()}."
        )
    return _reader_for(path, sae_format).read(path).to(device)


def _reader_for(path: Path, sae_format: str | None) -> Reader:
    if sae_format is not None:
        by_name = {reader.name: reader for reader in READERS}
        if sae_format not in by_name:
            raise AtlasError(
                f"Unknown dictionary format {sae_format!r}; known are "
                f"{closest(sae_format, by_name)}."
            )
        return by_name[sae_format]
    for reader in READERS:
        if reader.recognises(path):
            return reader
    raise AtlasError(f"{path} is no known dictionary: found {_seen(path)}, expected {_layouts()}.")


def _layouts() -> str:
    return " or ".join(f"{reader.layout} ({reader.name})" for reader in READERS)


def _seen(path: Path) -> str:
    if path.is_file():
        return f"a single file {path.name}"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
    shown = ", ".join(names[:8]) or "an empty folder"
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")
