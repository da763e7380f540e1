"""The access key: the link lets in, a cookie keeps in, nothing else does."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from .conftest import MakeClient

KEY = "correct horse/battery?&"
SAE = "/synthetic/resid-2-1k"
PAGES = ["/", "/index.json", SAE, f"{SAE}.json", f"{SAE}/3", f"{SAE}/3.json", f"{SAE}/random",
         "/-/search?q=self", "/-/search.json?q=self", "/-/docs", "/-/openapi.json",
         "/nothing"]  # fmt: skip


@pytest.fixture
def locked(atlas_path: Path, make_client: MakeClient) -> TestClient:
    return make_client(atlas_path, access_key=SecretStr(KEY))


@pytest.mark.parametrize("url", PAGES)
def test_nothing_without_the_key(locked: TestClient, url: str) -> None:
    answer = locked.get(url)
    assert answer.status_code == 401
    assert "resid-2-1k" not in answer.text
    assert "atlas build" not in answer.text


def test_the_twin_is_refused_in_the_envelope(locked: TestClient) -> None:
    answer = locked.get("/index.json").json()
    assert answer.keys() == {"ok", "status", "error"}
    assert (answer["ok"], answer["status"]) == (False, 401)


def test_health_says_only_ok(locked: TestClient) -> None:
    answer = locked.get("/-/health")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_the_link_sets_a_cookie_and_drops_the_key(locked: TestClient) -> None:
    answer = locked.get("/synthetic/resid-2-1k", params={"sort": "density", "key": KEY})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/synthetic/resid-2-1k?sort=density"
    assert answer.headers["cache-control"] == "no-store"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert KEY not in cookie and "correct" not in cookie
    page = locked.get(answer.headers["location"])
    assert page.status_code == 200
    assert "key=" not in page.text and "correct horse" not in page.text
    assert page.headers["cache-control"] == "private, no-cache"


def test_wrong_keys_and_forged_cookies(locked: TestClient) -> None:
    assert locked.get("/", params={"key": "wrong"}).status_code == 401
    assert locked.get("/", params={"key": ""}).status_code == 401
    assert locked.get("/", params={"key": "ключ"}).status_code == 401
    locked.get("/", params={"key": KEY})
    [(name, value)] = locked.cookies.items()
    for forged in (KEY, value[:-1], value.upper(), ""):
        locked.cookies.clear()
        assert locked.get("/", headers={"cookie": f"{name}={forged}"}).status_code == 401


def test_another_key_ends_old_cookies(atlas_path: Path, make_client: MakeClient) -> None:
    first = make_client(atlas_path, access_key=SecretStr("the first of two"))
    first.get("/?key=the%20first%20of%20two")
    second = make_client(atlas_path, access_key=SecretStr("the second of two"))
    second.cookies = first.cookies
    assert second.get("/").status_code == 401


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "///evil.example"])
def test_the_way_back_never_leads_to_another_host(locked: TestClient, path: str) -> None:
    answer = locked.get(f"http://127.0.0.1{path}", params={"key": KEY})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/evil.example")


def test_https_makes_the_cookie_secure(atlas_path: Path, make_client: MakeClient) -> None:
    client = make_client(atlas_path, base_url="https://127.0.0.1", access_key=SecretStr(KEY))
    assert "Secure" in client.get("/", params={"key": KEY}).headers["set-cookie"]


def test_the_servers_log_never_sees_the_key(locked: TestClient) -> None:
    """uvicorn prints the query string out of the scope after the answer."""
    seen: list[bytes] = []
    app = locked.app

    async def watching(scope, receive, send):  # type: ignore[no-untyped-def]
        await app(scope, receive, send)  # type: ignore[operator]
        seen.append(scope["query_string"])

    TestClient(watching, base_url="http://127.0.0.1", follow_redirects=False).get(
        "/", params={"key": KEY, "x": "1"}
    )
    assert seen == [b"x=1"]
