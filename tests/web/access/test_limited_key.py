"""A key limited to a dictionary sees an atlas that holds no other, on every address there is.

Held against the obvious truth: the same application over the same atlas with the other dictionary
taken out of it.
"""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, delete

from app.db import schema
from app.demo.synthetic import build_synthetic_atlas

from .conftest import OTHER, SAE, Atlas, MakeAtlas

WORDS = {
    "model": "synthetic", "feature_index": "3", "context_id": "5", "kind": "json",
    "q": "self", "features": "3,17", "panel": "activation",
}  # fmt: skip
"""What paths and required arguments are filled with"""
ARGUMENTS = {
    "/-/search": ["q=self", "q=%233", "q=resid-1-1k%233", "mode=examples&q=self", "q=return",
                  "q=self&mode=summaries"],
    "/-/suggest": ["q=sel", "q=%233", "q=fires", "q=resid"],
    "compare": ["features=3,17"],
    "/map": ["q=self"],
    "/live/top": ["text=self"],
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dictionaries of 60 features, with their events."""
    path = tmp_path_factory.mktemp("whole") / "atlas.db"
    return build_synthetic_atlas(path, n_features=60, events=True)


@pytest.fixture(scope="module")
def alone(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without its second dictionary."""
    path = tmp_path_factory.mktemp("alone") / "there" / "atlas.db"
    shutil.copytree(whole.parent, path.parent)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(delete(schema.sae).where(schema.sae.c.sae == OTHER.split("/")[2]))
    engine.dispose()
    return path


@pytest.fixture
def locked(make_atlas: MakeAtlas, whole: Path) -> Atlas:
    made = make_atlas(whole)
    made.key("Somebody")
    return made


def every_get(app: Any) -> list[APIRoute]:
    """Every route of the application that answers GET, the notebook's and the model's as well."""
    return [
        route
        for route in _routes(app.routes)
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    ]


def _routes(routes: Any) -> list[Any]:
    """The routes of included routers as well, whichever way FastAPI keeps them."""
    found: list[Any] = []
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(
            getattr(route, "original_router", None), "routes", None
        )
        found += _routes(inner) if inner else [route]
    return found


def _addresses(route: APIRoute, sae: str) -> list[str]:
    filled = re.sub(
        r"\{(\w+)(:\w+)?\}",
        lambda found: sae if found[1] == "sae" else WORDS.get(found[1], "nothing"),
        route.path,
    )
    arguments = [one for part, some in ARGUMENTS.items() if part in filled for one in some]
    if "figure" in filled:
        arguments = ["panel=activation", "panel=examples"]
    return [f"{filled}?{one}" for one in arguments] or [filled]


def _limited(atlas: Atlas) -> TestClient:
    return atlas.signed_in("Ada", "write", dictionary=("synthetic", SAE.split("/")[2]))


def test_the_router_has_what_it_must(locked: Atlas) -> None:
    """Guards the test below against a router it can't read."""
    paths = {route.path for route in every_get(locked.app)}
    assert {"/", "/-/search", "/{model}/{sae}", "/-/shares", "/-/suggest.json"} <= paths
    assert len(paths) > 25
    assert locked.signed_in().get(OTHER).status_code == 200


def test_every_address_answers_as_if_there_was_no_other_dictionary(
    locked: Atlas, make_atlas: MakeAtlas, alone: Path
) -> None:
    limited = _limited(locked)
    truth = make_atlas(alone).signed_in("Ada", "write")
    compared = 0
    for route in every_get(locked.app):
        for address in _addresses(route, SAE.split("/")[2]):
            if address.endswith("/random") or address.startswith("/-/openapi"):
                continue
            mine, theirs = limited.get(address), truth.get(address)
            assert mine.status_code == theirs.status_code, address
            if "card.png" not in address:
                assert OTHER.split("/")[2] not in _said(mine, address), address
            if "json" in mine.headers.get("content-type", ""):
                assert _same(mine.json()) == _same(theirs.json()), address
                compared += mine.json().get("ok", False)
    assert compared >= 10


def test_below_the_other_dictionary_there_is_nothing(locked: Atlas) -> None:
    limited = _limited(locked)
    asked = 0
    for route in every_get(locked.app):
        for address in _addresses(route, OTHER.split("/")[2]):
            if "{sae}" in route.path:
                asked += 1
                missing = address.replace("resid-1-1k", "resid-9-9k")
                mine, none = limited.get(address), limited.get(missing)
                assert mine.status_code == none.status_code == 404, address
                assert mine.text.replace("resid-1-1k", "resid-9-9k") == none.text
    assert asked > 10


def test_the_scope_of_a_search_is_no_way_around(locked: Atlas) -> None:
    limited = _limited(locked)
    for address in ("/-/search.json?q=self&sae=synthetic/resid-1-1k",
                    "/-/suggest.json?q=self&sae=synthetic/resid-1-1k"):  # fmt: skip
        answer = limited.get(address)
        assert answer.status_code == 404
        assert "known are synthetic/resid-2-1k." in answer.json()["error"]


def test_nothing_can_be_written_or_shared_there(locked: Atlas) -> None:
    limited = _limited(locked)
    page = limited.get(f"{SAE}/3").text
    token = re.findall(r'name="same_site" value="([0-9a-f]{32})"', page)[0]
    for address in (f"{OTHER}/3", OTHER, f"{OTHER}/compare?features=3,4"):
        form = {"address": address, "days": "1", "same_site": token}
        assert limited.post("/-/shares", data=form).status_code == 404


def _said(answer: Any, address: str) -> str:
    """What an answer says by itself: not what was asked."""
    return (
        (answer.text + str(answer.headers))
        .replace("resid-1-1k%233", "")
        .replace("resid-1-1k#3", "")
    )


def _same(value: Any) -> Any:
    """Without what tells two builds and two notebooks apart: tokens of a next page."""
    if isinstance(value, dict):
        return {k: _same(v) for k, v in value.items() if k not in ("next", "next_url", "build_id")}
    if isinstance(value, list):
        return [_same(item) for item in value]
    return value
