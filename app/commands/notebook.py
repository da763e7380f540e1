"""`feature-atlas notebook`: what people wrote, taken out and in."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands.options import AtlasPath, NotebookPlace
from app.settings import Settings

notebook = typer.Typer(
    name="notebook", help="Take labels, notes and lists out, or in.", rich_markup_mode=None
)
LinesFile = Annotated[Path, typer.Argument(help="A file of JSON lines.", metavar="FILE")]


@notebook.command("export")
def export_notebook(atlas: AtlasPath, file: LinesFile, place: NotebookPlace = "") -> None:
    """Write everything in the notebook of an atlas, its history included, as JSON lines."""
    from app.notebook.files import export_file

    typer.echo(export_file(Settings(atlas=atlas, notebook=place).notebook_place, file))


@notebook.command("import")
def import_notebook(
    atlas: AtlasPath,
    file: LinesFile,
    place: NotebookPlace = "",
    source: Annotated[str, typer.Option(help="Where labels come from whose lines don't say.")] = "",
    sae: Annotated[
        str,
        typer.Option(help="Dictionary of lines that name none.", metavar="MODEL/SAE"),
    ] = "",
) -> None:
    """Read JSON lines: an exported notebook, or explanations written elsewhere, as labels.

    A line needs "feature_index" and "text", and "model" and "sae" where --sae doesn't give them.
    All of the file is taken or, after a mistake in it, nothing; taking it again changes nothing.
    """
    from app.db.known_features import weights_hashes
    from app.notebook.files import import_file

    found = Settings(atlas=atlas, notebook=place).notebook_place
    typer.echo(import_file(found, file, source or file.stem, sae, weights_hashes(atlas)))
