"""What is copied: plain words, and Markdown in which tokens are only text."""

import re
from html import unescape
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from markupsafe import Markup

from app.demo.synthetic import build_synthetic_atlas
from app.web.share import markdown, one_line

from .conftest import MakeClient


def test_tokens_stand_in_quotes_with_nothing_invisible() -> None:
    pieces = [["number", "83%"], ["text", " on "], ["token", " self\n"]]
    assert one_line(pieces) == "83% on ‘·self↵’"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a*b_c", r"a\*b\_c"),
        ("[x](y) `z`", r"\[x\](y) \`z\`"),
        ("<b>&", r"\<b\>\&"),
        ("two\nlines\t here", "two lines here"),
        (Markup("&lt;b&gt; &#39;q&#39;"), r"\<b\> 'q'"),
    ],
)
def test_markdown_is_defused(text: str, escaped: str) -> None:
    assert markdown(text) == escaped


def _copied(page: str) -> tuple[str, str]:
    title, line = re.findall(r'data-copy-markdown="([^"]*)" data-line="([^"]*)"', page)[0]
    return unescape(title), unescape(line)


def test_every_page_has_words_to_copy(client: TestClient) -> None:
    title, line = _copied(client.get("/synthetic/resid-2-1k/7").text)
    assert title.startswith("resid-2-1k #7: ") and line.startswith("Fires on ")
    for url in ("/", "/synthetic/resid-2-1k", "/-/search?q=self", "/-/docs"):
        title, _ = _copied(client.get(url).text)
        assert (title and not title.endswith("Feature Atlas")) or url == "/"


def test_hostile_tokens_can_not_end_the_link(hostile_path: Path, make_client: MakeClient) -> None:
    client = make_client(hostile_path)
    for index in range(0, 60, 3):
        for text in _copied(client.get(f"/synthetic/resid-2-1k/{index}").text):
            assert not re.search(r"(?<!\\)(?:\\\\)*[\[\]<>`]", text), text
            assert "\n" not in text


def test_what_a_view_claims_is_copied_with_it(
    tmp_path_factory: pytest.TempPathFactory, make_client: MakeClient
) -> None:
    path = tmp_path_factory.mktemp("share") / "atlas.db"
    build_synthetic_atlas(path, n_features=20, saes=("resid-2-1k",), events=True)
    client = make_client(path)
    address = "/synthetic/resid-2-1k/7"
    _, plain = _copied(client.get(address).text)
    assert "Reading" not in plain and "Band" not in plain
    typed = 'def | "se\u202elf"'
    tested = client.get(f"{address}.json", params={"reading": typed}).json()["reading"]
    _, line = _copied(client.get(address, params={"reading": typed}).text)
    assert line.startswith(plain)
    assert r"Reading def \| " in line and "\u202e" not in line
    both = tested["n_both"]
    for words in (
        f"({both:,} of {tested['n_says_yes']:,} yeses fire)",
        f"({both:,} of {tested['n_fires']:,} firings are yeses)",
        "activation explained ",
        f"over {tested['n_tokens']:,} counted tokens.",
    ):
        assert words in line
    _, never = _copied(client.get(address, params={"reading": "zqzq"}).text)
    assert "says yes on none of the" in never
    _, mistaken = _copied(client.get(address, params={"reading": "a b"}).text)
    assert mistaken == plain, "a reading that can't be read claims nothing"
    _, banded = _copied(client.get(address, params={"band": "0.5..1"}).text)
    assert re.search(r" Band 0\.5\S* – 1\S*: .*firings \([\d.]+%\)\.$", banded)
