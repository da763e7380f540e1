"""Models and dictionaries as a command is given them: local paths, or names on the hub.

What was typed may be downloaded, so that the rest of the program finds it on this machine.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from app.commands.running import needs
from app.errors import AtlasError, unreadable
from app.hub.address import dictionary_address, model_address
from app.hub.finding import is_there


def given_model(named: str) -> Path:
    """The folder of a model, downloaded if it lies on the hub.

    Raises:
        AtlasError: there is none, here or there.
    """
    if model_address(named) is None:
        return _existing(named)
    return _fetched("fetch_model", named)


def given_dictionaries(named: Sequence[str]) -> tuple[Path, ...]:
    """Where dictionaries lie, likewise, in their order."""
    return tuple(
        _existing(name) if dictionary_address(name) is None else _fetched("fetch_dictionary", name)
        for name in named
    )


def _existing(named: str) -> Path:
    path = Path(named).expanduser()
    try:
        there = is_there(path)
    except OSError as error:
        raise unreadable(path, error) from error
    if not there:
        raise AtlasError(
            f"There is no {named}: give a model or a dictionary that is here, or on the hub as "
            "hf://owner/repo/folder."
        )
    return path


def _fetched(fetch: str, named: str) -> Path:
    fetching = needs("precompute", lambda: import_module("app.hub.fetching"))
    reporting = needs("precompute", lambda: import_module("app.precompute.progress.reporter"))
    return getattr(fetching, fetch)(named, reporting.Reporter()).path
