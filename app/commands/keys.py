"""`feature-atlas keys`: who may see and write."""

from typing import Annotated

import typer

from app.commands.opened import AtlasOfNotebook, opened_notebook
from app.commands.options import NotebookPlace

keys = typer.Typer(
    name="keys", help="Make, list and revoke the keys of an atlas.", rich_markup_mode=None
)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="Whose it is; what they write is signed with it.")],
    atlas: AtlasOfNotebook = None,
    role: Annotated[
        str, typer.Option(help="read, write, or admin.", metavar="read|write|admin")
    ] = "read",
    dictionary: Annotated[
        str, typer.Option(help="The only dictionary it shows.", metavar="MODEL/SAE")
    ] = "",
    days: Annotated[
        float | None, typer.Option(help="How long it is good; without it, until it is revoked.")
    ] = None,
    notebook: NotebookPlace = "",
) -> None:
    """Make a key and print it, this once: only its hash is kept.

    From the first key on nobody gets in without one, unless the server is started with --public.
    """
    from app.access import keys as made
    from app.access.listing import key_sentence
    from app.access.viewer import role_of
    from app.db.dictionary_address import read_address

    limit = read_address(dictionary, atlas) if dictionary else None
    with opened_notebook(atlas, notebook) as opened:
        key, token = made.create_key(opened, name, role_of(role), limit, days)
    typer.echo(key_sentence(key), err=True)
    typer.echo(f"It opens http://…/?key={token}", err=True)
    typer.echo(token)


@keys.command("list")
def list_keys(atlas: AtlasOfNotebook = None, notebook: NotebookPlace = "") -> None:
    """Print every key there ever was, without what opens anything."""
    from app.access import keys as made
    from app.access.listing import key_lines

    with opened_notebook(atlas, notebook) as opened:
        typer.echo("\n".join(key_lines(made.list_keys(opened))))


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Its number in `keys list`.", metavar="KEY")],
    atlas: AtlasOfNotebook = None,
    notebook: NotebookPlace = "",
) -> None:
    """End a key now, and the share links made with it."""
    from app.access import keys as made

    with opened_notebook(atlas, notebook) as opened:
        ended = made.revoke_key(opened, key)
    typer.echo(f"The key {ended.key_id} of {ended.viewer.name} opens nothing any more.")
