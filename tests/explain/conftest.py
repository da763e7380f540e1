"""An invented atlas with its events, a source over it, and a notebook for each test."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.db.features import column_values
from app.demo.synthetic import build_synthetic_atlas
from app.evidence.event_files import open_events
from app.explain.source import Source
from app.notebook.database import open_notebook
from tests.notebook.conftest import postgres_place, postgres_server

__all__ = ["postgres_place", "postgres_server"]

N_FEATURES = 40


@pytest.fixture(scope="session")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One dictionary over enough text that features have examples to keep back."""
    path = tmp_path_factory.mktemp("explain") / "atlas.db"
    return build_synthetic_atlas(
        path, n_features=N_FEATURES, n_contexts=192, saes=("one",), events=True, scattered=0.3
    )


@pytest.fixture(scope="session")
def source(atlas: Path) -> Iterator[Source]:
    """The dictionary with its events."""
    with _source(atlas, events=True) as found:
        yield found


@pytest.fixture(scope="session")
def source_alone(atlas: Path) -> Iterator[Source]:
    """The same where the events aren't beside it."""
    with _source(atlas, events=False) as found:
        yield found


class _source:
    def __init__(self, path: Path, events: bool) -> None:
        self._atlas = open_atlas(path)
        self._connection = self._atlas.connect()
        (sae,) = list_saes(self._connection)
        n_active = column_values(self._connection, sae.sae_id, ["n_active"])["n_active"]
        found = open_events(path, sae, n_active.astype(np.int64)) if events else None
        assert found is not None or not events
        self._source = Source(self._connection, sae, found)

    def __enter__(self) -> Source:
        return self._source

    def __exit__(self, *error: object) -> None:
        self._connection.close()
        self._atlas.close()


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Engine]:
    """An empty notebook."""
    engine = open_notebook(str(tmp_path / "notebook.db"))
    yield engine
    engine.dispose()
