"""One feature as one file: small, complete, and asking nobody for anything."""

import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.errors import AtlasError
from app.web.export import single
from app.web.export.plain_html import lean, unlinked
from app.web.export.single import MOST_BYTES, export_feature
from app.web.figures.printed import read_tokens

URL = "/synthetic/resid-2-1k"


class _Reader(HTMLParser):
    """Every address a browser would ask for, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        names = ("src", "srcset", "poster", "data", "background", "xlink:href")
        self.asked += [value for name in names if (value := values.get(name))]
        if tag in ("link", "image", "use", "form", "base"):
            self.asked.append(tag)


def _read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    return reader


def test_every_feature_fits_and_asks_for_nothing(client: TestClient) -> None:
    for index in range(0, 60, 6):
        answer = client.get(f"{URL}/{index}/page.html")
        assert answer.status_code == 200
        assert len(answer.content) <= MOST_BYTES == 400_000
        found = _read(answer.text)
        assert found.asked == []
        assert not found.tags & {"script", "iframe", "img", "object", "embed"}
        assert "url(" not in answer.text and "@import" not in answer.text
        assert "default-src 'none'" in answer.text


def test_the_densest_and_strongest_fit(client: TestClient) -> None:
    for sort in ("-density", "-max_activation", "-run_length"):
        rows = client.get(f"{URL}.json?sort={sort}&size=3").json()["features"]
        for row in rows:
            answer = client.get(f"{URL}/{row['feature_index']}/page.html")
            assert len(answer.content) <= MOST_BYTES


def test_it_holds_every_example(client: TestClient) -> None:
    stored = client.get(f"{URL}/7.json").json()["examples"]
    shown = _examples(client.get(f"{URL}/7/page.html").text)
    assert len(shown) == len(set(shown))
    groups = {example["group"] for example in stored}
    assert {name.rpartition("-")[0] for name in shown} == groups
    # Texts that repeat are folded into the first of them.
    assert len(shown) >= 0.8 * len(stored)


EXAMPLE = re.compile(r"(top|interval|quantile|silent|near)-\d+")


def _examples(text: str) -> list[str]:
    return [name for name in _read(text).ids if EXAMPLE.fullmatch(name)]


@pytest.mark.parametrize("share", [0.97, 0.8, 0.5, 0.1])
def test_what_does_not_fit_is_counted_in_the_file(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    """As many examples as fit, from the first on; the sentence and each group say how many."""
    whole = client.get(f"{URL}/7/page.html").text
    names = _examples(whole)
    assert "This file holds" not in whole
    most = int(share * len(whole.encode()))
    monkeypatch.setattr(single, "MOST_BYTES", most)
    cut = client.get(f"{URL}/7/page.html").text
    kept = _examples(cut)
    assert kept == names[: len(kept)] and len(kept) < len(names)
    assert len(cut.encode()) <= most or kept == []
    said = html.unescape(re.findall(r'id="left-out">(.*?)</p>', cut, re.DOTALL)[0])
    assert said.startswith(f"This file holds {len(kept)} of {len(names)} examples (")
    assert said.endswith(f": all of them would make it larger than {most // 1000} kB.")
    for group, title in single.TITLES.items():
        inside = sum(name.startswith(f"{group}-") for name in kept)
        every = sum(name.startswith(f"{group}-") for name in names)
        assert (f"{inside} of {every} of “{title}”" in said) == (inside < every)
        assert (f"{inside} of {every}</span></summary>" in cut) == (inside < every)


def test_nothing_in_it_asks_for_a_click(client: TestClient) -> None:
    page, file = client.get(f"{URL}/7").text, client.get(f"{URL}/7/page.html").text
    for words in ("A click on a bar", ">compare</a>", "compare with the first"):
        assert words in page and words not in file


def test_its_texts_and_colours_are_those_of_the_page(client: TestClient) -> None:
    def tokens(html: str) -> dict[str, list[tuple[str, str]]]:
        """Text and class of every character, line by line of each example."""
        found = {}
        for name, article in re.findall(
            r'<article\b[^>]*\bid="(top-\d+)"[^>]*>(.*?)</article>', html, re.DOTALL
        ):
            text = article.split('class="example-text">')[1].split('class="example-meta"')[0]
            found[name] = [
                (character, re.sub(r"\b(lead|indent)\b", "", token.css).strip())
                for token in read_tokens(text)
                for character in token.text
                if character != "\n"
            ]
        return found

    page = tokens(client.get(f"{URL}/7?group=top").text)
    file = tokens(client.get(f"{URL}/7/page.html").text)
    assert page and {name: file[name] for name in page} == page


def test_it_is_offered_as_a_download(client: TestClient) -> None:
    answer = client.get(f"{URL}/7/page.html")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="synthetic-resid-2-1k-7.html"'
    )
    assert client.get(f"{URL}/7/page.html?group=top").status_code == 400


def test_the_command_writes_the_same(atlas_path: Path, tmp_path: Path, client: TestClient) -> None:
    export_feature(atlas_path, "synthetic/resid-2-1k/7", tmp_path / "seven.html", "")
    assert (tmp_path / "seven.html").read_text() == client.get(f"{URL}/7/page.html").text


def test_with_an_address_its_links_lead_there(atlas_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "seven.html"
    export_feature(atlas_path, "synthetic/resid-2-1k/7", out, "https://atlas.example.org")
    links = re.findall(r'<a\b[^>]*href="([^"]*)"', out.read_text())
    assert links and all(link.startswith(("https://atlas.example.org/", "#")) for link in links)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("synthetic/resid-2-1k/60", "has features 0 to 59"),
        ("synthetic/nothing/1", "synthetic/resid-2-1k"),
        ("seven", "names no feature"),
    ],
)
def test_what_is_no_feature_is_a_sentence(
    atlas_path: Path, tmp_path: Path, name: str, sentence: str
) -> None:
    with pytest.raises(AtlasError, match=sentence):
        export_feature(atlas_path, name, tmp_path / "out.html", "")
    assert not (tmp_path / "out.html").exists()


def test_markup_made_lean() -> None:
    line = (
        '<div class="line activation" tabindex="0" role="group" aria-label="a data-b c" '
        'data-ids="1 2"><i>a</i><i><b class="nl">\n</b>b</i><i class="peak">c</i><i>d</i></div>'
    )
    assert lean(line) == (
        '<div class="line activation" role="group" aria-label="a data-b c">'
        '<i>a<b class="nl">\n</b>b</i><i class="peak">c</i><i>d</i></div>'
    )
    assert lean("<i class=peak data-id=7 hidden data-text=x>c</i>") == "<i class=peak hidden>c</i>"
    assert unlinked('<a class="x" href="/m/s/1?a=1&amp;b=2">1</a>', "") == '<a class="x">1</a>'
    assert unlinked('<a href="/m?a=1&amp;b=2">1</a>', "https://x.org") == (
        '<a href="https://x.org/m?a=1&amp;b=2">1</a>'
    )


def test_a_file_is_written_whole_and_over_nothing_but_a_page(
    atlas_path: Path, tmp_path: Path, largest_file: Callable[[int], None]
) -> None:
    name, out = "synthetic/resid-2-1k/7", tmp_path / "feature.html"
    with pytest.raises(AtlasError, match="is a folder: give the name of a file"):
        export_feature(atlas_path, name, tmp_path, "")
    export_feature(atlas_path, name, out, "")
    before = out.read_bytes()
    largest_file(10_000)
    with pytest.raises(AtlasError, match=r"Can't write .*: what stood there still does; free some"):
        export_feature(atlas_path, name, out, "")
    assert [path.name for path in tmp_path.iterdir()] == ["feature.html"]
    assert out.read_bytes() == before
    largest_file(2**30)
    out.write_text("mine")
    with pytest.raises(AtlasError, match="exists and is no page"):
        export_feature(atlas_path, name, out, "")
    assert out.read_text() == "mine"
