"""Brings a notebook's database to the newest version, all steps in one transaction.

Takes a connection whose transaction the caller ends; without an alembic.ini, so that an installed
wheel can do it. Knows no table but that of the version.
"""

from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from app.notebook.errors import NotebookError

VERSION_TABLE = "notebook_version"
"""Not Alembic's usual name: the database may hold other programs' tables."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x0FEA7
"""Any number; whoever migrates a PostgreSQL notebook holds it."""
_one_at_a_time = Lock()
"""Alembic keeps what it migrates in module globals; threads of one process must not meet there."""


def migrate(connection: Connection, to: str = "head") -> None:
    """Runs the steps that are missing, inside the open transaction.

    Args:
        to: a version ("0001"), for tests that need an old notebook.

    Raises:
        NotebookError: a newer program wrote it, or it isn't a notebook.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    current = stored_version(connection)
    known = versions()
    if current is not None and current not in known:
        raise NotebookError(
            f"The notebook has version {current}, this program knows versions up to {known[-1]}: "
            "install the newer Feature Atlas that wrote it."
        )
    if current == (known[-1] if to == "head" else to):
        return
    if current is None:
        _refuse_strangers(connection)
    config = _config()
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, to)


def versions() -> list[str]:
    """Every version there is, the oldest first."""
    steps = ScriptDirectory.from_config(_config()).walk_revisions()
    return [step.revision for step in steps][::-1]


def stored_version(connection: Connection) -> str | None:
    """The version of an open database; None where it is no notebook yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()


def _refuse_strangers(connection: Connection) -> None:
    """A file of another program is left alone; a PostgreSQL database may be shared."""
    found = set(inspect(connection).get_table_names())
    ours = {"notebook_state", "label", "note", "feature_list", "revision"}
    taken = found if connection.dialect.name == "sqlite" else found & ours
    if taken:
        raise NotebookError(
            f"This is not a notebook: it holds the table {min(taken)} of something else. Give "
            "--notebook a new file, or a database of its own."
        )


def _config() -> Config:
    config = Config()
    # A percent sign would be read as the beginning of another option's name.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
