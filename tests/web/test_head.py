"""HEAD requests: the headers of the GET, and nothing else."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from .conftest import MakeClient

ADDRESSES = [
    "/", "/index.json", "/synthetic/resid-2-1k", "/synthetic/resid-2-1k/3",
    "/synthetic/resid-2-1k/3.json", "/-/search?q=self", "/-/docs", "/-/openapi.json",
    "/-/health", "/synthetic/no-such", "/?x=1",
]  # fmt: skip


@pytest.mark.parametrize("url", ADDRESSES)
def test_the_headers_are_those_of_get(client: TestClient, url: str) -> None:
    asked, told = client.get(url), client.head(url)
    assert (told.status_code, told.content) == (asked.status_code, b"")
    assert told.headers == asked.headers


def test_random_leads_on(client: TestClient) -> None:
    assert client.head("/synthetic/resid-2-1k/random").status_code == 303


def test_the_key_is_asked_for(atlas_path: Path, make_client: MakeClient) -> None:
    client = make_client(atlas_path, access_key="long-enough-a-key")
    assert client.head("/").status_code == 401
    assert client.head("/-/health").status_code == 200
    assert client.head("/", headers={"host": "evil.example"}).status_code == 400
