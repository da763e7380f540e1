"""A share link opens one thing, read-only, until it ends; nothing makes it wider."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from app.access import times
from app.access.keys import revoke_key
from app.access.shares import list_shares, revoke_share

from .conftest import OTHER, SAE, Atlas, MakeAtlas, share, token_of
from .test_limited_key import _addresses, every_get

FEATURE = f"{SAE}/3"
SHARED = {
    "feature": f"{FEATURE}?group=top",
    "reading": f"{FEATURE}?reading=self",
    "comparison": f"{SAE}/compare?features=3,17",
    "list": f"{SAE}?density=0..1",
}


def _guest(atlas: Atlas, link: str) -> TestClient:
    """Somebody without a key who followed a link."""
    guest = atlas.visitor()
    answer = guest.get(link)
    assert answer.status_code == 303, answer.text
    return guest


def _of(atlas: Atlas, address: str) -> TestClient:
    return _guest(atlas, share(atlas.signed_in(), address))


@pytest.mark.parametrize("kind", SHARED)
def test_it_leads_to_the_page_and_opens_it(locked: Atlas, kind: str) -> None:
    link = share(locked.signed_in("Ada"), SHARED[kind])
    guest = locked.visitor()
    answer = guest.get(link)
    assert answer.headers["location"] == SHARED[kind]
    assert answer.headers["cache-control"] == "no-store"
    page = guest.get(SHARED[kind])
    assert page.status_code == 200
    assert "Shared by <bdi>Ada</bdi>" in page.text and f"opens this {kind}, and" in page.text
    assert page.headers["cache-control"] == "private, no-store"
    twin = SHARED[kind].replace("?", ".json?", 1)
    assert guest.get(twin).json()["ok"] is True
    assert list_shares(locked.notebook)[0].kind == kind
    for word in ("same_site", "Make a link", 'role="search"'):
        assert word not in page.text


def test_all_that_a_page_loads_is_open(locked: Atlas) -> None:
    """Styles, scripts, pictures: what the markup names by itself, and other views of the same."""
    guest = _of(locked, FEATURE)
    page = guest.get(FEATURE).text
    loaded = re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="(/[^"]+)"', page)
    assert len(loaded) > 10
    for address in loaded:
        assert guest.get(address.replace("&amp;", "&")).status_code == 200, address
    for address in (f"{FEATURE}?group=top&layout=wrapped&start=0", f"{FEATURE}/card.png",
                    f"{FEATURE}/figure.svg?panel=activation&group=top", f"{FEATURE}/page.html",
                    f"{FEATURE}?reading="):  # fmt: skip
        assert guest.get(address).status_code == 200, address
    assert guest.head(FEATURE).status_code == 200


@pytest.mark.parametrize("kind", SHARED)
def test_no_other_address_of_the_router_is_open(locked: Atlas, kind: str) -> None:
    guest = _of(locked, SHARED[kind])
    own = SHARED[kind].partition("?")[0]
    refused = 0
    for route in every_get(locked.app):
        for sae in (SAE, OTHER):
            for address in _addresses(route, sae.split("/")[2]):
                address = address.replace("/3", "/4") if kind in ("feature", "reading") else address
                path = address.partition("?")[0]
                free = re.fullmatch(r"/-/(health|static/.*|open/.*)", path)
                files = (f"{own}/card.png", f"{own}/features.csv", f"{own}/features.json")
                if free or path in (own, f"{own}.json", *files):
                    continue
                assert guest.get(address).status_code == 401, address
                refused += 1
    assert refused > 30


@pytest.mark.parametrize(
    ("kind", "widened"),
    [
        ("feature", f"{FEATURE}?reading=self"), ("feature", f"{FEATURE}?group=top&reading=self"),
        ("feature", f"{FEATURE}?reading=&reading=self"),
        ("feature", f"{FEATURE}.json?reading=self"),
        ("feature", f"{FEATURE}/figure.svg?panel=examples&reading=self"),
        ("feature", f"{FEATURE}?order=drawn"), ("feature", f"{FEATURE}?unknown=1"),
        ("reading", f"{FEATURE}?reading=return"), ("reading", f"{FEATURE}?reading=self&reading="),
        ("reading", f"{FEATURE}?reading=self&reading=return"),
        ("reading", f"{FEATURE}?reading=self%20or%20def"),
        ("comparison", f"{SAE}/compare?features=3,18"), ("comparison", f"{SAE}/compare"),
        ("comparison", f"{SAE}/compare?features=3,17&features=3,18"),
        ("comparison", f"{SAE}/compare?features=3,17,18"),
        ("list", SAE), ("list", f"{SAE}?density=0..2"), ("list", f"{SAE}?density=0..1&density="),
        ("list", f"{SAE}?density=0..1&dead=no"), ("list", f"{SAE}?density=0..1&contains=self"),
        ("list", f"{SAE}/features.csv"), ("list", f"{SAE}/points.json?x=density&y=density"),
        ("list", f"{SAE}/features.json?density=0..1&density=0..9"),
        ("comparison", f"{SAE}/compare?features=3%2C17&features="),
        ("comparison", f"{SAE}/compare?features=3,17&%66eatures=3,18"),
        ("comparison", f"{SAE}/compare?features=3,17;features=3,18"),
        ("comparison", f"{SAE}/compare?features=3,17&features%00=3,18"),
        ("comparison", f"{SAE}/compare?Features=3,17"),
        ("comparison", f"{SAE}/compare?features[]=3,17"),
        ("comparison", f"{SAE}/compare?features=3,17%20"),
        ("comparison", f"{SAE}/compare?features=17,3"),
        ("comparison", f"{SAE}/compare?features=3,17%23"),
        ("comparison", f"{SAE}/compare.json?features=3"),
        ("feature", f"{FEATURE}?embed"), ("feature", f"{FEATURE}?embed=reading"),
        ("feature", f"{FEATURE}?%72eading=self"),
        ("feature", f"{FEATURE}?group=top&amp;reading=self"),
        ("feature", f"{FEATURE}/figure.svg?panel=activation&reading=self"),
        ("feature", f"{FEATURE}/card.png?feature_index=4"), ("feature", f"{FEATURE}/live"),
        ("feature", f"{FEATURE}/page.html?reading=self"), ("feature", f"{SAE}/points/3.json"),
        ("reading", f"{FEATURE}/figure.svg?panel=examples&reading=return"),
        ("list", f"{SAE}?density=0..1&x=density&feature_index=7"),
        ("list", f"{SAE}.json?density=0%..100%"),
        ("list", f"{SAE}/card.png?density=0..2"), ("list", f"{SAE}/random"),
    ],
)  # fmt: skip
def test_arguments_do_not_widen_it(locked: Atlas, kind: str, widened: str) -> None:
    assert _of(locked, SHARED[kind]).get(widened).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        f"{SAE}%2F3", f"{SAE}/%33", f"/{SAE}/3", f"//evil.example{SAE}/3", f"{SAE}//3", f"{SAE}/3/",
        f"{SAE}/3//", f"{SAE}/./3", f"{SAE}/3/.", f"{SAE}/3/..", f"{SAE}/3/../4",
        f"{SAE}/3/%2e%2e/4",
        f"{SAE}/3%2f..%2f4", f"{SAE}/3.", f"{SAE}/3..", f"{SAE}/3%00", f"{SAE}/3%20", f"{SAE}/03",
        f"{SAE}/3%0a", "/Synthetic/resid-2-1k/3", f"{SAE.upper()}/3", f"{SAE}/3.JSON", f"{SAE}/3;x",
        f"{SAE}/3.json.json", f"{SAE}/3\\..\\4", f"{SAE}/3%5c..%5c4", f"{SAE}/3%3fgroup=top",
        f"{SAE}/3%23", f"{SAE}/\uff13", f"{SAE}/\u0663", f"/-/static/../..{SAE}/4",
        f"/-/open/..{SAE}/4", f"/-/health{SAE}/3", f"/-/health/..{SAE}/4",
        f"/-/static/..%2f..{SAE}/4", f"{SAE}/%2533", f"{SAE}%252F3", f"{SAE}/3%252e%252e",
        f"{SAE}/%c0%b3",
        f"{SAE}/3%c0%af", f"{SAE}/3.json%00", f"{SAE}/3/.json", f"{SAE}/3.json/",
        f"{SAE}/3%E2%80%8B",
        f"{SAE}/3%0d%0aX:1", "/synthetic/%72esid-2-1k/3", f"{SAE}/+3",
        f"{SAE}/3/card.png/..", "/", "",
        "*", f"http://127.0.0.1{SAE}/4", f"{SAE}/3,4", f"{SAE}/3-4", f"{SAE}/3/../3",
    ],
)  # fmt: skip
def test_no_other_writing_of_the_path_is_it(locked: Atlas, path: str) -> None:
    """Sent as it stands: a client that tidies addresses would hide what is tested."""
    guest = _of(locked, FEATURE)
    assert _raw_get(locked, guest, path) in (401, 404)


def test_the_plain_path_sent_the_same_way_is_open(locked: Atlas) -> None:
    assert _raw_get(locked, _of(locked, FEATURE), FEATURE) == 200


def _raw_get(atlas: Atlas, guest: TestClient, path: str) -> int:
    import asyncio
    from urllib.parse import unquote

    raw = path if path.isascii() else quote(path, safe="/")
    cookie = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": unquote(raw), "raw_path": raw.encode(), "query_string": b"",
        "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "headers": [(b"host", b"127.0.0.1"), (b"cookie", cookie.encode())],
    }  # fmt: skip
    seen: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            seen.append(int(str(message["status"])))

    asyncio.run(atlas.app(scope, receive, send))
    return seen[0]


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "FOO"])
def test_it_is_for_looking_alone(locked: Atlas, method: str) -> None:
    assert _of(locked, FEATURE).request(method, FEATURE).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "x-http-method-override",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-prefix",
        "forwarded",
    ],
)
def test_no_header_leads_elsewhere(locked: Atlas, header: str) -> None:
    guest = _of(locked, FEATURE)
    page = guest.get(FEATURE).text
    for value in (f"{SAE}/4", "POST", "/"):
        assert guest.get(FEATURE, headers={header: value}).text == page
        assert guest.get(f"{SAE}/4", headers={header: FEATURE}).status_code == 401


def test_a_place_in_another_list_is_no_way_out(locked: Atlas) -> None:
    """What `next` stands for is bound to the list it was given for."""
    ada = locked.signed_in()
    shared = f"{SAE}?density=0..1&top_token=self"
    guest = _guest(locked, share(ada, shared))
    everything = ada.get(f"{SAE}.json?size=1").json()["next"]
    answer = guest.get(f"{shared}&size=1&next={everything}")
    assert answer.status_code == 400 and "next" in answer.text


def test_it_adds_nothing_to_what_a_key_may_write(locked: Atlas) -> None:
    link = share(locked.signed_in("Ada"), f"{OTHER}/3")
    limited = locked.signed_in("Bob", "write", dictionary=("synthetic", "resid-2-1k"))
    token = token_of(limited, FEATURE)
    limited.get(link)
    page = limited.get(f"{OTHER}/3")
    assert page.status_code == 200 and "same_site" not in page.text
    form = {"text": "mine", "same_site": token}
    assert limited.post(f"{OTHER}/3/labels", data=form).status_code == 404
    form = {"address": f"{OTHER}/3", "days": "1", "same_site": token}
    assert limited.post("/-/shares", data=form).status_code == 404
    assert limited.get(f"{OTHER}/3?reading=self").status_code == 404


def test_it_shows_one_feature_of_a_dictionary_and_what_was_written_about_it(locked: Atlas) -> None:
    ada = locked.signed_in("Ada")
    token = token_of(ada, FEATURE)
    for index, text in ((3, "label of three"), (4, "label of four")):
        form = {"text": text, "same_site": token}
        assert ada.post(f"{SAE}/{index}/labels", data=form).status_code == 303
    guest = _guest(locked, share(ada, FEATURE))
    seen = "".join(guest.get(one).text for one in (FEATURE, f"{FEATURE}.json"))
    assert "label of three" in seen and "label of four" not in seen
    uid = ada.get(f"{FEATURE}.json").json()["notebook"]["labels"][0]["uid"]
    for address in (f"/-/notebook/label/{uid}", f"/-/notebook/label/{uid}.json", "/-/lists"):
        assert guest.get(address).status_code == 401


def test_it_never_writes(locked: Atlas) -> None:
    ada = locked.signed_in()
    guest = _guest(locked, share(ada, FEATURE))
    token = token_of(ada, FEATURE)
    form = {"address": FEATURE, "days": "1", "same_site": token}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for address in (FEATURE, "/-/shares", f"{FEATURE}/labels", f"{FEATURE}/notes"):
            assert guest.request(method, address, data=form).status_code == 401
    assert len(list_shares(locked.notebook)) == 1


def test_tampering_is_refused(locked: Atlas) -> None:
    link = share(locked.signed_in(), FEATURE)
    for place in range(len("/-/open/"), len(link)):
        letter = "A" if link[place] != "A" else "B"
        guest = locked.visitor()
        assert guest.get(link[:place] + letter + link[place + 1 :]).status_code == 404
        assert not guest.cookies
    text = link.removeprefix("/-/open/")
    cookie = f"{locked.app.state.cookies.links_name}="
    for forged in (text.partition(".")[0], text[:-1], f"{text[:-1]}_", f"x~{text[1:]}"):
        answer = locked.visitor().get(FEATURE, headers={"cookie": cookie + forged})
        assert answer.status_code == 401
    assert locked.visitor().get(FEATURE, headers={"cookie": cookie + text}).status_code == 200


def test_replay_after_revocation(locked: Atlas) -> None:
    link = share(locked.signed_in(), FEATURE)
    guest = _guest(locked, link)
    assert guest.get(FEATURE).status_code == 200
    revoke_share(locked.notebook, list_shares(locked.notebook)[0].share_id, "Ada")
    assert guest.get(FEATURE).status_code == 401
    gone = locked.visitor().get(link)
    assert gone.status_code == 410 and "revoked" in gone.text


def test_it_ends_with_its_makers_key(locked: Atlas) -> None:
    key_id, token = locked.key()
    ada = locked.visitor()
    ada.get("/", params={"key": token})
    guest = _guest(locked, share(ada, FEATURE))
    revoke_key(locked.notebook, key_id)
    assert guest.get(FEATURE).status_code == 401


def test_it_ends_with_its_makers_keys_end(locked: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for a day makes no link for a year."""
    ada = locked.signed_in("Ada", days=1)
    link = share(ada, FEATURE, days=300)
    guest = _guest(locked, link)
    ends = times.seconds_until(list_shares(locked.notebook)[0].expires_at)
    assert ends is not None and ends <= 86_400
    later = times.now() + timedelta(days=1.01)
    monkeypatch.setattr(times, "now", lambda: later)
    assert guest.get(FEATURE).status_code == 401
    assert locked.visitor().get(link).status_code == 410


