"""`feature-atlas export`: an atlas, or one feature, as files."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands.export_formats import FORMATS
from app.commands.options import AtlasPath, NotebookPlace

WithLabels = Annotated[
    bool,
    typer.Option("--with-labels", help="With the notebook's labels, and who wrote them."),
]
WithNotes = Annotated[
    bool, typer.Option("--with-notes", help="With the notebook's notes, and who wrote them.")
]
export = typer.Typer(name="export", help="Take an atlas out of the server.", rich_markup_mode=None)


@export.command("site")
def export_site(
    atlas: AtlasPath,
    output: Annotated[Path, typer.Argument(help="A folder: new, empty or of an earlier export.")],
    sae: Annotated[
        list[str] | None,
        typer.Option(help="Only this dictionary (repeatable).", metavar="MODEL/SAE"),
    ] = None,
    features: Annotated[
        str, typer.Option(help="Of each dictionary: all, a range (0..99) or numbers (1,5,7).")
    ] = "all",
    base_url: Annotated[
        str, typer.Option(help="Where the site will be reached (https://…): for link previews.")
    ] = "",
    with_labels: WithLabels = False,
    with_notes: WithNotes = False,
    notebook: NotebookPlace = "",
) -> None:
    """Write an atlas as a site of plain files, for any file host.

    Nothing of what people wrote goes with it unless it is asked for.
    """
    from app.web.export.site import export_site as write_site
    from app.web.export.written import Written

    written = Written(with_labels, with_notes, notebook)
    write_site(atlas, output, sae or [], features, base_url, written=written)


@export.command("feature")
def export_feature(
    atlas: AtlasPath,
    feature: Annotated[str, typer.Argument(help="Which one.", metavar="MODEL/SAE/NUMBER")],
    output: Annotated[Path, typer.Argument(help="The file to write.")],
    base_url: Annotated[
        str, typer.Option(help="Where the atlas is reached (https://…): for links in the file.")
    ] = "",
    with_labels: WithLabels = False,
    with_notes: WithNotes = False,
    notebook: NotebookPlace = "",
) -> None:
    """Write one feature as one HTML file that needs nothing else.

    Nothing of what people wrote goes with it unless it is asked for.
    """
    from app.web.export.single import export_feature as write_feature
    from app.web.export.written import Written

    written = Written(with_labels, with_notes, notebook)
    write_feature(atlas, feature, output, base_url, written)


for name, command in FORMATS.items():
    export.command(name)(command)
