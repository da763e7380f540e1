"""What the directory of a zip archive promises, looked at before anything in it is unpacked.

Takes a path, gives a sentence or nothing: some kilobytes can be packed so that they unpack to all
the memory there is. Knows nothing of what the members hold.
"""

import zipfile
from pathlib import Path

from app.errors import AtlasError, echoed
from app.sae.readers.pickled import DAMAGE

#: Unpacked, an archive may be so many times as large as its file: trained weights hardly shrink.
MOST_SWOLLEN = 50
#: Bytes that any machine has room for, however well they were packed.
ROOM = 2**28


def require_stored(path: Path) -> None:
    """AtlasError for an archive whose members are compressed, or share their bytes."""
    entries = _entries(path)
    packed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise AtlasError(
            f"{path} holds compressed members ({echoed(packed[0].filename)!r}), which torch.save "
            "never writes: nothing of it was unpacked; save it again with torch.save."
        )
    if _unpacked(entries) > path.stat().st_size:
        raise AtlasError(
            f"{path} holds members that are larger together than the file: it is damaged, or made "
            "to fill the memory; copy or download it again."
        )


def require_sane(path: Path) -> None:
    """AtlasError for an archive that would unpack to far more than weights ever do."""
    unpacked, size = _unpacked(_entries(path)), path.stat().st_size
    if unpacked > max(ROOM, MOST_SWOLLEN * size):
        raise AtlasError(
            f"{path} would unpack from {size:,} to {unpacked:,} bytes, which trained weights never "
            "do: it is made to fill the memory, and nothing of it was unpacked; download it again."
        )


def needs_memory(path: Path) -> AtlasError:
    """The sentence for a file that says it holds more than there is room for."""
    return AtlasError(
        f"{path} needs more memory than this machine has left, or is damaged: compare its size "
        "with the original's, or read it on a larger machine."
    )


def _entries(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except DAMAGE as error:
        raise AtlasError(
            f"{path} is damaged or no archive ({type(error).__name__}); copy or download it again."
        ) from error


def _unpacked(entries: list[zipfile.ZipInfo]) -> int:
    return sum(entry.file_size for entry in entries)
