"""`feature-atlas presets`: the dictionaries that have a short name."""

import typer


def presets() -> None:
    """List dictionaries that have a short name.

    `precompute --preset NAME` takes one; {layer} stands for a number, as in
    pythia-70m-deduped/resid-3. A preset fills options in; what is given explicitly wins.
    """
    from app.precompute.presets import table_lines

    for line in table_lines():
        typer.echo(line)
