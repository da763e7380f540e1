"""How commands run what takes long, or what may not be installed."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from app.errors import AtlasError
from app.precompute.drivers.interruption import EXIT_CODE, Interrupted, Stop


def needs(extra: str, load: Callable[[], Any]) -> Any:
    """What `load` imports.

    Raises:
        AtlasError: a library is missing that this optional part of the package brings.
    """
    try:
        return load()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "app":
            raise
        raise AtlasError(
            f"This command needs {error.name}, which is not installed: run "
            f"`pip install 'feature-atlas[{extra}]'`."
        ) from error


def run_until_stopped(
    job: Callable[[Stop], None], say: Callable[[str], None] | None = None
) -> None:
    """Runs the job; Ctrl-C and SIGTERM let it finish the pieces at hand, and say how to go on."""
    try:
        with Stop().listening() as stop:
            job(stop)
    except Interrupted:
        sentence = "Stopped. The same command goes on from what is finished."
        if say is None:
            typer.echo(sentence, err=True)
        else:
            say(sentence)
        # What the signal tore apart half made (a file being opened) has nothing to add at its end.
        sys.unraisablehook = lambda _: None
        sys.exit(EXIT_CODE)


def say_how_to_open(atlas: Path) -> None:
    """On stdout, with what came of it."""
    typer.echo(f"Open it with: feature-atlas serve {atlas}")
