"""An atlas with a notebook of its own, and a person who fills in its forms."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from app.demo.synthetic import build_synthetic_atlas
from app.settings import Settings
from app.web.factory import create_app
from tests.notebook.conftest import postgres_place, postgres_server

__all__ = ["postgres_place", "postgres_server"]

FEATURE = "/synthetic/resid-2-1k/3"


class Person:
    """Somebody at a browser without scripts: opens pages and sends the forms on them."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, url: str) -> Response:
        return self.client.get(url)

    def json(self, url: str) -> Any:
        answer = self.client.get(url)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, url: str, page: str = FEATURE, **fields: object) -> Response:
        """The form at `url`, with the token of a page."""
        found = re.search(r'name="same_site" value="([^"]+)"', self.client.get(page).text)
        assert found is not None, "a page without a form"
        return self.client.post(url, data={"same_site": found[1], **fields})


MakePerson = Callable[..., Person]


@pytest.fixture(scope="session")
def with_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dictionaries of 60 features and every firing of them."""
    path = tmp_path_factory.mktemp("notebook") / "atlas.db"
    return build_synthetic_atlas(path, n_features=60, events=True)


@pytest.fixture
def make_person(with_events: Path, tmp_path: Path) -> Iterator[MakePerson]:
    """A person at a server of their own over a copy of the ordinary atlas."""
    path = tmp_path / "atlas.db"
    shutil.copy(with_events, path)
    shutil.copytree(with_events.with_suffix(".events"), path.with_suffix(".events"))
    clients: list[TestClient] = []

    def make(**settings: Any) -> Person:
        app = create_app(Settings(atlas=path, **settings))
        client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
        clients.append(client)
        return Person(client)

    yield make
    for client in clients:
        if client.app.state.notebook is not None:  # type: ignore[attr-defined]
            client.app.state.notebook.dispose()  # type: ignore[attr-defined]


@pytest.fixture
def person(make_person: MakePerson) -> Person:
    return make_person()
