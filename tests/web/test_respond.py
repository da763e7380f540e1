"""Answers: twins, ETags, errors in one envelope, and the headers every answer carries."""

import re
from html import unescape
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.web.headers import SECURITY_HEADERS
from app.web.respond import json_response

from .conftest import MakeClient

PAGES = ["/", "/synthetic/resid-2-1k", "/synthetic/resid-2-1k/3", "/-/search?q=self", "/-/docs"]
TWINS = ["/index.json", "/synthetic/resid-2-1k.json", "/synthetic/resid-2-1k/3.json",
         "/-/search.json?q=self", "/-/docs.json"]  # fmt: skip


@pytest.mark.parametrize("url", PAGES)
def test_pages_name_their_twin(client: TestClient, url: str) -> None:
    page = client.get(url)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    [href] = re.findall(r'<link rel="alternate" type="application/json" href="([^"]+)"', page.text)
    twin = client.get(href)
    assert twin.headers["content-type"] == "application/json"
    assert twin.json()["ok"] is True


@pytest.mark.parametrize("url", PAGES + TWINS)
def test_an_unchanged_page_is_not_sent_again(client: TestClient, url: str) -> None:
    first = client.get(url)
    assert first.headers["cache-control"] == "private, no-cache"
    etag = first.headers["etag"]
    again = client.get(url, headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag
    assert client.get(url, headers={"if-none-match": 'W/"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/nothing.json", 404), ("/a/b.json", 404), ("/synthetic/resid-2-1k/60.json", 404),
        ("/synthetic/resid-2-1k/-1.json", 404), ("/synthetic/resid-2-1k/x.json", 404),
        ("/synthetic/resid-2-1k/999999999999999999999999.json", 404),
        ("/-/search.json?q=a&sae=no/such", 404), ("/index.json?x=1", 400),
    ],
)  # fmt: skip
def test_errors_come_in_one_envelope(client: TestClient, url: str, status: int) -> None:
    answer = client.get(url)
    assert answer.status_code == status
    body = answer.json()
    assert body.keys() == {"ok", "status", "error"}
    assert (body["ok"], body["status"]) == (False, status)
    assert len(body["error"]) > 10
    assert answer.headers["cache-control"] == "no-store"


def test_unknown_dictionaries_name_the_close_ones(client: TestClient) -> None:
    error = client.get("/synthetic/resid-2.json").json()["error"]
    assert error.startswith("There is no dictionary synthetic/resid-2: known are")
    assert "synthetic/resid-2-1k" in error


@pytest.mark.parametrize(
    ("url", "back"),
    [
        ("/synthetic/resid-2-1k/60", ["/synthetic/resid-2-1k"]),
        ("/synthetic/resid-2-1k/3?group=best",
         ["/synthetic/resid-2-1k/3", "/synthetic/resid-2-1k"]),
        ("/synthetic/resid-2-1k?sort=colour&dead=no",
         ["/synthetic/resid-2-1k?dead=no", "/synthetic/resid-2-1k"]),
        ("/synthetic/resid-2-1k?sort=colour", ["/synthetic/resid-2-1k"]),
        ("/synthetic/resid-2-1k?next=damaged", ["/synthetic/resid-2-1k"]),
        ("/synthetic/resid-2-1k/compare?features=1,99",
         ["/synthetic/resid-2-1k/1", "/synthetic/resid-2-1k"]),
        ("/synthetic/resid-2-1k/compare?features=1,5x,7,7",
         ["/synthetic/resid-2-1k/compare?features=1,7", "/synthetic/resid-2-1k"]),
        ("/synthetic/resid-2-1k/compare?features=1,2,3,4,5",
         ["/synthetic/resid-2-1k/compare?features=1,2,3,4", "/synthetic/resid-2-1k"]),
        ("/synthetic/resid-2-1k/compare?features=,", ["/synthetic/resid-2-1k"]),
        ("/synthetic/resid-2-1k/features.csv?density=abc",
         ["/synthetic/resid-2-1k/features.csv", "/synthetic/resid-2-1k"]),
        ("/synthetic/none/3", []), ("/nothing", []),
    ],
)  # fmt: skip
def test_an_error_leads_back_to_the_page_and_to_the_list(
    client: TestClient, url: str, back: list[str]
) -> None:
    page = client.get(url)
    assert page.status_code in (400, 404)
    links = re.findall(r'<a class="button" href="([^"]*)">', page.text.split("<main")[1])
    assert [unescape(link) for link in links] == back
    for link in back:
        assert client.get(unescape(link)).status_code == 200


def test_one_address_has_one_content(client: TestClient) -> None:
    answer = client.get("/", headers={"accept": "application/json"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_errors_elsewhere_come_as_accept_says(client: TestClient) -> None:
    assert client.get("/nothing", headers={"accept": "application/json"}).json()["status"] == 404
    assert "<!doctype html>" in client.get("/nothing").text


def test_only_get(client: TestClient) -> None:
    for url in ("/index.json", "/synthetic/resid-2-1k/3.json"):
        answer = client.post(url)
        assert (answer.status_code, answer.json()["status"]) == (405, 405)
        assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("url", [*PAGES, *TWINS, "/-/health", "/nothing", "/index.json?x=1"])
def test_every_answer_keeps_to_itself(client: TestClient, url: str) -> None:
    headers = client.get(url).headers
    for name, value in SECURITY_HEADERS.items():
        assert headers[name] == value
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("url", PAGES)
def test_nothing_inline_and_nothing_from_elsewhere(client: TestClient, url: str) -> None:
    page = client.get(url).text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)
    for attributes in re.findall(r"<script([^>]*)>", page):
        assert " src=" in attributes or 'type="application/json"' in attributes
    links = re.findall(r'(?:href|src|action)="([^"]*)"', page)
    assert links
    assert all(link.startswith(("/", "#", "?")) and not link.startswith("//") for link in links)


def test_a_mistake_of_ours_is_a_sentence_without_a_trace(
    atlas_path: Path, make_client: MakeClient
) -> None:
    app = make_client(atlas_path).app
    app.state.memory = "not a memory"  # type: ignore[attr-defined]
    broken = TestClient(app, "http://127.0.0.1", raise_server_exceptions=False)
    for url in ("/synthetic/resid-2-1k/3.json", "/synthetic/resid-2-1k/3"):
        answer = broken.get(url)
        assert answer.status_code == 500
        assert "its log says what happened" in answer.text
        assert "Traceback" not in answer.text and "AttributeError" not in answer.text
        assert "content-security-policy" in answer.headers


def test_numbers_that_are_not_finite_become_null() -> None:
    answer = json_response({"a": float("nan"), "b": [1.0, float("inf")], "c": "ü"})
    assert answer.body == '{"a":null,"b":[1.0,null],"c":"ü"}'.encode()
