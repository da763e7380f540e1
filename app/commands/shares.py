"""`feature-atlas shares`: the links that open one page each."""

from typing import Annotated

import typer

from app.commands.opened import AtlasOfNotebook, opened_notebook
from app.commands.options import NotebookPlace

shares = typer.Typer(name="shares", help="List and revoke share links.", rich_markup_mode=None)


@shares.command("list")
def list_shares(atlas: AtlasOfNotebook = None, notebook: NotebookPlace = "") -> None:
    """Print every share link there ever was, without what opens anything."""
    from app.access import shares as made
    from app.access.listing import share_lines

    with opened_notebook(atlas, notebook) as opened:
        typer.echo("\n".join(share_lines(made.list_shares(opened))))


@shares.command("revoke")
def revoke_share(
    link: Annotated[str, typer.Argument(help="Its number in `shares list`.", metavar="LINK")],
    atlas: AtlasOfNotebook = None,
    notebook: NotebookPlace = "",
) -> None:
    """End a share link now."""
    from app.access import shares as made

    with opened_notebook(atlas, notebook) as opened:
        ended = made.revoke_share(opened, link, "the command line")
    typer.echo(f"The link {ended.share_id} to {ended.address} opens nothing any more.")
