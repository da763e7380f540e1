"""A name in a header is believed from our own proxies, and from nobody else."""

import asyncio
from typing import Any

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from app.errors import AtlasError
from app.settings import Settings
from app.web.access.proxies import ProxyMiddleware, is_within, networks

from .conftest import SAE, Atlas, MakeAtlas, share

PROXY = "10.1.2.3"


@pytest.fixture
def behind(make_atlas: MakeAtlas) -> Atlas:
    return make_atlas(trusted_header="X-Remote-User", trusted_proxies=(PROXY, "fd00::/8"))


def _from(atlas: Atlas, peer: str) -> TestClient:
    return atlas.visitor(client=(peer, 50000))


@pytest.mark.parametrize("peer", [PROXY, "fd00::7", "::ffff:10.1.2.3"])
def test_the_proxy_signs_people_in(behind: Atlas, peer: str) -> None:
    page = _from(behind, peer).get("/-/shares", headers={"x-remote-user": "Ada Lovelace"})
    assert page.status_code == 200


@pytest.mark.parametrize("peer", ["10.1.2.4", "127.0.0.1", "::1", "testclient", ""])
def test_nobody_else_does(behind: Atlas, peer: str) -> None:
    for headers in ({"x-remote-user": "Ada"}, {"X-REMOTE-USER": "Ada"},
                    {"x-remote-user": "Ada", "x-forwarded-for": PROXY}):  # fmt: skip
        assert _from(behind, peer).get("/", headers=headers).status_code == 401


def test_a_name_can_not_be_smuggled_past_the_proxy(behind: Atlas) -> None:
    """Other spellings of the header are other headers; what a stranger forwards is nothing."""
    for name in (
        "x_remote_user",
        "x-remote-user ",
        "x-remote_user",
        "remote-user",
        "x-remote-userx",
    ):
        headers: Any = [(name.encode(), b"Ada")]
        assert _from(behind, PROXY).get("/", headers=headers).status_code in (400, 401)
    for headers in ({"forwarded": f"for={PROXY}"}, {"x-real-ip": PROXY}, {"via": PROXY}):
        named = {"x-remote-user": "Ada", **headers}
        assert _from(behind, "203.0.113.9").get("/", headers=named).status_code == 401


@pytest.mark.parametrize("said", ["x" * 300, "1.1.1.1 admin: POST /x 303", "1.2.3.4:5678", "", "é"])
def test_an_address_that_is_none_is_the_proxys_own(behind: Atlas, said: str) -> None:
    seen: list[str] = []

    @behind.app.get("/-/peer/{x}/{y}")
    async def peer(request: Request) -> None:
        seen.append(request.state.peer)

    headers = [(b"x-remote-user", b"Ada"), (b"x-forwarded-for", said.encode())]
    _from(behind, PROXY).get("/-/peer/a/b", headers=headers)  # type: ignore[arg-type]
    assert seen == [PROXY]


def test_without_a_name_the_proxys_visitors_are_refused(behind: Atlas) -> None:
    assert _from(behind, PROXY).get("/").status_code == 401
    assert _from(behind, PROXY).get("/", headers={"x-remote-user": " "}).status_code == 401


def test_two_names_are_no_name(behind: Atlas) -> None:
    headers = [("x-remote-user", "Eve"), ("x-remote-user", "Ada")]
    answer = _from(behind, PROXY).get("/", headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 400 and "names two people" in answer.text


@pytest.mark.parametrize("name", ["a" * 81, "a\x07b", "Ada\u202e"])
def test_a_name_nobody_can_have_is_a_sentence(behind: Atlas, name: str) -> None:
    answer = _from(behind, PROXY).get("/", headers=[(b"x-remote-user", name.encode())])  # type: ignore[arg-type]
    assert answer.status_code == 400 and "visible characters" in answer.text


def test_the_header_reaches_nothing_behind() -> None:
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append((scope["headers"], scope["state"]["trusted_name"]))

    proxy: Any = ProxyMiddleware(app, "X-Remote-User", [PROXY])
    for peer in (PROXY, "10.9.9.9"):
        headers = [
            (b"x-remote-user", b"Ada"),
            (b"accept", b"*/*"),
            (b"x-forwarded-for", b"1.2.3.4"),
        ]
        scope = {"type": "http", "scheme": "http", "headers": headers, "client": (peer, 1)}
        asyncio.run(proxy(scope, None, None))
    assert seen == [([(b"accept", b"*/*")], ["Ada"]), ([(b"accept", b"*/*")], [])]


@pytest.mark.parametrize("role", ["read", "write", "admin"])
def test_the_role_is_the_one_chosen(make_atlas: MakeAtlas, role: str) -> None:
    atlas = make_atlas(trusted_header="X-Remote-User", trusted_proxies=(PROXY,), trusted_role=role)
    share(atlas.signed_in("Bob"), f"{SAE}/3")
    ada = {"x-remote-user": "Ada"}
    answer = _from(atlas, PROXY).get("/-/shares.json", headers=ada)
    assert answer.status_code == (403 if role == "read" else 200)
    if role != "read":
        assert len(answer.json()["shares"]) == (role == "admin"), "an admin sees Bob's link"
        said = "made by everybody" in _from(atlas, PROXY).get("/-/shares", headers=ada).text
        assert said == (role == "admin")


def test_https_before_a_proxy_makes_cookies_secure(behind: Atlas) -> None:
    _, token = behind.key()
    for peer, secure in ((PROXY, True), ("127.0.0.1", True), ("10.9.9.9", False)):
        answer = _from(behind, peer).get(
            "/", params={"key": token}, headers={"x-forwarded-proto": "https"}
        )
        assert ("Secure" in answer.headers["set-cookie"]) == secure


def test_requests_are_counted_where_they_come_from(make_atlas: MakeAtlas) -> None:
    atlas = make_atlas(
        trusted_header="X-Remote-User", trusted_proxies=(PROXY,), requests_per_second=0.01
    )

    def ask(peer: str, forwarded: str) -> int:
        headers = {"x-remote-user": "Ada", "x-forwarded-for": forwarded}
        return _from(atlas, peer).get(f"{SAE}/3", headers=headers).status_code

    assert [ask(PROXY, "1.1.1.1") for _ in range(3)] == [200, 429, 429]
    assert ask(PROXY, "2.2.2.2") == 200
    assert ask(PROXY, f"2.2.2.2, 1.1.1.1, {PROXY}") == 429
    assert [ask("9.9.9.9", f"3.3.3.{i}") for i in range(3)] == [401, 429, 429]


def test_settings_that_trust_everybody_are_refused(atlas: Any) -> None:
    with pytest.raises(AtlasError, match="Anybody could send X-Remote-User"):
        Settings(atlas=atlas.path, trusted_header="X-Remote-User")
    for name in ("Cookie", "host", "X Remote", "a:b"):
        with pytest.raises(AtlasError, match="can't be used"):
            Settings(atlas=atlas.path, trusted_header=name, trusted_proxies=(PROXY,))
    with pytest.raises(AtlasError, match="choose one of them"):
        Settings(atlas=atlas.path, trusted_header="X-U", trusted_proxies=(PROXY,), public=True)
    with pytest.raises(AtlasError, match=r"proxy.example. is no address"):
        networks(["proxy.example"])
    assert not is_within("unknown", networks([PROXY]))
