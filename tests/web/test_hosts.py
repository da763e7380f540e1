"""The Host header: a page that points its own name at this server reads nothing."""

from pathlib import Path

import pytest

from app.web.hosts import host_name

from .conftest import MakeClient


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost:8000", "localhost"), ("LOCALHOST", "localhost"), ("[::1]:8000", "::1"),
        ("127.0.0.1", "127.0.0.1"), ("example.org.:80", "example.org"), ("", ""),
    ],
)  # fmt: skip
def test_names(header: str, name: str) -> None:
    assert host_name(header) == name


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200), ("127.0.0.1", 200), ("[::1]:8000", 200),
        ("evil.example", 400), ("localhost.evil.example", 400), ("192.168.1.7", 400), ("", 400),
    ],
)  # fmt: skip
def test_on_loopback_only_local_names(
    atlas_path: Path, make_client: MakeClient, host: str, status: int
) -> None:
    client = make_client(atlas_path)
    for path in ("/", "/index.json", "/-/health"):
        assert client.get(path, headers={"host": host}).status_code == status


def test_names_that_were_allowed(atlas_path: Path, make_client: MakeClient) -> None:
    client = make_client(atlas_path, allowed_hosts=("atlas.example.org",))
    assert client.get("/", headers={"host": "atlas.example.org:443"}).status_code == 200
    answer = client.get("/index.json", headers={"host": "other.example.org"})
    assert answer.status_code == 400
    assert "'other.example.org'" in answer.json()["error"]


def test_elsewhere_addresses_in_numbers_are_taken(
    atlas_path: Path, make_client: MakeClient
) -> None:
    """A number can't be rebound to another machine; a foreign name can."""
    client = make_client(atlas_path, host="0.0.0.0", public=True)
    assert client.get("/", headers={"host": "192.168.1.7:8000"}).status_code == 200
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


def test_a_star_allows_any(atlas_path: Path, make_client: MakeClient) -> None:
    client = make_client(atlas_path, host="0.0.0.0", public=True, allowed_hosts=("*",))
    assert client.get("/", headers={"host": "any.example"}).status_code == 200
