"""Which dictionaries of an atlas a model can be run with: those of files. Free of torch."""

from collections.abc import Sequence
from pathlib import Path

from app.db.catalog import Sae, list_saes
from app.db.engine import open_atlas
from app.errors import AtlasError


def runnable(atlas: Path, saes: Sequence[Sae]) -> list[Sae]:
    """Those of an atlas' dictionaries whose weights can be loaded.

    Raises:
        AtlasError: none.
    """
    found = [sae for sae in saes if sae.is_runnable]
    if not found and saes:
        raise AtlasError(
            f"{atlas} holds no dictionary whose weights it knows: they were imported, or given as "
            "functions or firings. Leave out --live, or run their files with `feature-atlas "
            "precompute`."
        )
    if not found:
        raise AtlasError(f"{atlas} holds no dictionary to run.")
    return found


def check_runnable(atlas: Path) -> None:
    """Refuses, before a process loads anything, an atlas of which nothing can be run.

    Raises:
        AtlasError: as `runnable`, or the atlas can't be opened.
    """
    opened = open_atlas(atlas)
    try:
        with opened.connect() as connection:
            runnable(atlas, list_saes(connection))
    finally:
        opened.close()