def test_it_ends_with_its_days(locked: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    link = share(locked.signed_in(), FEATURE, days=1)
    guest = _guest(locked, link)
    later = times.now() + timedelta(days=1.01)
    monkeypatch.setattr(times, "now", lambda: later)
    assert guest.get(FEATURE).status_code == 401
    assert "expired" in locked.visitor().get(link).text


def test_several_links_of_one_browser_open_each_their_own(locked: Atlas) -> None:
    ada = locked.signed_in()
    first, second = share(ada, FEATURE), share(ada, f"{SAE}/5")
    guest = _guest(locked, first)
    guest.get(second)
    assert [guest.get(f"{SAE}/{i}").status_code for i in (3, 4, 5)] == [200, 401, 200]


def test_a_key_sees_more_than_the_links_beside_it(locked: Atlas) -> None:
    link = share(locked.signed_in("Ada"), f"{OTHER}/3")
    limited = locked.signed_in("Bob", "write", dictionary=("synthetic", "resid-2-1k"))
    assert limited.get(f"{OTHER}/3").status_code == 404
    limited.get(link)
    assert "Shared by" in limited.get(f"{OTHER}/3").text
    assert limited.get(f"{OTHER}/4").status_code == 404
    assert "Shared by" not in limited.get(f"{SAE}/3").text


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/", 400), ("/-/search?q=self", 400), ("/-/shares", 400), (f"{SAE}/map", 400),
        (f"{SAE}/context/5", 400), ("https://evil.example/", 400), ("//evil.example/a/3", 400),
        (f"{SAE}/3?unknown=1", 400), (f"{SAE}/3?group=best", 400), (f"{SAE}/999", 404),
        (f"{SAE}/compare?features=3,999", 404), (f"{SAE}/compare?features=3", 400),
        ("/synthetic/none/3", 404), ("/-/lists/none", 404), ("", 422),
    ],
)  # fmt: skip
def test_what_can_not_be_shared_is_said(locked: Atlas, address: str, status: int) -> None:
    ada = locked.signed_in()
    form = {"address": address, "days": "1", "same_site": token_of(ada, FEATURE)}
    answer = ada.post("/-/shares", data=form)
    assert answer.status_code in (status, 400)
    assert list_shares(locked.notebook) == []


