"""Reads a dictionary from a local folder or file, whatever the format: one module per format.

`load_dictionary` recognises the format from the files and hands over to its reader. A new format
is a new module with its own READER and one line in READERS. Nothing here downloads anything, and
nothing read here is ever executed.
"""

from pathlib import Path

from app.errors import AtlasError, closest
from app.sae.dictionary import Dictionary
from app.sae.readers import (
    dictionary_learning,
    gemma_scope,
    llama_scope,
    openai,
    saelens,
    sparse_coding,
    sparsify,
)
from app.sae.readers.numbered import numbered
from app.sae.readers.reader import Reader
from app.sae.readers.unknown import seen, several

#: In the order they are asked; dictionary_learning takes any `.pt` file that no other knows.
READERS: tuple[Reader, ...] = (
    saelens.READER,
    sparsify.READER,
    gemma_scope.READER,
    llama_scope.READER,
    sparse_coding.READER,
    openai.READER,
    dictionary_learning.READER,
)


def load_dictionary(
    path: Path, *, sae_format: str | None = None, device: str = "cpu"
) -> Dictionary:
    """The dictionary at `path`, in float32 on `device`.

    `sae_format` names the reader ("saelens", "sparsify"); without it the files decide. Where a file
    holds several, `learned_dicts.pt#3` names one. Every fault of the files is an AtlasError:
    nothing there, an unknown layout, several dictionaries, missing or misshapen tensors, NaN or
    infinity, a damaged file, a pickle that wants to run code.
    """
    path = path.expanduser()
    if not numbered(path)[0].exists():
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
    if found := several(path, READERS):
        raise AtlasError(f"{path} holds {found}; name one of them.")
    raise AtlasError(
        f"{path} is no known dictionary: found {seen(numbered(path)[0])}, expected {_layouts()}; "
        "--sae-format names a format that is not recognised."
    )


def _layouts() -> str:
    return " or ".join(f"{reader.layout} ({reader.name})" for reader in READERS)
