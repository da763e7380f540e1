"""Options that several commands share, as typer reads them."""

from pathlib import Path
from typing import Annotated

import typer

AtlasPath = Annotated[Path, typer.Argument(help="An atlas file.")]
NotebookPlace = Annotated[
    str,
    typer.Option(
        "--notebook",
        envvar="FEATURE_ATLAS_NOTEBOOK",
        metavar="PATH|URL",
        help="Where labels and notes are kept: a file (default: ATLAS.notebook.db), "
        "postgresql://…, or off.",
    ),
]
