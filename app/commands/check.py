"""`feature-atlas check`: whether an atlas holds what it should."""

from typing import Annotated

import typer

from app.commands.given import given_dictionaries, given_model
from app.commands.options import AtlasPath


def check(
    atlas: AtlasPath,
    sample: Annotated[
        int, typer.Option(min=0, help="Features of each dictionary that are computed again.")
    ] = 16,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the choice of these features.", metavar="N")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Folder or hub name of the model, to compute activations again.", metavar="PATH"
        ),
    ] = None,
    sae: Annotated[
        list[str] | None,
        typer.Option(
            help="A dictionary of the atlas, or hf://…, for the same (repeatable).", metavar="PATH"
        ),
    ] = None,
) -> None:
    """Verify that an atlas holds what it should.

    Looks at the file, the events beside it, and the model where it is at hand. Prints a line for
    each check; the exit code is 1 if anything is wrong. Which features are computed again is drawn
    anew each time unless --seed is given.
    """
    import secrets

    from app.check.lines import lines_of, verdict
    from app.check.whole import Asked, check_whole

    seed = secrets.randbelow(1_000_000) if seed is None else seed
    checks = []
    found = given_model(model) if model else None
    asked = Asked(sample, seed, found, given_dictionaries(sae or ()))
    for found in check_whole(atlas, asked):
        checks.append(found)
        for line in lines_of(found):
            typer.echo(line)
    typer.echo(verdict(atlas, checks, seed))
    if any(found.problems for found in checks):
        raise typer.Exit(1)
