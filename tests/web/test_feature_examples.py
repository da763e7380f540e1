"""The examples of a feature in every view: windows, layouts, effects, scales, folds, bands."""

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.db.records import ContextRecord, ExampleGroup
from app.demo.synthetic import build_synthetic_atlas
from app.web.charts.scales import effect_class, heat_class
from app.web.pages.examples.choice import Choice, Chosen, Source, folded

from .conftest import MakeClient
from .test_feature_page import full_feature

SAE = "/synthetic/resid-2-1k"
PANEL_BUDGET = 56_000
"""Of the 150 kB of a page, what the examples with their toolbar may take."""


@pytest.fixture(scope="module")
def atlas_with_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("events") / "atlas.db"
    return build_synthetic_atlas(path, n_features=60, events=True, saes=("resid-2-1k",))


@pytest.fixture(scope="module")
def with_events(atlas_with_events: Path, make_client: MakeClient) -> TestClient:
    return make_client(atlas_with_events)


@pytest.fixture(scope="module")
def richest(client: TestClient) -> int:
    """A feature whose groups are all full."""
    return full_feature(client, range(60))


@pytest.fixture(scope="module")
def twin(client: TestClient, richest: int) -> dict[str, dict[str, Any]]:
    """Its examples as JSON, by name."""
    examples = client.get(f"{SAE}/{richest}.json").json()["examples"]
    return {f"{item['group']}-{item['rank']}": item for item in examples}


def _panel(client: TestClient, index: int, query: str = "") -> str:
    answer = client.get(f"{SAE}/{index}{query}")
    assert answer.status_code == 200, answer.text
    start = answer.text.rindex("<section", 0, answer.text.index('id="examples"'))
    return answer.text[start : answer.text.index("</section>", start)]


def _articles(panel: str) -> dict[str, str]:
    return dict(
        re.findall(r'<article class="example[^"]*" id="([^"]+)">(.*?)</article>', panel, re.S)
    )


