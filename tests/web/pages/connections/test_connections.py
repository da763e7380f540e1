"""The pages of connections show what is stored, lead both ways, and hide what may not be seen."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, delete, select

from app.db import schema
from app.db.catalog import find_sae, limit_to
from app.db.engine import open_atlas
from app.web.pages.connections.linked import load_linked

UPPER, LOWER = "/synthetic/resid-2-1k", "/synthetic/resid-1-1k"


@pytest.fixture(scope="module")
def connected(client: TestClient) -> int:
    """A feature above with causes of both signs."""
    for index in range(60):
        found = client.get(f"{UPPER}/{index}/connections.json").json()["connections"]
        shares = found["below"][0]["share"] if found else []
        if shares and shares[0] > 0 > shares[-1]:
            return index
    raise LookupError


def links(html: str) -> list[str]:
    return re.findall(r'<a class="walk-node[^"]*" href="([^"]*)"', html)


def stored(client: TestClient, base: str, index: int) -> dict[str, Any]:
    return client.get(f"{base}/{index}/connections.json").json()["connections"]


def test_the_graph_holds_the_strongest_and_leads_on(client: TestClient, connected: int) -> None:
    html = client.get(f"{UPPER}/{connected}/connections").text
    (causes,) = stored(client, UPPER, connected)["below"]
    pairs = zip(causes["share"], causes["feature_index"], strict=True)
    strongest = sorted(pairs, key=lambda pair: -abs(pair[0]))[:8]
    expected = [f"{LOWER}/{index}/connections" for _, index in sorted(strongest, reverse=True)]
    assert links(html) == [*expected, f"{UPPER}/{connected}"]
    twin = client.get(f"{UPPER}/{connected}/connections.json").json()
    assert [column["sae"] for column in twin["columns"]] == ["resid-1-1k", "resid-2-1k"]
    assert twin["columns"][0]["features"] == [i for _, i in sorted(strongest, reverse=True)]
    assert html.count("data-ends=") == len(strongest)
    for url in expected:
        above = links(client.get(f"{url}?size=20").text)
        assert above[0] == url.removesuffix("/connections")
        assert {link.rpartition("/")[2] for link in above[1:]} == {"connections"}
    back = links(client.get(f"{expected[0]}?size=20").text)
    assert f"{UPPER}/{connected}/connections" in back


def test_size_says_how_many(client: TestClient, connected: int) -> None:
    html = client.get(f"{UPPER}/{connected}/connections?size=4").text
    assert len(links(html)) == 5
    assert client.get(f"{UPPER}/{connected}/connections?size=21").status_code == 400


def test_tables_sum_to_one(client: TestClient, connected: int) -> None:
    found = stored(client, UPPER, connected)
    (causes,) = found["below"]
    total = sum(causes["share"]) + causes["positive"] + causes["negative"]
    total += sum(causes["rest"].values())
    assert total == pytest.approx(1, abs=1e-3)
    html = client.get(f"{UPPER}/{connected}/connections").text
    for name in ("bias", "reconstruction error", "tokens that are not counted", "remainder"):
        assert f">{name}</td>" in html
    assert f"{causes['n_examples'][0]} of {found['n_examples']}" in html


def test_both_feature_pages_show_it(client: TestClient, connected: int) -> None:
    (causes,) = stored(client, UPPER, connected)["below"]
    below = causes["feature_index"][0]
    upper, lower = (client.get(url).text for url in (f"{UPPER}/{connected}", f"{LOWER}/{below}"))
    assert f'href="{LOWER}/{below}"' in upper.partition('id="connections"')[2]
    assert f'href="{UPPER}/{connected}/connections"' in upper
    assert ">Made of</h2>" in upper and ">Feeds</h2>" not in upper
    assert ">Feeds</h2>" in lower and ">Made of</h2>" not in lower
    twin = client.get(f"{LOWER}/{below}.json").json()["connections"]
    assert twin == stored(client, LOWER, below)
    assert connected in twin["above"][0]["feature_index"]


def test_the_dictionarys_page_judges_the_removals(client: TestClient) -> None:
    html, twin = client.get(f"{UPPER}/connections").text, client.get(f"{UPPER}/connections.json")
    (pair,) = twin.json()["pairs"]
    removals = pair["removals"]
    assert html.count('<circle class="dot') == len(removals["real"]) + 2  # two in the key
    assert pair["judged"]["all"]["n"] == len(removals["real"])
    assert pair["judged"]["drawn at random"]["n"] == sum(removals["is_drawn"])
    assert 0.5 < pair["judged"]["all"]["correlation"] < 1
    total = pair["features"] + sum(pair["rest"].values())
    assert total == pytest.approx(1)
    assert client.get(f"{LOWER}/connections.json").json()["pairs"] == [pair]
    strongest = pair["strongest"]
    assert f'href="{LOWER}/{strongest["below_index"][0]}/connections"' in html
    assert f'href="{UPPER}/connections" aria-current="page"' in html


def test_a_feature_without_connections_says_so(client: TestClient) -> None:
    features = client.get(f"{UPPER}.json?sort=density&size=60").json()["features"]
    dead = next(row["feature_index"] for row in features if not row["n_active"])
    assert client.get(f"{UPPER}/{dead}/connections.json").json()["connections"] is None
    assert "It never fired" in client.get(f"{UPPER}/{dead}/connections").text
    assert 'id="connections"' not in client.get(f"{UPPER}/{dead}").text


def test_whoever_may_see_one_dictionary_sees_no_other(atlas_path: Path, connected: int) -> None:
    atlas = open_atlas(atlas_path)
    with atlas.connect() as connection:
        sae = find_sae(connection, "synthetic", "resid-2-1k")
        assert sae is not None
        assert load_linked(connection, sae, connected) is not None
        limit_to(connection, ("synthetic", "resid-2-1k"))
        assert load_linked(connection, sae, connected) is None
    atlas.close()


@pytest.fixture
def changed(
    atlas_path: Path, tmp_path: Path, make_client: Callable[..., TestClient]
) -> Callable[[Any], TestClient]:
    """The atlas without some of its rows."""

    def change(statement: Any) -> TestClient:
        path = tmp_path / "atlas.db"
        shutil.copy(atlas_path, path)
        engine = create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            connection.execute(statement)
        engine.dispose()
        return make_client(path)

    return change


def test_a_dictionary_built_again_is_connected_to_nothing(
    changed: Callable[[Any], TestClient], connected: int
) -> None:
    """The pair goes with it; what features of the other one still hold is shown nowhere."""
    lower = select(schema.sae.c.sae_id).where(schema.sae.c.sae == "resid-1-1k").scalar_subquery()
    pairs = schema.study.c
    gone = delete(schema.study).where(
        pairs.study == "connections", (pairs.sae_id == lower) | (pairs.other_id == lower)
    )
    client = changed(gone)
    assert client.get(f"{UPPER}/{connected}.json").json()["connections"] is None
    assert 'id="connections"' not in client.get(f"{UPPER}/{connected}").text
    answer = client.get(f"{UPPER}/{connected}/connections.json")
    assert answer.status_code == 404
    assert "without the study 'connections'" in answer.json()["error"]
    assert client.get(f"{UPPER}/connections").status_code == 404
    assert "/connections" not in client.get(UPPER).text
