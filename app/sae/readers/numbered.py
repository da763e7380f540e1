"""A dictionary among several in one file: `learned_dicts.pt#3` is the fourth of that file.

Knows no format.
"""

import re
from pathlib import Path

_NUMBERED = re.compile(r"^(.+)#(\d+)$")


def numbered(path: Path) -> tuple[Path, int | None]:
    """(the file, the number behind its name or None); a file that is itself called so is meant."""
    found = _NUMBERED.match(path.name)
    if found is None or path.exists():
        return path, None
    return path.with_name(found[1]), int(found[2])
