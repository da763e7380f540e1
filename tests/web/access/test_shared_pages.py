"""What somebody sees who has a share link alone: the thing, what is said of it, nothing else."""

import re
from html import unescape

import pytest
from fastapi.testclient import TestClient

from app.access.shares import revoke_share

from .conftest import SAE, Atlas, share, token_of

FEATURE = f"{SAE}/3"
SHARED = (FEATURE, f"{FEATURE}?reading=self", f"{SAE}/compare?features=3,17", f"{SAE}?dead=no")


def _write(ada: TestClient, url: str, page: str = FEATURE, **fields: str) -> None:
    answer = ada.post(url, data={"same_site": token_of(ada, page), **fields})
    assert answer.status_code == 303, answer.text


@pytest.fixture
def written(locked: Atlas) -> tuple[Atlas, TestClient]:
    """Ada labelled two features that are near, wrote a note, starred one and put it on a list."""
    ada = locked.signed_in()
    near = ada.get(f"{FEATURE}.json").json()["neighbors"][0]["feature_index"]
    _write(ada, f"{FEATURE}/labels", text="its own label", reading="self")
    _write(ada, f"{SAE}/{near}/labels", text="label of another")
    _write(ada, f"{FEATURE}/notes", text="its own note")
    _write(ada, f"{FEATURE}/star")
    _write(ada, f"{FEATURE}/lists", title="A list of Ada", remark="a remark of Ada")
    return locked, ada


def _guest(atlas: Atlas, ada: TestClient, address: str) -> TestClient:
    guest = atlas.visitor()
    assert guest.get(share(ada, address)).status_code == 303
    return guest


@pytest.mark.parametrize("address", SHARED)
def test_every_link_and_form_on_it_opens(written: tuple[Atlas, TestClient], address: str) -> None:
    atlas, ada = written
    guest = _guest(atlas, ada, address)
    page = guest.get(address)
    assert page.status_code == 200
    ways = set(re.findall(r'<(?:a|form)\b[^>]*\s(?:href|action)="(/[^"#]*)', page.text))
    assert ways, "other views of it are links"
    for way in ways:
        assert guest.get(unescape(way)).status_code == 200, way
    assert 'role="search"' not in page.text and "data-search" not in page.text
    assert "/-/docs" not in page.text and "site-menu" not in page.text


def test_a_feature_is_seen_with_its_labels_and_notes_and_nobody_elses(
    written: tuple[Atlas, TestClient],
) -> None:
    atlas, ada = written
    guest = _guest(atlas, ada, FEATURE)
    own, seen = ada.get(FEATURE).text, guest.get(FEATURE).text
    for text in ("its own label", "its own note", "not measured"):
        assert text in own and text in seen, text
    for text in ("label of another", "A list of Ada", "a remark of Ada", "Starred by", "history",
                 "/-/notebook", "/-/lists", "Save label", "same_site"):  # fmt: skip
        assert text not in seen, text
    assert "label of another" in own and "A list of Ada" in own
    twin = guest.get(f"{FEATURE}.json").json()["notebook"]
    assert [one["text"] for one in twin["labels"]] == ["its own label"]
    assert (twin["starred_by"], twin["lists"]) == ([], [])
    file = guest.get(f"{FEATURE}/page.html?labels=yes&notes=yes").text
    assert "its own note" in file and "label of another" not in file


def test_a_comparison_names_what_it_compares(written: tuple[Atlas, TestClient]) -> None:
    atlas, ada = written
    address = f"{SAE}/compare?features=3,17"
    page = _guest(atlas, ada, address).get(address).text
    assert "its own label" in page and "label of another" not in page


def test_a_list_of_the_notebook_is_seen_page_by_page(written: tuple[Atlas, TestClient]) -> None:
    atlas, ada = written
    guest = _guest(atlas, ada, "/-/lists/a-list-of-ada")
    for url in ("/-/lists/a-list-of-ada", "/-/lists/a-list-of-ada?start=200"):
        assert "a remark of Ada" in guest.get(url).text
    assert guest.get("/-/lists/a-list-of-ada?other=1").status_code == 401


def test_a_refusal_says_why_and_leads_back(written: tuple[Atlas, TestClient]) -> None:
    atlas, ada = written
    guest = _guest(atlas, ada, FEATURE)
    refused = guest.get(f"{SAE}/4?group=top")
    assert refused.status_code == 401
    assert "Not part of what was shared with you" in refused.text
    assert f'href="{FEATURE}"' in refused.text and "shared with you</span>" in refused.text
    assert '<input type="hidden" name="group" value="top">' in refused.text
    assert "Copy link" not in refused.text
    [link] = [one for one in ada.get("/-/shares.json").json()["shares"]]
    revoke_share(atlas.notebook, link["share_id"], "Ada")
    ended = guest.get(FEATURE)
    assert ended.status_code == 401
    assert "has ended or was revoked" in ended.text and "ask whoever sent it" in ended.text
    stranger = atlas.visitor().get(FEATURE)
    assert "opens with an access key" in stranger.text and "resid-2-1k" not in stranger.text
    told = atlas.visitor().get(f"{FEATURE}.json")
    assert told.json()["ok"] is False and told.headers["www-authenticate"].startswith("Bearer")


def test_a_key_can_be_pasted_where_it_is_asked_for(locked: Atlas) -> None:
    _, token = locked.key()
    browser = locked.visitor()
    page = browser.get(f"{FEATURE}?group=top&scale=log").text
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)">', page))
    assert re.search(r'<form class="key-form">\s', page), "it is sent to this same address"
    answer = browser.get(FEATURE, params={**fields, "key": token})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{FEATURE}?group=top&scale=log"
    assert browser.get(answer.headers["location"]).status_code == 200
    wrong = locked.visitor().get(FEATURE, params={"key": "wrong"})
    assert wrong.status_code == 401 and "This key opens nothing" in wrong.text
