"""The command line, `feature-atlas`: its commands together, and how a mistake ends.

Bad input ends with exit code 2 and one sentence. Progress goes to stderr, results to stdout.
"""

import sys
from typing import NoReturn

import typer
from sqlalchemy.exc import DatabaseError
from typer.exceptions import TyperException

from app.commands.check import check
from app.commands.demo import demo
from app.commands.explain import explain
from app.commands.export import export
from app.commands.importing import importing
from app.commands.info import info
from app.commands.inspect import inspect
from app.commands.keys import keys
from app.commands.notebook import notebook
from app.commands.precompute import precompute
from app.commands.presets import presets
from app.commands.serve import serve
from app.commands.shares import shares
from app.errors import AtlasError, visible
from app.precompute.drivers.interruption import EXIT_CODE

cli = typer.Typer(
    name="feature-atlas",
    help="Browse the features of a language model's dictionaries.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (demo, precompute, presets, inspect, explain, serve, info, check):
    cli.command()(command)
for group in (export, importing, notebook, keys, shares):
    cli.add_typer(group)


def main() -> None:
    """The entry point of the installed command."""
    try:
        sys.exit(cli(args=sys.argv[1:] or ["--help"], standalone_mode=False))
    except AtlasError as error:
        _fail(str(error))
    except DatabaseError as error:
        _fail(f"The atlas is damaged ({error.orig}): `feature-atlas check` says where.")
    except TyperException as error:
        _fail(f"{error.format_message().rstrip('.')} (--help lists the options).")
    except KeyboardInterrupt:
        sys.exit(EXIT_CODE)


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"Error: {visible(sentence)}", err=True)
    sys.exit(2)
