"""`feature-atlas presets`: the dictionaries that have a short name."""

import typer


def presets() -> None:
    """List the known dictionaries that `precompute --preset NAME` takes.

    {layer} stands for a number: pythia-70m-deduped/resid-3. A preset fills options in; what is
    given explicitly wins.
    """
    from app.precompute.presets import table_lines

    for line in table_lines():
        typer.echo(line)
