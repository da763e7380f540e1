"""Writing needs the token of a page of this server, for the same visitor."""

import pytest
from fastapi.routing import APIRoute
from pydantic import SecretStr

from app.access.keys import revoke_key
from app.access.shares import list_shares
from app.web.same_site import check_same_site

from .conftest import SAE, Atlas, MakeAtlas, token_of
from .test_limited_key import _routes

FORM = {"address": f"{SAE}/3", "days": "1"}


def test_every_route_that_writes_checks_it(locked: Atlas) -> None:
    """Reads alone may do without; a POST that only computes is named here."""
    computing = {"/-/live/top", "/-/live/steer"}
    unchecked = []
    n_writing = 0
    for route in _routes(locked.app.routes):
        if not isinstance(route, APIRoute) or {"GET", "HEAD"} >= set(route.methods or ()):
            continue
        n_writing += 1
        calls = {dependency.call for dependency in route.dependant.dependencies}
        computes = route.path in computing or "/live" in route.path
        if check_same_site not in calls and not computes:
            unchecked.append(route.path)
    assert unchecked == []
    assert n_writing >= 2


def test_without_the_token_nothing_is_written(locked: Atlas) -> None:
    ada, bob = locked.signed_in("Ada"), locked.signed_in("Bob")
    again = locked.signed_in("Ada")
    good = token_of(ada, f"{SAE}/3")
    for token in ("", "x", good[:-1], good.upper(), token_of(bob, f"{SAE}/3"), "é" * 32,
                  token_of(again, f"{SAE}/3")):  # fmt: skip
        answer = ada.post("/-/shares", data={**FORM, "same_site": token})
        assert answer.status_code == 403
        assert "load the page again" in answer.text
    assert ada.post("/-/shares", data=FORM).status_code == 403
    assert list_shares(locked.notebook) == []
    assert ada.post("/-/shares", data={**FORM, "same_site": good}).status_code == 303
    assert ada.post("/-/shares", data=FORM, headers={"x-same-site": good}).status_code == 303


def test_another_sites_page_is_refused_even_with_it(locked: Atlas) -> None:
    ada = locked.signed_in()
    form = {**FORM, "same_site": token_of(ada, f"{SAE}/3")}
    for site in ("cross-site", "same-site"):
        assert ada.post("/-/shares", data=form, headers={"sec-fetch-site": site}).status_code == 403
    for origin in ("https://evil.example", "http://127.0.0.1:9", "http://127.0.0.1.evil.example",
                   "http://evil@127.0.0.1.evil.example", "data:", "x"):  # fmt: skip
        assert ada.post("/-/shares", data=form, headers={"origin": origin}).status_code == 403
    assert list_shares(locked.notebook) == []
    own = {"origin": "http://127.0.0.1"}
    assert ada.post("/-/shares", data=form, headers=own).status_code == 303
    ok = {"sec-fetch-site": "same-origin", "origin": "null"}
    assert ada.post("/-/shares", data=form, headers=ok).status_code == 303


def test_this_machines_own_user_needs_it_too(make_atlas: MakeAtlas) -> None:
    browser = make_atlas().visitor()
    assert browser.post("/-/shares", data=FORM).status_code == 403
    address = f"{SAE}/3"
    page = browser.get(address)
    if "same_site" in page.text:
        form = {**FORM, "same_site": token_of(browser, address)}
        assert browser.post("/-/shares", data=form).status_code == 303


def test_a_program_with_its_key_needs_none(locked: Atlas) -> None:
    header = {"authorization": f"Bearer {locked.key()[1]}"}
    assert locked.visitor().post("/-/shares", data=FORM, headers=header).status_code == 303
    reader = {"authorization": f"Bearer {locked.key(role='read')[1]}"}
    assert locked.visitor().post("/-/shares", data=FORM, headers=reader).status_code == 403


def test_the_single_key_in_a_header_is_a_programs(make_atlas: MakeAtlas) -> None:
    atlas = make_atlas(access_key=SecretStr("a key of sixteen letters"))
    header = {"authorization": "Bearer a key of sixteen letters"}
    assert atlas.visitor().post("/-/shares", data=FORM, headers=header).status_code == 303


def test_a_cookie_can_not_pose_as_a_header(locked: Atlas) -> None:
    ada = locked.signed_in()
    answer = ada.post("/-/shares", data=FORM, headers={"authorization": "Bearer nothing"})
    assert answer.status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_a_write_is_only_a_post(locked: Atlas, method: str) -> None:
    ada = locked.signed_in()
    form = {**FORM, "same_site": token_of(ada, f"{SAE}/3")}
    ada.request(method, "/-/shares", params=form)
    ada.request(method, "/-/shares/x/revoke", params=form)
    assert list_shares(locked.notebook) == []


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain", "application/json", "text/plain; application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded-x", "application/json; charset=x-www-form-urlencoded",
        "",
        "multipart/form-data",
    ],
)  # fmt: skip
def test_no_other_kind_of_body_carries_it(locked: Atlas, kind: str) -> None:
    """A page elsewhere can send text without asking; JSON and the rest are no forms here."""
    ada = locked.signed_in()
    token = token_of(ada, f"{SAE}/3")
    for body in (f"address={SAE}/3&days=1&same_site={token}",
                 f'{{"address": "{SAE}/3", "days": 1, "same_site": "{token}"}}'):  # fmt: skip
        answer = ada.post("/-/shares", content=body, headers={"content-type": kind})
        assert answer.status_code in (400, 403), kind
    assert list_shares(locked.notebook) == []


def test_it_counts_in_a_form_or_its_header_alone(locked: Atlas) -> None:
    ada = locked.signed_in()
    token = token_of(ada, f"{SAE}/3")
    assert ada.post("/-/shares", params={"same_site": token}, data=FORM).status_code == 403
    ada.cookies.set("same_site", token)
    assert ada.post("/-/shares", data=FORM).status_code == 403
    assert ada.post("/-/shares", data=FORM, headers={"same-site": token}).status_code == 403
    wrong = {"x-same-site": "0" * 32}
    assert (
        ada.post("/-/shares", data={**FORM, "same_site": token}, headers=wrong).status_code == 403
    )
    files = {name: (None, value) for name, value in {**FORM, "same_site": token}.items()}
    assert ada.post("/-/shares", files=files).status_code == 303


def test_it_ends_with_the_key_and_differs_by_what_lets_in(locked: Atlas) -> None:
    """The token of one who may read is none of theirs when a key lets them write."""
    key_id, text = locked.key("Ada")
    ada = locked.visitor()
    ada.get("/", params={"key": text})
    old = token_of(ada, f"{SAE}/3")
    ada.get("/", params={"key": locked.key("Ada")[1]})
    new = token_of(ada, f"{SAE}/3")
    assert ada.post("/-/shares", data={**FORM, "same_site": old}).status_code == 403
    assert ada.post("/-/shares", data={**FORM, "same_site": new}).status_code == 303
    revoke_key(locked.notebook, key_id)
    back = locked.visitor()
    back.get("/", params={"key": text})
    assert back.post("/-/shares", data={**FORM, "same_site": old}).status_code == 401