def test_everybody_ends_their_own_links_and_an_admin_all(locked: Atlas) -> None:
    ada, bob = locked.signed_in("Ada"), locked.signed_in("Bob")
    admin = locked.signed_in("Root", "admin")
    share(ada, FEATURE)
    share(bob, f"{SAE}/4")
    his, hers = list_shares(locked.notebook)
    assert "made by you" in ada.get("/-/shares").text
    assert [s["share_id"] for s in ada.get("/-/shares.json").json()["shares"]] == [hers.share_id]
    assert len(admin.get("/-/shares.json").json()["shares"]) == 2
    form = {"same_site": token_of(ada, FEATURE)}
    assert ada.post(f"/-/shares/{his.share_id}/revoke", data=form).status_code == 404
    assert ada.get(f"/-/shares/{his.share_id}").status_code == 404
    assert ada.post(f"/-/shares/{hers.share_id}/revoke", data=form).status_code == 303
    form = {"same_site": token_of(admin, FEATURE)}
    assert admin.post(f"/-/shares/{his.share_id}/revoke", data=form).status_code == 303
    assert {one.state for one in list_shares(locked.notebook)} == {"revoked"}
    assert [one.revoked_by for one in list_shares(locked.notebook)] == ["Root", "Ada"]


def test_an_open_server_offers_none(make_atlas: MakeAtlas) -> None:
    assert "Make a link" not in make_atlas().visitor().get(FEATURE).text


def test_where_no_notebook_is_kept_there_are_none(make_atlas: MakeAtlas) -> None:
    browser = make_atlas(notebook="off").visitor()
    for address in ("/-/shares", "/-/open/x.y"):
        assert browser.get(address).status_code == 404
