"""Reads a dictionary from a local folder or file, whatever the format: one module per format.

`load_dictionary` recognises the format from the files and hands over to its reader. A new format
is a new module with its own READER and one line in READERS. Nothing here downloads anything, and
nothing read here is ever executed.
"""

from dataclasses import replace
from pathlib import Path

from app.errors import AtlasError, closest, unreadable
from app.opening import require_file
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
from app.sae.readers.below import below
from app.sae.readers.numbered import numbered
from app.sae.readers.reader import Reader
from app.sae.readers.unknown import seen
from app.sae.recognition import Finding

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
    holds several, `learned_dicts.pt#3` names one; a folder with a single dictionary somewhere below
    stands for that one. Every fault of the files is an AtlasError:
    nothing there, an unknown layout, several dictionaries, missing or misshapen tensors, NaN or
    infinity, a damaged file, a pickle that wants to run code.
    """
    path = path.expanduser()
    try:
        dictionary = _read(path, sae_format)
    except OSError as error:
        raise unreadable(path, error) from error
    return dictionary.to(device)


def _read(path: Path, sae_format: str | None) -> Dictionary:
    file = numbered(path)[0]
    if not file.exists():
        raise AtlasError(
            f"No dictionary at {path}: the path does not exist; give a folder that holds "
            f"{_layouts()}."
        )
    if not file.is_dir():
        require_file(file)
    if sae_format is not None:
        return _reader_named(sae_format).read(path)
    reader = next((reader for reader in READERS if reader.recognises(path)), None)
    return _read_below(path) if reader is None else reader.read(path)


def _reader_named(sae_format: str) -> Reader:
    by_name = {reader.name: reader for reader in READERS}
    if sae_format not in by_name:
        raise AtlasError(
            f"Unknown dictionary format {sae_format!r}; known are {closest(sae_format, by_name)}."
        )
    return by_name[sae_format]


def _read_below(path: Path) -> Dictionary:
    """The only dictionary in the folders below one that is none itself."""
    inside = below(path, READERS)
    if inside.only is not None:
        place, reader = inside.only
        return _found_at(place, path, reader.read(path / place))
    if found := inside.dictionaries():
        raise AtlasError(f"{path} holds {found}{inside.left_out()}; name one of them.")
    raise AtlasError(
        f"{path} is no known dictionary: found {seen(numbered(path)[0])}, expected {_layouts()}; "
        f"--sae-format names a format that is not recognised{inside.left_out()}."
    )


def _found_at(place: Path, folder: Path, dictionary: Dictionary) -> Dictionary:
    config = dictionary.config
    found = Finding("found at", str(place), f"the only dictionary below {folder}")
    recognition = replace(config.recognition, findings=(found, *config.recognition.findings))
    return replace(dictionary, config=replace(config, recognition=recognition))


def _layouts() -> str:
    return " or ".join(f"{reader.layout} ({reader.name})" for reader in READERS)
