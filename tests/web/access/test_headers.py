"""Every answer there is, whatever its status, carries the headers that keep a page to itself."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.web.headers import SECURITY_HEADERS

from .conftest import SAE, Atlas, MakeAtlas
from .test_limited_key import _addresses, every_get


def _check(answer: Any) -> int:
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value, (answer.url, name)
    return answer.status_code


def test_the_policy_is_strict() -> None:
    policy = dict(
        part.strip().split(" ", 1)
        for part in SECURITY_HEADERS["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert not re.search(r"unsafe|\*|http", " ".join(policy.values()))
    assert SECURITY_HEADERS["X-Content-Type-Options"] == "nosniff"
    assert SECURITY_HEADERS["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("signed_in", [True, False])
def test_over_all_routes(locked: Atlas, signed_in: bool) -> None:
    browser = locked.signed_in() if signed_in else locked.visitor()
    seen: set[int] = set()
    for route in every_get(locked.app):
        for address in _addresses(route, "resid-2-1k"):
            answer = browser.get(address)
            seen.add(_check(answer))
            if answer.headers.get("etag"):
                again = browser.get(address, headers={"if-none-match": answer.headers["etag"]})
                assert _check(again) == 304 or "no-store" in again.headers["cache-control"]
    assert seen >= ({200, 303, 404} if signed_in else {200, 401})


def test_over_every_refusal(locked: Atlas, make_atlas: MakeAtlas) -> None:
    ada, nobody = locked.signed_in(), locked.visitor()
    answers = {
        401: nobody.get("/"),
        303: nobody.get("/", params={"key": locked.key()[1]}),
        403: ada.post("/-/shares", data={"address": f"{SAE}/3"}),
        404: ada.get("/-/open/nothing"),
        405: ada.post(f"{SAE}/3"),
        413: ada.post("/-/shares", headers={"content-length": "9" * 12}),
        414: ada.get("/" + "a" * 40_000),
        400: locked.visitor(base_url="http://evil.example").get("/"),
    }
    assert {status: _check(answer) for status, answer in answers.items()} == {
        status: status for status in answers
    }
    slow = make_atlas(access_key=SecretStr("a key of sixteen letters"), requests_per_second=0.01)
    assert _check([slow.visitor().get("/") for _ in range(2)][-1]) == 429


def test_over_a_mistake_of_ours(locked: Atlas) -> None:
    @locked.app.get("/-/broken/now")
    def broken() -> None:
        raise RuntimeError("secret inside")

    token = locked.key()[1]
    client = TestClient(locked.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    answer = client.get("/-/broken/now", headers={"authorization": f"Bearer {token}"})
    assert _check(answer) == 500 and "secret" not in answer.text
