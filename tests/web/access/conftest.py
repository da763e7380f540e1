"""A real application that asks for keys, and people with every kind of key to it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.access.keys import create_key
from app.access.viewer import Role
from app.notebook.database import open_notebook
from app.settings import Settings
from app.web.factory import create_app
from app.web.same_site import FIELD

SAE = "/synthetic/resid-2-1k"
OTHER = "/synthetic/resid-1-1k"


@dataclass
class Atlas:
    """An application over the invented atlas with a notebook of its own."""

    path: Path
    notebook: Engine
    app: Any

    def visitor(self, base_url: str = "http://127.0.0.1", **options: Any) -> TestClient:
        """A fresh browser."""
        return TestClient(self.app, base_url=base_url, follow_redirects=False, **options)

    def key(self, name: str = "Ada", role: Role = "write", **options: Any) -> tuple[str, str]:
        """The number and the text of a new key."""
        made, token = create_key(self.notebook, name, role, **options)
        return made.key_id, token

    def signed_in(self, name: str = "Ada", role: Role = "write", **options: Any) -> TestClient:
        """A browser that followed the link of a new key."""
        browser = self.visitor()
        browser.get("/", params={"key": self.key(name, role, **options)[1]})
        return browser


MakeAtlas = Callable[..., Atlas]


@pytest.fixture
def make_atlas(atlas_path: Path, tmp_path: Path) -> MakeAtlas:
    """Applications over the ordinary atlas; requests without a bound unless told otherwise."""

    def make(path: Path = atlas_path, **settings: Any) -> Atlas:
        place = str(tmp_path / "notebook.db")
        settings = {"requests_per_second": 0, "notebook": place} | settings
        return Atlas(path, open_notebook(place), create_app(Settings(atlas=path, **settings)))

    return make


@pytest.fixture
def locked(make_atlas: MakeAtlas) -> Atlas:
    """One for which a key was made."""
    made = make_atlas()
    made.key("Somebody")
    return made


def token_of(browser: TestClient, url: str = "/-/shares") -> str:
    """The same-site token on a page with a form."""
    page = browser.get(url)
    assert page.status_code == 200, page.text
    _, found, rest = page.text.partition(f'name="{FIELD}" value="')
    assert found, f"{url} has no form that writes"
    return rest.partition('"')[0]


def share(browser: TestClient, address: str, days: float = 7) -> str:
    """Makes a share link through the form of the menu; gives its path."""
    form = {"address": address, "days": str(days), FIELD: token_of(browser, address)}
    answer = browser.post("/-/shares", data=form)
    assert answer.status_code == 303, answer.text
    link = browser.get(f"{answer.headers['location']}.json").json()["link"]
    return link.removeprefix("http://127.0.0.1")
