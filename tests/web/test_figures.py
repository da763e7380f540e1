"""Drawings of panels: well-formed, alone in the world, and with the page's own numbers."""

import re
from html import unescape
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient

from app.web.figures import palette, svg
from app.web.figures.examples_block import AFTER, BEFORE, COLUMN, VALUE_COLUMNS
from app.web.figures.printed import PrintedToken, joined, keep_end, keep_start, read_tokens
from app.web.paths import static_folder

from .conftest import MakeClient

URL = "/synthetic/resid-2-1k/7"
PANELS = (
    "examples", "activation", "logits", "profile", "ablation", "context", "runs", "lift",
    "positions",
)  # fmt: skip
SVG = "{http://www.w3.org/2000/svg}"


def _draw(client: TestClient, panel: str, view: str = "", url: str = URL) -> ElementTree.Element:
    answer = client.get(f"{url}/figure.svg?panel={panel}{view}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("image/svg+xml")
    return ElementTree.fromstring(answer.content)


def _texts(drawing: ElementTree.Element) -> list[str]:
    return ["".join(item.itertext()) for item in drawing.iter(f"{SVG}text")]


@pytest.mark.parametrize("panel", PANELS)
def test_each_stands_alone(client: TestClient, panel: str) -> None:
    drawing = _draw(client, panel)
    assert drawing.tag == f"{SVG}svg"
    for element in drawing.iter():
        assert element.tag.removeprefix(SVG) not in ("script", "style", "image", "a", "use")
        for name, value in element.attrib.items():
            assert "href" not in name and not name.startswith("on") and "url(" not in value
    everything = " ".join(_texts(drawing))
    assert "synthetic/resid-2-1k #7" in everything
    assert "N = 8,128 counted tokens" in everything


def test_bars_are_those_of_the_page(client: TestClient) -> None:
    page = client.get(URL).text
    on_page = page.split('class="chart chart-activation"')[1].split("</figure>")[0]
    titles = re.findall(r"<title>([^<]*)</title></rect>", on_page)
    bars = [
        item for item in _draw(client, "activation").iter(f"{SVG}rect")
        if item.get("fill") in palette.LIGHT_HEAT
    ]  # fmt: skip
    shown = {unescape(title) for title in titles}
    assert len(bars) == len(shown) > 5
    counts = client.get(f"{URL}.json").json()["activation_histogram"]["counts"]
    heights = [float(bar.get("height", 0)) for bar in bars]
    assert heights.index(max(heights)) == [c for c in counts if c].index(max(counts))


def test_examples_are_those_of_the_page_in_their_order(client: TestClient) -> None:
    examples = client.get(f"{URL}.json").json()["examples"]
    top = [example for example in examples if example["group"] == "top"]
    drawing = _draw(client, "examples", "&group=top&ablation=off")
    values = [f"{example['activation']:.2f}" for example in top][:20]
    found = [text.text for text in drawing.iter(f"{SVG}text") if text.get("font-weight") == "600"]
    found = [text for text in found if text in values]
    assert found == values[: len(found)] and len(found) >= 3


def test_peaks_stand_in_one_column(client: TestClient) -> None:
    outlined = [
        item for item in _draw(client, "examples", "&group=top").iter(f"{SVG}rect")
        if item.get("stroke") == palette.INK
    ]  # fmt: skip
    assert len(outlined) >= 3
    assert len({item.get("x") for item in outlined}) == 1


def test_one_example_alone_and_running_text(client: TestClient) -> None:
    alone = _draw(client, "examples", "&example=top-2")
    several = _draw(client, "examples", "&group=top")
    assert float(alone.get("height", 0)) < float(several.get("height", 0))
    wrapped = _draw(client, "examples", "&layout=wrapped&example=top-2")
    mono = [item for item in wrapped.iter(f"{SVG}text") if item.get("textLength")]
    ends = [float(item.get("x", 0)) + float(item.get("textLength", 0)) for item in mono]
    rows = sorted({float(item.get("y", 0)) for item in mono})
    assert len(rows) > 1 and len({round(b - a, 2) for a, b in pairwise(rows)}) == 1
    assert max(ends) <= (VALUE_COLUMNS + BEFORE + AFTER) * COLUMN


def test_at_most_twenty_lines(client: TestClient) -> None:
    drawing = _draw(client, "examples", "&group=interval")
    outlined = [i for i in drawing.iter(f"{SVG}rect") if i.get("stroke") == palette.INK]
    assert 1 < len(outlined) <= 20
    said = re.search(r"Examples 1 to (\d+) of the (\d+) of this view", " ".join(_texts(drawing)))
    assert said is not None
    assert int(said[1]) <= len(outlined), "an example is a line or two"
    assert int(said[1]) < int(said[2]), "those on further pages count as well"


def test_hostile_tokens_are_text(hostile_path: Path, make_client: MakeClient) -> None:
    client = make_client(hostile_path)
    for index in range(0, 60, 7):
        for panel in ("examples", "ablation"):
            answer = client.get(f"/synthetic/resid-2-1k/{index}/figure.svg?panel={panel}")
            if answer.status_code == 404:
                assert "nothing to draw" in answer.text
                continue
            drawing = ElementTree.fromstring(answer.content)
            assert not {e.tag for e in drawing.iter()} & {f"{SVG}script", f"{SVG}b", f"{SVG}img"}


def test_what_is_no_figure_is_a_sentence(client: TestClient) -> None:
    unknown = client.get(f"{URL}/figure.svg?panel=nonsense")
    assert unknown.status_code == 400
    assert "There is no figure &#39;nonsense&#39;: there are examples, activation" in unknown.text
    assert client.get(f"{URL}/figure.svg?colour=red").status_code == 400
    assert client.get("/synthetic/resid-2-1k/99/figure.svg").status_code == 404


def test_an_unchanged_figure_is_not_drawn_again(client: TestClient) -> None:
    first = client.get(f"{URL}/figure.svg")
    again = client.get(f"{URL}/figure.svg", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_the_caption_says_the_public_address(atlas_path: Path, make_client: MakeClient) -> None:
    client = make_client(atlas_path, public_url="https://atlas.example.org/a/")
    everything = " ".join(_texts(_draw(client, "examples", "&group=top")))
    assert f"https://atlas.example.org/a{URL}?group=top" in everything


def test_the_palette_is_the_light_theme() -> None:
    css = (static_folder() / "css/base.css").read_text()
    light = dict(re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6})", css))
    assert [light[f"heat-{i}"] for i in range(10)] == list(palette.LIGHT_HEAT)
    assert {f"effect-{name}": colour for name, colour in palette.EFFECT.items()}.items() <= (
        light.items()
    )
    inks = (light["ink"], light["ink-2"], light["ink-3"])
    assert inks == (palette.INK, palette.INK_2, palette.INK_3)
    on = dict(re.findall(r"\.((?:heat|effect)-\w+) .*?--on(?:-effect)?: light-dark\((#\w+)", css))
    assert {name: palette.ink_on(name) for name in on} == on


def test_tokens_are_read_back_from_markup() -> None:
    markup = '<i class="lead heat-3"> a&lt;b</i><i><b class="nl">\n</b></i><i class="peak">x</i>'
    tokens = read_tokens(markup)
    assert [(token.css, token.text, token.shown) for token in tokens] == [
        ("lead heat-3", " a<b", "·a<b"), ("", "\n", "↵"), ("peak", "x", "x"),
    ]  # fmt: skip
    plain = [PrintedToken("lead", " a"), PrintedToken("", "b"), PrintedToken("peak", "c")]
    assert [(token.css, token.text) for token in joined(plain)] == [("", " ab"), ("peak", "c")]


def test_lines_are_cut_by_columns_and_wide_characters_take_two() -> None:
    tokens = [PrintedToken("", "abc"), PrintedToken("heat-1", "中文")]
    assert svg.cells("中文e\u0301") == 5
    end, cut = keep_end(tokens, 5)
    assert ([token.text for token in end], cut) == (["c", "中文"], True)
    start, cut = keep_start(tokens, 6)
    assert ([token.text for token in start], cut) == (["abc", "中"], True)
    assert keep_end(tokens, 7) == (tokens, False) == keep_start(tokens, 7)


def test_what_xml_can_not_hold_is_replaced() -> None:
    drawn = svg.text(0, 0, "a\x00<b>&\ud800")
    assert ElementTree.fromstring(drawn).text == "a\ufffd<b>&\ufffd"
