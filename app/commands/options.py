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
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