class _Tokens(HTMLParser):
    """Texts and classes of the tokens of a line; the class of a run counts for each inside it."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tokens: list[tuple[str, set[str]]] = []
        self._runs: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        css = dict(attrs).get("class") or ""
        if tag == "span":
            self._runs.append(css)
        elif tag in ("i", "u"):
            self.tokens.append(
                ("", {*css.split(), *self._runs} - {"before", "after", "indent", ""})
            )

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self._runs.pop()

    def handle_data(self, data: str) -> None:
        if self.tokens:
            text, css = self.tokens[-1]
            self.tokens[-1] = (text + data, css)


def _lines(article: str) -> list[tuple[str, dict[str, str], list[tuple[str, set[str]]]]]:
    """(kind, data attributes, tokens) of every line."""
    found = []
    for head, body in re.findall(r'<div class="line ([^>]*)>(.*?)</div>', article, re.S):
        data = {
            k: a or b for k, a, b in re.findall(r'data-([\w-]+)=(?:"([^"]*)"|([^\s">]+))', head)
        }
        found.append((head.split('"')[0], data, _Tokens(body).tokens))
    return found


def _numbers(text: str) -> list[float]:
    return [float(part) if part not in ("", "-") else 0.0 for part in text.split(" ")]


@pytest.mark.parametrize("group", ["mix", "top", "interval", "quantile", "silent", "near"])
@pytest.mark.parametrize("layout", ["aligned", "wrapped", "lines"])
@pytest.mark.parametrize("window", ["tight", "snippet", "whole"])
def test_every_view_stays_inside_its_budget(
    client: TestClient, richest: int, group: str, layout: str, window: str
) -> None:
    query = f"?group={group}&layout={layout}&window={window}&ablation=both"
    assert len(_panel(client, richest, query).encode()) <= PANEL_BUDGET
    assert len(_panel(client, richest, f"{query}&example=top-3").encode()) <= PANEL_BUDGET


@pytest.mark.parametrize("group", ["top", "quantile"])
def test_a_group_can_be_read_to_its_end(
    client: TestClient, richest: int, twin: dict[str, Any], group: str
) -> None:
    url, names, pages = f"{SAE}/{richest}?group={group}&window=whole", [], 0
    while url:
        text = client.get(url).text
        page = list(_articles(text))
        said = re.search(r"(\d+) – (\d+) of (\d+) shown", text)
        if said:
            assert [int(n) for n in said.groups()] == [
                len(names) + 1,
                len(names) + len(page),
                20 if group == "top" else 25,
            ]
        names += page
        pages += 1
        more = re.search(r'href="([^"]+)" id="examples-next"', text)
        url = unescape(more[1]).partition("#")[0] if more else ""
    assert pages > 1
    assert sorted(names) == sorted(name for name in twin if name.startswith(group))


def test_windows_cut_the_same_text(client: TestClient, richest: int, twin: dict[str, Any]) -> None:
    example = twin["top-2"]
    lengths = {}
    for window in ("tight", "snippet", "whole"):
        article = _articles(_panel(client, richest, f"?group=top&window={window}"))["top-2"]
        _, data, tokens = _lines(article)[0]
        start, ids = int(data["start"]), [int(i) for i in data["ids"].split()]
        peak = example["position"] - start
        assert [i for i, (_, css) in enumerate(tokens) if "peak" in css] == [peak]
        assert len(ids) == len(tokens)
        inside = [p - start for p in range(example["window_start"], example["window_start"] + 64)]
        for place, token_id in zip(inside, example["token_ids"], strict=False):
            if 0 <= place < len(ids):
                assert ids[place] == token_id
        lengths[window] = len(ids)
        if window == "tight":
            assert (peak, len(ids) - peak) == (min(12, example["position"]), 9)
        elif window == "snippet":
            assert ids == example["token_ids"]
        else:
            assert start == 0
    assert lengths["whole"] == 128
    assert lengths["tight"] < lengths["snippet"] <= lengths["whole"]


def test_a_whole_context_shows_firings_outside_of_the_window(
    with_events: TestClient, richest: int
) -> None:
    twin = with_events.get(f"{SAE}/{richest}.json").json()["examples"]
    outside = 0
    for query in ("?group=top", "?group=top&start=12"):
        for name, article in _articles(
            _panel(with_events, richest, f"{query}&window=whole")
        ).items():
            _, data, tokens = _lines(article)[0]
            example = next(e for e in twin if f"{e['group']}-{e['rank']}" == name)
            values = _numbers(data["activations"])
            start, stop = example["window_start"], example["window_start"] + len(example["tokens"])
            np.testing.assert_allclose(values[start:stop], example["activations"], rtol=1e-3)
            outside += sum(map(bool, values[:start] + values[stop:]))
            fires = [any(c.startswith("heat-") for c in css) for _, css in tokens]
            assert fires == [value > 0 for value in values]
    assert outside


def test_a_whole_context_is_never_one_line(client: TestClient, richest: int) -> None:
    panel = _panel(client, richest, "?window=whole")
    assert "panel as-wrapped" in panel
    assert re.search(r'aria-current="true">Wrapped</a>', panel)
    aligned = re.search(r'href="([^"]*)"[^>]*>Aligned</a>', panel)
    assert aligned is not None
    assert aligned[1] == f"{SAE}/{richest}#examples", "aligned text is a snippet again"


@pytest.mark.parametrize("layout", ["wrapped", "lines"])
def test_in_running_text_the_effect_is_on_the_token_itself(
    client: TestClient, richest: int, twin: dict[str, Any], layout: str
) -> None:
    panel = _panel(client, richest, f"?group=top&layout={layout}")
    assert f"panel as-{layout}" in panel
    [(kind, data, tokens)] = _lines(_articles(panel)["top-1"])
    assert kind == "activation"
    [delete] = [a for a in twin["top-1"]["ablations"] if a["mode"] == "delete"]
    assert float(data["delete-baseline"]) == pytest.approx(delete["baseline"])
    shares = dict(zip(delete["positions"], delete["effects"], strict=True))
    start = twin["top-1"]["window_start"]
    for i, (_, css) in enumerate(tokens[: twin["top-1"]["position"] - start]):
        if start + i in shares:
            wanted = effect_class(shares[start + i] / delete["baseline"])
            assert {c for c in css if c.startswith("effect-")} == ({wanted} - {""})
            assert "hatch" not in css
        else:
            assert "hatch" in css


def test_both_modes_lie_one_under_the_other(client: TestClient, richest: int) -> None:
    delete, replace, both = (
        _lines(_articles(_panel(client, richest, f"?group=top&ablation={mode}"))["top-1"])
        for mode in ("delete", "replace", "both")
    )
    assert both == [delete[0], delete[1], replace[1]]
    running = _articles(_panel(client, richest, "?group=top&ablation=both&layout=wrapped"))["top-1"]
    [(_, data, tokens)] = _lines(running)
    assert data["delete"] == delete[1][1]["delete"]
    assert data["replace"] == replace[1][1]["replace"]
    for i, (_, css) in enumerate(tokens[: len(replace[1][2])]):
        first = {c for c in delete[1][2][i][1] if c.startswith("effect-")}
        second = {c.replace("effect", "second") for c in replace[1][2][i][1] if "effect-" in c}
        assert {c for c in css if c.startswith(("effect-", "second-"))} == first | second


def test_effects_on_the_pre_activation_are_shares_of_its_own_baseline(
    client: TestClient, richest: int, twin: dict[str, Any]
) -> None:
    article = _articles(_panel(client, richest, "?group=top&effect=hidden_pre"))["top-1"]
    _, (_, data, tokens) = _lines(article)
    [delete] = [a for a in twin["top-1"]["ablations"] if a["mode"] == "delete"]
    assert float(data["delete-baseline"]) == pytest.approx(delete["hidden_pre_baseline"], rel=1e-6)
    start = twin["top-1"]["window_start"]
    for position, effect in zip(delete["positions"], delete["hidden_pre_effects"], strict=True):
        wanted = effect_class(effect / delete["hidden_pre_baseline"])
        css = tokens[position - start][1]
        assert {c for c in css if c.startswith("effect-")} == ({wanted} - {""})


@pytest.mark.parametrize("color", ["feature", "example"])
def test_colours_are_steps_of_the_feature_or_of_the_example(
    client: TestClient, richest: int, twin: dict[str, Any], color: str
) -> None:
    panel = _panel(client, richest, f"?group=interval&window=whole&color={color}")
    highest = max(item["activation"] for item in twin.values())
    for article in _articles(panel).values():
        _, data, tokens = _lines(article)[0]
        values = _numbers(data["activations"])
        maximum = max(values) if color == "example" else highest
        for value, (_, css) in zip(values, tokens, strict=True):
            wanted = {heat_class(value, maximum)} - {""}
            near = {heat_class(value * f, maximum) for f in (0.999, 1.001)} - {""}
            assert {c for c in css if c.startswith("heat-")} <= wanted | near
            assert bool(wanted) == any(c.startswith("heat-") for c in css)
        if color == "example":
            assert any("heat-9" in css for _, css in tokens)
    assert ("</svg> each example&#39;s own largest activation" in panel) == (color == "example")


def test_examples_with_one_text_are_folded_but_for_the_one_named() -> None:
    stored = _group([3, 5, 4, 6])
    contexts = {
        row: ContextRecord(row, np.array(ids), np.zeros(8, dtype=int))
        for row, ids in enumerate(
            [[9, 1, 2, 3, 0, 0, 0, 0], [9, 0, 8, 1, 2, 3, 7, 7], [9, 9, 9, 2, 3, 0, 0, 0],
             [9, 9, 9, 8, 1, 2, 3, 5]]
        )
    }  # fmt: skip
    section = Chosen(Source("interval", stored, None), "", "", list(map(Choice, range(4))))
    found = folded(section, contexts, "snippet", "")
    assert [(c.row, c.twins) for c in found.choices] == [(0, (3,)), (1, ()), (2, ())]
    kept = folded(section, contexts, "snippet", "interval-4")
    assert [(c.row, c.twins) for c in kept.choices] == [(0, ()), (1, ()), (2, ()), (3, ())]
    whole = folded(section, contexts, "whole", "")
    assert [c.row for c in whole.choices] == [0, 1, 2, 3]


def _group(position: list[int]) -> Any:
    """Examples whose windows begin two tokens before the peak (the second: three)."""
    n = len(position)
    places = np.array(position)
    none = np.zeros(0)
    return ExampleGroup(
        context_id=np.arange(n),
        position=places,
        activation=np.ones(n),
        hidden_pre=np.ones(n),
        band=np.zeros(n, dtype=int),
        repeats=np.ones(n, dtype=int),
        window_start=places - np.array([2, 3, 2, 2]),
        window_stop=places + 1,
        firing_indptr=np.zeros(n + 1, dtype=int),
        firing_position=none,
        firing_activation=none,
        band_low=none,
        band_high=none,
        band_n_active=none,
        band_share=none,
        n_candidates=n,
    )


def test_repeats_say_what_they_are(client: TestClient, richest: int, twin: dict[str, Any]) -> None:
    repeated = next(n for n, e in twin.items() if e["repeats"] > 1 and e["group"] == "top")
    article = _articles(_panel(client, richest, f"?example={repeated}"))[repeated]
    n = twin[repeated]["repeats"]
    assert f'title="{n} contexts have the same text up to the peak; the strongest is' in article
    assert f"×{n}: {n} contexts have the same text" in article, "and as a sentence in its values"


def test_an_example_has_its_own_address_with_every_value(
    client: TestClient, richest: int, twin: dict[str, Any]
) -> None:
    own = f"{SAE}/{richest}?example=top-3#top-3"
    assert f'class=own href="{own}"' in _panel(client, richest, "?group=top&start=1")
    panel = _panel(client, richest, "?example=top-3")
    assert panel.count('class="example marked"') == 1
    article = _articles(panel)["top-3"]
    body = article.split("<tbody>")[1]
    example = twin["top-3"]
    assert body.count("<tr") == len(example["tokens"])
    for place, value in enumerate(example["activations"]):
        position = example["window_start"] + place
        assert f'/context/{example["context_id"]}?position={position}">{position}</a>' in body
        if value:
            assert f"<td>{value:.7g}<td>" in body
    token_id = example["token_ids"][example["position"] - example["window_start"]]
    assert f"mode=fires&amp;sae=synthetic%2Fresid-2-1k&amp;token={token_id}" in body


@pytest.mark.parametrize("name", ["top-20", "interval-25", "quantile-1", "silent-10", "near-10"])
@pytest.mark.parametrize("query", ["", "&group=top", "&window=whole", "&band=0..1", "&start=4"])
def test_an_example_is_shown_whatever_the_rest_of_the_address_says(
    client: TestClient, richest: int, name: str, query: str
) -> None:
    panel = _panel(client, richest, f"?example={name}{query}")
    assert re.findall(r'class="example marked" id="([^"]+)"', panel) == [name]


class TestBand:
    """`?band=lo..hi` with every firing beside the atlas, and without."""

    @pytest.fixture
    def edges(self, with_events: TestClient, richest: int) -> tuple[list[float], list[int]]:
        histogram = with_events.get(f"{SAE}/{richest}.json").json()["activation_histogram"]
        return histogram["edges"], histogram["counts"]

    def test_a_bar_leads_to_firings_of_its_bin(
        self, with_events: TestClient, richest: int, edges: tuple[list[float], list[int]]
    ) -> None:
        borders, counts = edges
        bin_ = int(np.argmax(counts))
        low, high = borders[bin_ : bin_ + 2]
        panel = _panel(with_events, richest, f"?band={low:.6g}..{high:.6g}")
        articles = _articles(panel)
        said = re.search(
            r"(\d+) of ([\d,]+) firings in it, one per context, drawn at random", panel
        )
        assert said is not None
        assert int(said[2].replace(",", "")) == counts[bin_]
        assert int(said[1]) == len(articles) <= 10
        assert set(articles) == {f"band-{i + 1}" for i in range(len(articles))}
        contexts = []
        for article in articles.values():
            _, data, tokens = _lines(article)[0]
            [peak] = [i for i, (_, css) in enumerate(tokens) if "peak" in css]
            value = _numbers(data["activations"])[peak]
            assert low * 0.999 < value <= high * 1.001
            contexts.append(re.search(r">(\d+):\d+</a>", article)[1])  # type: ignore[index]
        assert len(set(contexts)) == len(contexts), "one per context"

    def test_it_has_a_chip_that_takes_it_away(self, with_events: TestClient, richest: int) -> None:
        panel = _panel(with_events, richest, "?group=top&band=0..1&window=tight")
        assert re.search(
            rf'class=chip href="{SAE}/{richest}\?group=top&amp;window=tight#examples"', panel
        )
        assert 'aria-current="true">Top' not in panel
        assert "band=" not in re.findall(r'href="([^"]*)">Intervals', panel)[0]

    def test_a_drawn_example_has_its_own_address(
        self, with_events: TestClient, richest: int
    ) -> None:
        panel = _panel(with_events, richest, "?band=0..2")
        url = unescape(re.findall(r'class=own href="([^"]*band-2[^"]*)"', panel)[0])
        assert url == f"{SAE}/{richest}?band=0..2&example=band-2#band-2"
        opened = with_events.get(url).text
        assert re.findall(r'class="example marked" id="([^"]+)"', opened) == ["band-2"]
        first, again = (_articles(text)["band-2"] for text in (panel, opened))
        assert _lines(first) == _lines(again)

    def test_an_empty_band_says_where_the_firings_are(
        self, with_events: TestClient, richest: int, edges: tuple[list[float], list[int]]
    ) -> None:
        panel = _panel(with_events, richest, f"?band={edges[0][-1] + 1}..")
        assert "No firing lies in this band: activations of this feature go from" in panel
        assert not _articles(panel)

    def test_without_events_the_stored_examples_inside_are_shown(
        self, client: TestClient, richest: int, twin: dict[str, Any]
    ) -> None:
        highest = max(item["activation"] for item in twin.values())
        low, high = 0.4 * highest, 0.6 * highest
        panel = _panel(client, richest, f"?band={low}..{high}")
        inside: dict[tuple[int, int], str] = {}
        for name, item in twin.items():
            if low <= item["activation"] <= high and item["group"] not in ("silent", "near"):
                inside.setdefault((item["context_id"], item["position"]), name)
        assert set(_articles(panel)) == set(inside.values())
        assert re.search(r"the \d+ stored \w+ examples? inside, not a fair draw from it", panel)
        assert ".events/ beside the atlas" in panel

    def test_without_events_no_example_is_said_to_be_drawn(
        self, client: TestClient, richest: int, twin: dict[str, Any]
    ) -> None:
        [silent, *_] = sorted(
            item["activation"] for item in twin.values() if item["group"] == "quantile"
        )
        panel = _panel(client, richest, f"?band={silent}..{silent}")
        assert _articles(panel)
        assert "drawn from a band" not in panel
        assert "None of the stored examples inside this band has ablated text" in panel

    def test_a_bar_leads_to_the_start_of_its_band_from_any_page_of_a_group(
        self, client: TestClient, richest: int
    ) -> None:
        html = client.get(f"{SAE}/{richest}?group=top&start=5&example=top-7").text
        links = re.findall(r'href="([^"]*band=[^"]*)"', html)
        assert links and not any("start=" in link or "example=" in link for link in links)
        assert all("group=top&amp;band=" in link for link in links)


def test_a_special_token_is_grey_and_not_searched(
    client: TestClient, richest: int, twin: dict[str, Any]
) -> None:
    name = next(n for n, e in twin.items() if e["window_start"] == 0 and e["group"] == "top")
    article = _articles(_panel(client, richest, f"?example={name}"))[name]
    assert "uncounted" in _lines(article)[0][2][0][1]
    first = article.split("<tbody>")[1].split("</tr>")[0]
    assert 'class="uncounted"' in first
    assert "/-/search" not in first


def test_a_section_says_how_much_of_it_fits_beside_a_reading(client: TestClient) -> None:
    """Examples have less room there; the sentence above them counts those of the page."""
    n_cut = 0
    for query in ("", "?reading=self"):
        page = client.get(f"/synthetic/resid-2-1k/3{query}").text
        for group in page.split('<div class="group">')[1:]:
            said = re.search(r"<p>([^<]*)</p>", group)
            n = group.count("<article")
            assert said is not None and n > 0
            here = re.search(r"(\d+) of them on this page", said[1])
            assert here is None or int(here[1]) == n
            n_cut += here is not None
    assert n_cut > 0
