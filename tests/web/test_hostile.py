"""Tokens are hostile text: on every page, in every place, shown and never obeyed."""

import html
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.demo.synthetic.text import HOSTILE_TOKENS

from .conftest import MakeClient

INVISIBLE = "[\x00-\x08\x0b-\x1f\x7f\u200b\u200d\u202a-\u202e\u2028\u2029\ufeff]"
SAE = "/synthetic/resid-2-1k"


@pytest.fixture(scope="module")
def hostile(hostile_path: Path, make_client: MakeClient) -> TestClient:
    return make_client(hostile_path)


def _urls(client: TestClient) -> list[str]:
    """Every page on which a hostile token stands, found by the twins."""
    found = ["/", SAE, f"{SAE}?size=60", "/-/docs"]
    for row in client.get(f"{SAE}.json?size=60").json()["features"]:
        if any(token["token"] in HOSTILE_TOKENS for token in row["top_tokens"]):
            found.append(f"{SAE}/{row['feature_index']}")
    return found


def test_no_page_holds_what_a_token_says(hostile: TestClient) -> None:
    urls = _urls(hostile)
    assert len(urls) > 8
    for url in urls:
        page = hostile.get(url)
        assert page.status_code == 200, url
        _check(page.text)


@pytest.mark.parametrize("token", HOSTILE_TOKENS, ids=range(len(HOSTILE_TOKENS)))
def test_they_can_be_searched_and_filtered_by(hostile: TestClient, token: str) -> None:
    text = token[:200]
    for url, arguments in (("/-/search", {"q": text}), (SAE, {"top_token": text})):
        page = hostile.get(url, params=arguments)
        assert page.status_code == 200
        _check(page.text)
        assert hostile.get(f"{url}.json", params=arguments).json()["ok"] is True


def test_a_hostile_token_is_found_by_its_exact_text(hostile: TestClient) -> None:
    text = "<script>alert(1)</script>"
    [token] = hostile.get("/-/search.json", params={"q": text}).json()["tokens"]
    assert (token["token"], token["kind"]) == (text, "exact")
    page = hostile.get("/-/search", params={"q": text}).text
    assert page.count(html.escape("<script>alert(1)</script>")) >= 2


@pytest.mark.parametrize(
    "url",
    [
        "/<script>alert(1)</script>/x", f"{SAE}?<script>alert(1)</script>=1",
        f"{SAE}?sort=<script>alert(1)</script>", f"{SAE}?next=<script>alert(1)</script>",
        "/-/search?sae=<script>alert(1)</script>&q=a", "/-/search?q=a&mode=<b>",
        f"{SAE}/7?example=<b>",
    ],
)  # fmt: skip
def test_errors_repeat_what_was_asked_escaped(hostile: TestClient, url: str) -> None:
    answer = hostile.get(url)
    assert answer.status_code in (400, 404)
    _check(answer.text)


def test_the_longest_token_is_cut(hostile: TestClient) -> None:
    page = hostile.get(f"{SAE}?size=60").text
    assert "longlonglong" in page
    assert "long" * 100 not in page
    assert "(+9,968)" in page


def _check(page: str) -> None:
    text = re.sub(r'<script type="application/json"[^>]*>.*?</script>', "", page, flags=re.DOTALL)
    tags = re.findall(r"<[a-zA-Z][^>]*>", text)
    assert not any("alert" in tag and tag.startswith("<script") for tag in tags)
    foreign = r"<(img|style|textarea(?! name=)|b\s+onclick)\b"
    assert not any(re.match(foreign, tag) for tag in tags)
    assert len(re.findall(r"<script\b", text)) == len(re.findall(r"<script [^>]*src=", text))
    assert not any(re.search(r'href="(?:javascript|data):', tag) for tag in tags)
    # Nothing invisible or reordering gets through; only a field holds what was typed.
    shown = re.sub(r'<input [^>]*value="[^"]*"', "", page)
    assert not re.search(INVISIBLE, shown)
    for block in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S):
        assert "<" not in block
