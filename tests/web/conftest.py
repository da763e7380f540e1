"""Invented atlases, built once, and clients that ask a real application about them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, create_engine, delete

from app.db import schema
from app.db.catalog import Sae, list_saes
from app.db.engine import Atlas, open_atlas
from app.demo.synthetic import build_synthetic_atlas
from app.settings import Settings
from app.web.factory import create_app
from tests.live.made import Made, make

MakeClient = Callable[..., TestClient]


@pytest.fixture(scope="session")
def atlas_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dictionaries of 60 features."""
    return build_synthetic_atlas(tmp_path_factory.mktemp("atlas") / "atlas.db", n_features=60)


@pytest.fixture(scope="session")
def hostile_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with tokens that try to break a page."""
    path = tmp_path_factory.mktemp("hostile") / "atlas.db"
    return build_synthetic_atlas(path, n_features=60, hostile=True, saes=("resid-2-1k",))


@pytest.fixture(scope="session")
def bare_path(atlas_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ordinary atlas without its dictionaries; no atlas is published so."""
    path = tmp_path_factory.mktemp("bare") / "atlas.db"
    shutil.copy(atlas_path, path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(delete(schema.sae))
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def live_atlas(
    tmp_path_factory: pytest.TempPathFactory,
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
    text_folder: Path,
) -> Made:
    """A real atlas of two dictionaries, beside the tiny model it was made from."""
    return make(tmp_path_factory.mktemp("live"), model_folder, write_sae, text_folder)


@pytest.fixture(scope="session")
def make_client() -> MakeClient:
    """A client of a new application over an atlas, reached as 127.0.0.1 unless told otherwise."""

    def make(path: Path, base_url: str = "http://127.0.0.1", **settings: Any) -> TestClient:
        app = create_app(Settings(atlas=path, **settings))
        return TestClient(app, base_url=base_url, follow_redirects=False)

    return make


@pytest.fixture(scope="session")
def client(atlas_path: Path, make_client: MakeClient) -> TestClient:
    """A client of the ordinary atlas, without an access key."""
    return make_client(atlas_path)


@pytest.fixture(scope="session")
def atlas(atlas_path: Path) -> Atlas:
    return open_atlas(atlas_path)


@pytest.fixture
def connection(atlas: Atlas) -> Any:
    with atlas.connect() as open_connection:
        yield open_connection


@pytest.fixture
def sae(connection: Connection) -> Sae:
    """The first dictionary of the ordinary atlas."""
    return list_saes(connection)[0]
