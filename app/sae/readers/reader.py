"""What every format's module offers to `load_dictionary`. Knows no format itself."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.sae.dictionary import Dictionary


@dataclass(frozen=True)
class Reader:
    """One on-disk format."""

    #: How `sae_format` calls it.
    name: str
    #: The files that make up a dictionary of this format, for a sentence.
    layout: str
    #: Whether the folder or file looks like this format, without reading it.
    recognises: Callable[[Path], bool]
    #: The dictionary, in float32 on the CPU; AtlasError if the files are not sound.
    read: Callable[[Path], Dictionary]
