"""A notebook on each database: SQLite in a folder, PostgreSQL on a server started for the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from app.notebook.database import open_notebook


def _binaries() -> Path | None:
    """The newest PostgreSQL of Debian's packages, or what the search path has."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).parent if on_path else None


def _as_other(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return command
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server that lives as long as the tests, ended with a database's name."""
    binaries = _binaries()
    if binaries is None:
        reason = "PostgreSQL's programs are not installed (Debian: apt-get install postgresql)"
        if os.environ.get("FEATURE_ATLAS_REQUIRE_POSTGRES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    # Not in pytest's own folder: that one is closed to the account the server runs under.
    with tempfile.TemporaryDirectory(prefix="feature-atlas-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        data = folder / "data"
        _run(_as_other([str(binaries / "initdb"), "-D", str(data), "-U", "atlas", "-A", "trust",
                        "--no-sync", "--locale=C.UTF-8", "-E", "UTF8"]))  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        log = str(folder / "log")
        control = [str(binaries / "pg_ctl"), "-D", str(data), "-l", log, "-w", "-t", "60"]
        _run(_as_other([*control, "-o", f"{options} -c fsync=off", "start"]))
        try:
            yield f"postgresql://atlas@127.0.0.1:{port}/"
        finally:
            _run(_as_other([*control, "-m", "immediate", "stop"]))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def postgres_place(postgres_server: str) -> Iterator[str]:
    """The address of an empty database of its own."""
    name = f"notebook_{os.urandom(6).hex()}"
    admin = create_engine(
        postgres_server.replace("postgresql:", "postgresql+psycopg:") + "postgres",
        isolation_level="AUTOCOMMIT",
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres_server + name
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a notebook may be made: a path, or the address of an empty database."""
    if request.param == "sqlite":
        return str(tmp_path / "notebook.db")
    return request.getfixturevalue("postgres_place")


OpenNotebook = Callable[[str], Engine]


@pytest.fixture
def opened() -> Iterator[OpenNotebook]:
    """Opens notebooks and gives them back at the end."""
    engines: list[Engine] = []

    def open_one(place: str) -> Engine:
        engines.append(open_notebook(place))
        return engines[-1]

    yield open_one
    for engine in engines:
        engine.dispose()


@pytest.fixture
def notebook(place: str, opened: OpenNotebook) -> Engine:
    """An empty notebook, once on each database."""
    return opened(place)
