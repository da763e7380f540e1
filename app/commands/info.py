"""`feature-atlas info`: what an atlas holds."""

import typer

from app.commands.options import AtlasPath


def info(atlas: AtlasPath) -> None:
    """Print what an atlas holds and how it was made."""
    from app.db.info import describe_atlas

    typer.echo(describe_atlas(atlas))
