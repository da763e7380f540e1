"""Frames: only the panels asked for, only for the hosts of the settings."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.errors import AtlasError
from app.settings import Settings
from app.web.embed import EMBED_PANELS, parse_embed

from .conftest import MakeClient

URL = "/synthetic/resid-2-1k/7"
HOSTS = ("wiki.example.org", "https://*.example.com:8443")


@pytest.fixture(scope="module")
def framed(atlas_path: Path, make_client: MakeClient) -> TestClient:
    return make_client(atlas_path, embed_hosts=HOSTS)


def _ancestors(policy: str) -> str:
    [found] = re.findall(r"frame-ancestors ([^;]*)", policy)
    return found


def test_only_frames_may_be_framed_and_only_by_the_hosts_named(framed: TestClient) -> None:
    embed = framed.get(f"{URL}?embed")
    policy = embed.headers["content-security-policy"]
    assert _ancestors(policy) == " ".join(HOSTS)
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert embed.headers["x-content-type-options"] == "nosniff"
    for url in (URL, "/", f"{URL}.json?embed", f"{URL}?embed=nonsense", f"{URL}/figure.svg",
                "/-/search?q=a", "/-/health", "/nothing/here?embed"):  # fmt: skip
        headers = framed.get(url).headers
        assert _ancestors(headers["content-security-policy"]) == "'none'", url
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_an_unchanged_frame_keeps_its_policy(framed: TestClient) -> None:
    etag = framed.get(f"{URL}?embed").headers["etag"]
    again = framed.get(f"{URL}?embed", headers={"If-None-Match": etag})
    assert again.status_code == 304
    assert _ancestors(again.headers["content-security-policy"]) == " ".join(HOSTS)


def test_nobody_frames_unless_told(client: TestClient) -> None:
    answer = client.get(f"{URL}?embed")
    assert answer.status_code == 200
    assert _ancestors(answer.headers["content-security-policy"]) == "'none'"


@pytest.mark.parametrize("query", ["embed", "embed=", "embed=summary,activation,examples"])
def test_the_bare_word_is_summary_activation_and_examples(client: TestClient, query: str) -> None:
    page = client.get(f"{URL}?{query}").text
    assert 'class="lede"' in page and 'id="activation"' in page and 'id="examples"' in page
    assert 'id="ablation"' not in page and 'id="logits"' not in page


@pytest.mark.parametrize("panel", EMBED_PANELS)
def test_each_panel_alone(client: TestClient, panel: str) -> None:
    page = client.get(f"{URL}?embed={panel}").text
    places = {"summary": 'class="lede"', "facts": 'class="facts"'}
    for name in EMBED_PANELS:
        assert (places.get(name, f'id="{name}"') in page) == (name == panel)


def test_a_frame_is_no_page(client: TestClient) -> None:
    page = client.get(f"{URL}?embed&group=top").text
    for chrome in ("site-header", "data-copy-link", "search-box", "jump-bar"):
        assert chrome not in page
    assert '<base target="_blank">' in page
    assert f'href="{URL}?group=top"' in page
    assert "embed=" not in page
    inline = r"<style|<script(?![^>]*\bsrc=|[^>]*application/json)|\sstyle=\"|\son[a-z]+=\""
    assert not re.search(inline, page)


def test_a_framed_reading_says_what_is_claimed(client: TestClient) -> None:
    page = client.get(f"{URL}?embed=reading&reading=self+%3Cb%3E").text
    assert "fires on <code>self &lt;b&gt;</code>" in page


def test_a_panel_there_is_not(client: TestClient) -> None:
    answer = client.get(f"{URL}?embed=summary,charts")
    assert answer.status_code == 400
    assert "There is no panel &#39;charts&#39; to embed: choose from summary, facts" in answer.text


def test_the_order_is_that_of_the_page() -> None:
    assert parse_embed("examples, summary,examples") == ("summary", "examples")


@pytest.mark.parametrize(
    "host", ["'self'", "*", "a.org; script-src *", "https://a.org/path", "", "a b", "javascript:x"]
)
def test_a_host_that_could_change_the_policy_is_refused(atlas_path: Path, host: str) -> None:
    with pytest.raises(AtlasError, match="embed host"):
        Settings(atlas=atlas_path, embed_hosts=(host,))
