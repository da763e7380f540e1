"""`feature-atlas precompute`: one option for every field of its settings."""

import sys
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from app.commands.running import needs, run_until_stopped, say_how_to_open
from app.errors import AtlasError
from app.precompute.settings import PrecomputeSettings, read_settings


def precompute(config: Path | None, preset: str | None, **options: Any) -> None:
    """Write an atlas.

    Runs a model and its dictionaries over a corpus; progress goes to stderr. A run that was cut
    short goes on where it was when the same command is given again.
    """
    settings = read_settings(config, preset, **options)
    run = needs("precompute", lambda: import_module("app.precompute.pipeline").run)
    reporting = needs("precompute", lambda: import_module("app.precompute.progress.reporter"))
    reporter = reporting.Reporter(kind=settings.progress)
    try:
        run_until_stopped(lambda stop: run(settings, reporter=reporter, stop=stop), reporter.say)
    except AtlasError as error:
        if settings.progress != "json":
            raise
        reporter.fail(str(error))
        sys.exit(2)
    say_how_to_open(settings.output)


def _precompute_signature() -> Signature:
    """One option for every field of the settings, under its name and with its docstring as help."""
    config = Annotated[
        Path | None, typer.Option(help="A .toml that holds the same options.", metavar="PATH")
    ]
    preset = Annotated[
        str | None,
        typer.Option(
            help="A known dictionary: fills in model, dictionary, hook and BOS "
            "(`feature-atlas presets` lists them).",
            metavar="NAME",
        ),
    ]
    parameters = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in (("config", config), ("preset", preset))
    ]
    for name, field in PrecomputeSettings.model_fields.items():
        kind, metavar = _kind_and_metavar(name, field.annotation)
        flags = [f"--{name.replace('_', '-')}"]
        if kind in (bool, bool | None):
            flags = [f"{flags[0]}/--no-{flags[0][2:]}"]
        option = typer.Option(*flags, help=_help(kind, field), metavar=metavar, show_default=False)
        parameters.append(
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[kind | None, option],  # type: ignore[operator]
            )
        )
    return Signature(parameters)


def _kind_and_metavar(name: str, kind: Any) -> tuple[Any, str | None]:
    """The type the command line reads an option as, and what `--help` calls its value."""
    if get_origin(kind) is Literal:
        return str, "|".join(get_args(kind))
    if name == "name":
        return kind, "MODEL/SAE"
    if name == "sae":
        return kind, "PATH"
    (value,) = [part for part in get_args(kind) or [kind] if part is not type(None)]
    return kind, {Path: "PATH", str: "TEXT", int: "N"}.get(value)


def _help(kind: Any, field: FieldInfo) -> str:
    notes = []
    if get_origin(kind) is list:
        notes.append("repeatable")
    if field.is_required():
        notes.append("required")
    elif field.default is not None and field.default != []:
        value = field.default
        notes.append(f"default: {('no', 'yes')[value] if isinstance(value, bool) else value}")
    return f"{field.description} [{'; '.join(notes)}]" if notes else str(field.description)


precompute.__signature__ = _precompute_signature()  # type: ignore[attr-defined]
