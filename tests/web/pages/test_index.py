"""`/`: every model with its dictionaries."""

from dataclasses import asdict

from fastapi.testclient import TestClient
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.web.pages.index import build


def test_the_twin_has_the_documented_keys(client: TestClient, sae: Sae) -> None:
    answer = client.get("/index.json").json()
    assert answer.keys() == {"ok", "models"}
    [model] = answer["models"]
    assert model["model"] == "synthetic"
    assert [item["sae"] for item in model["saes"]] == ["resid-2-1k", "resid-1-1k"]
    first = model["saes"][0]
    assert first.keys() >= {"sae", "hook_name", "d_sae", "n_tokens", "quality", "corpus"}
    assert first["hook_name"] == sae.record.hook_name
    assert first["n_tokens"] == sae.corpus.n_tokens
    assert first["quality"] == asdict(sae.record.quality)


def test_the_page_links_every_dictionary(client: TestClient, connection: Connection) -> None:
    page = client.get("/").text
    assert build(connection).n_features == 120
    for name in ("resid-2-1k", "resid-1-1k"):
        assert f'href="/synthetic/{name}"' in page
        assert f'href="/synthetic/{name}/random"' in page
