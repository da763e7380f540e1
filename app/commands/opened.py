"""The notebook that commands about keys and links are about."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from app.errors import AtlasError
from app.settings import Settings

AtlasOfNotebook = Annotated[
    Path | None, typer.Argument(help="An atlas file, for its notebook; or give --notebook.")
]


@contextmanager
def opened_notebook(atlas: Path | None, place: str) -> Iterator[Engine]:
    """The notebook that is named, or that of an atlas."""
    from app.notebook.database import open_notebook

    if atlas is None and not place:
        raise AtlasError("Name the atlas whose notebook is meant, or give --notebook.")
    found = Settings(atlas=atlas or Path(), notebook=place).notebook_place
    if found is None:
        raise AtlasError("--notebook off keeps no notebook: keys and links are kept in one.")
    engine = open_notebook(found)
    try:
        yield engine
    finally:
        engine.dispose()
