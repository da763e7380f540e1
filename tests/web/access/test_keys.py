"""Who is let in by what, and what they then may."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.access import times
from app.access.keys import cookie_of, revoke_key
from app.errors import AtlasError
from app.settings import Settings
from app.web.factory import create_app

from .conftest import SAE, Atlas, MakeAtlas, share


def test_the_first_key_locks_a_running_server(make_atlas: MakeAtlas) -> None:
    atlas = make_atlas()
    assert atlas.visitor().get("/").status_code == 200
    atlas.key()
    assert atlas.visitor().get("/").status_code == 401


def test_a_notebook_that_goes_away_opens_nothing(make_atlas: MakeAtlas, tmp_path: Path) -> None:
    atlas = make_atlas()
    atlas.key()
    assert atlas.visitor().get("/").status_code == 401
    for file in tmp_path.glob("notebook.db*"):
        file.unlink()
    assert atlas.visitor().get("/").status_code == 401


def test_a_server_whose_keys_are_all_revoked_stays_locked(make_atlas: MakeAtlas) -> None:
    atlas = make_atlas()
    key_id, token = atlas.key()
    revoke_key(atlas.notebook, key_id)
    again = make_atlas()
    assert again.visitor().get("/").status_code == 401
    assert again.visitor().get("/", params={"key": token}).status_code == 401


def test_the_link_of_a_key_leaves_a_cookie_that_is_not_the_key(locked: Atlas) -> None:
    _, token = locked.key()
    browser = locked.visitor()
    answer = browser.get(SAE, params={"sort": "density", "key": token})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{SAE}?sort=density")
    cookie = answer.headers["set-cookie"]
    assert token not in cookie and token[3:] not in cookie
    assert {"HttpOnly", "SameSite=lax"} <= set(re.split("; ?", cookie))
    assert browser.get(SAE).status_code == 200


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/\\evil.example", "/%5cevil.example", "///evil.example/%2e%2e",
             "/%2f/evil.example", "/%09/evil.example", "/%0d%0alocation:%20https://evil.example"]
)  # fmt: skip
def test_the_link_of_a_key_leads_nowhere_else(locked: Atlas, path: str) -> None:
    answer = locked.visitor().get(f"http://127.0.0.1{path}", params={"key": locked.key()[1]})
    assert answer.status_code == 303
    location = answer.headers["location"]
    assert re.fullmatch(r"/(?![/\\])[\w.~%/-]*", location), location
    assert not re.search(r"[\s\\]", location)


def test_of_two_keys_the_first_counts_and_neither_is_passed_on(locked: Atlas) -> None:
    _, token = locked.key()
    answer = locked.visitor().get(f"{SAE}?key={token}&key=other&sort=density&Key=x")
    assert answer.headers["location"] == f"{SAE}?sort=density&Key=x"
    assert locked.visitor().get(f"{SAE}?key=other&key={token}").status_code == 401
    assert locked.visitor().get(f"{SAE}?Key={token}").status_code == 401
    assert locked.visitor().get(SAE, headers={"cookie": f"key={token}"}).status_code == 401


def test_a_cookie_of_another_server_is_none_here(locked: Atlas) -> None:
    """Servers on one machine share cookies, whatever their ports."""
    _, token = locked.key()
    own = locked.app.state.cookies.key_name
    for name in (
        own[:-1],
        own.upper(),
        f"{own}x",
        "feature-atlas",
        own.replace("atlas-", "atlas-0"),
    ):
        cookie = {"cookie": f"{name}={cookie_of(token)}"}
        assert locked.visitor().get("/", headers=cookie).status_code == 401
    cookie = {"cookie": f"{own}={cookie_of(token)}"}
    assert locked.visitor().get("/", headers=cookie).status_code == 200
    for value in (
        token,
        cookie_of(token).upper(),
        f"{cookie_of(token)}0",
        f'"{token}"',
        "x" * 9000,
    ):
        assert locked.visitor().get("/", headers={"cookie": f"{own}={value}"}).status_code == 401


def test_a_program_shows_its_key_in_a_header(locked: Atlas) -> None:
    _, token = locked.key()
    good = {"authorization": f"Bearer {token}"}
    assert locked.visitor().get("/index.json", headers=good).json()["ok"] is True
    for bad in (f"Bearer {token[:-1]}", f"bearer{token}", f"Basic {token}", token, "Bearer"):
        answer = locked.visitor().get("/index.json", headers={"authorization": bad})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_revoked_key_ends_every_way_at_once(locked: Atlas) -> None:
    key_id, token = locked.key()
    browser = locked.visitor()
    browser.get("/", params={"key": token})
    assert browser.get(f"{SAE}/3").status_code == 200
    revoke_key(locked.notebook, key_id)
    assert browser.get(f"{SAE}/3").status_code == 401
    assert browser.get("/", params={"key": token}).status_code == 401
    header = {"authorization": f"Bearer {token}"}
    assert locked.visitor().get("/", headers=header).status_code == 401


def test_a_key_ends_with_its_days(locked: Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = locked.signed_in(days=1)
    assert browser.get("/").status_code == 200
    later = times.now() + timedelta(days=1.1)
    monkeypatch.setattr(times, "now", lambda: later)
    assert browser.get("/").status_code == 401


@pytest.mark.parametrize("seconds", [3600, 86_400 * 400])
def test_a_cookie_lasts_no_longer_than_its_key(locked: Atlas, seconds: int) -> None:
    _, token = locked.key(days=seconds / 86_400)
    cookie = locked.visitor().get("/", params={"key": token}).headers["set-cookie"]
    age = int(re.findall(r"Max-Age=(\d+)", cookie)[0])
    assert age <= min(seconds, 30 * 86_400)
    assert age > min(seconds, 30 * 86_400) - 60


def test_readers_do_not_make_links(locked: Atlas) -> None:
    reader = locked.signed_in("Rita", "read")
    assert reader.get("/-/shares").status_code == 403
    page = reader.get(f"{SAE}/3").text
    assert "Make a link" not in page
    form = {"address": f"{SAE}/3", "same_site": re.findall("[0-9a-f]{32}", page + "0" * 32)[0]}
    assert reader.post("/-/shares", data=form).status_code == 403


def test_the_one_access_key_may_write(make_atlas: MakeAtlas) -> None:
    atlas = make_atlas(access_key=SecretStr("a key of sixteen letters"))
    browser = atlas.visitor()
    browser.get("/?key=a%20key%20of%20sixteen%20letters")
    share(atlas.signed_in("Ada"), f"{SAE}/3")
    share(browser, f"{SAE}/4")
    assert len(browser.get("/-/shares.json").json()["shares"]) == 1, "its own, not Ada's"
    assert "made by you" in browser.get("/-/shares").text


def test_of_a_public_atlas_anybody_reads_and_keys_write(make_atlas: MakeAtlas) -> None:
    atlas = make_atlas(public=True)
    anybody, ada = atlas.visitor(), atlas.signed_in("Ada", "write")
    assert anybody.get(f"{SAE}/3").status_code == 200
    assert anybody.get("/-/shares").status_code == 403
    assert ada.get("/-/shares").status_code == 200
    assert anybody.get("/").headers["cache-control"] == "no-cache"
    assert ada.get("/").headers["cache-control"] == "private, no-cache"


def test_one_persons_page_is_never_anothers_copy(make_atlas: MakeAtlas) -> None:
    atlas = make_atlas(public=True)
    visitors = atlas.visitor(), atlas.signed_in("Ada"), atlas.signed_in("Bob")
    tags = [one.get(f"{SAE}/3").headers["etag"] for one in visitors]
    assert len(set(tags)) == 3
    for one in visitors:
        fresh = [
            one.get(f"{SAE}/3", headers={"if-none-match": tag}).status_code == 304 for tag in tags
        ]
        assert sum(fresh) == 1


def test_elsewhere_a_server_needs_keys_in_the_notebook_it_names(
    atlas_path: Path, tmp_path: Path, make_atlas: MakeAtlas
) -> None:
    place = str(tmp_path / "notebook.db")
    settings = Settings(atlas=atlas_path, host="0.0.0.0", notebook=place)
    with pytest.raises(AtlasError, match="would show the atlas"):
        create_app(settings)
    make_atlas().key()
    create_app(settings)


def _ruin(atlas: Atlas, tmp_path: Path) -> None:
    atlas.notebook.dispose()
    atlas.app.state.notebook.dispose()
    (tmp_path / "notebook.db").write_bytes(b"no database at all, " * 400)


def test_without_its_notebook_an_open_atlas_is_shown(make_atlas: MakeAtlas, tmp_path: Path) -> None:
    atlas = make_atlas()
    browser = atlas.visitor()
    assert browser.get(f"{SAE}/3").status_code == 200
    _ruin(atlas, tmp_path)
    assert browser.get(f"{SAE}/3").status_code == 200


def test_without_its_notebook_the_one_access_key_still_opens(
    make_atlas: MakeAtlas, tmp_path: Path
) -> None:
    atlas = make_atlas(access_key=SecretStr("a key of sixteen letters"))
    browser = atlas.visitor()
    browser.get("/?key=a%20key%20of%20sixteen%20letters")
    _ruin(atlas, tmp_path)
    assert browser.get(f"{SAE}/3").status_code == 200
    assert atlas.visitor().get(f"{SAE}/3").status_code == 401


def test_a_notebook_that_can_not_be_read_lets_nobody_in(locked: Atlas, tmp_path: Path) -> None:
    browser = locked.signed_in()
    _ruin(locked, tmp_path)
    answer = browser.get("/")
    assert answer.status_code == 503
    assert "notebook" in answer.text and "Traceback" not in answer.text
