"""`/{model}/{sae}`: quality, density histogram, and the sorted, filtered, paged list."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, event

from app.db.catalog import Sae
from app.db.features import column_values
from app.db.records import QualityRecord
from app.db.schema import SORTABLE
from app.web.memory import Memory
from app.web.pages.dictionary.columns import USUAL
from app.web.pages.dictionary.page import DictionaryPage, build
from app.web.views import LISTABLE, DictionaryView

SAE = "/synthetic/resid-2-1k"


@pytest.fixture
def page_of(connection: Connection, atlas_path: Path) -> Any:
    """Builds the page of a dictionary under a view."""
    memory = Memory(atlas_path)

    def make(sae: Sae, **view: Any) -> DictionaryPage:
        return build(connection, sae, DictionaryView(**view), memory)

    return make


def _all(client: TestClient, query: str) -> list[dict[str, Any]]:
    """Every page of a list, by following `next_url`."""
    found: list[dict[str, Any]] = []
    url: str | None = f"{SAE}.json?size=7&{query}"
    while url:
        page = client.get(url).json()
        assert page["ok"], page
        found += page["features"]
        url = page["next_url"]
    return found


def test_the_twin_has_the_documented_keys(client: TestClient) -> None:
    answer = client.get(f"{SAE}.json").json()
    assert answer.keys() >= {
        "ok", "model", "sae", "hook_name", "architecture", "d_in", "d_sae", "corpus", "quality",
        "features", "next", "next_url",
    }  # fmt: skip
    assert answer["quality"].keys() >= {"l0", "mse", "explained_variance", "n_dead"}
    assert len(answer["features"]) == 50
    row = answer["features"][0]
    assert row.keys() >= {"feature_index", "density", "max_activation", "top_tokens", "short"}
    assert row["top_tokens"][0].keys() == {"token_id", "token"}
    assert sum(row["sparkline"]) > 0
    assert len(row["ablation_strip"]) == 17


@pytest.mark.parametrize("column", ["feature_index", *SORTABLE])
@pytest.mark.parametrize("descending", [False, True])
def test_every_order_holds_every_feature_once(
    client: TestClient, column: str, descending: bool
) -> None:
    """Missing values last either way, ties to the lower number: as sorting in Python says."""
    rows = _all(client, f"sort={'-' if descending else ''}{column}")
    sign = -1 if descending else 1
    expected = sorted(
        rows,
        key=lambda row: (
            row[column] is None,
            0 if row[column] is None else sign * row[column],
            row["feature_index"],
        ),
    )
    assert [row["feature_index"] for row in rows] == [row["feature_index"] for row in expected]
    assert sorted(row["feature_index"] for row in rows) == list(range(60))


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("density=1%..5%", lambda row: 0.01 <= row["density"] <= 0.05),
        ("max_activation=3..", lambda row: (row["max_activation"] or 0) >= 3),
        ("top_token_share=..50%", lambda row: (row["top_token_share"] or 1) <= 0.5),
        ("density=1%..&top_token_share=80%..&sort=run_length",
         lambda row: row["density"] >= 0.01 and (row["top_token_share"] or 0) >= 0.8),
        ("dead=yes", lambda row: row["n_active"] == 0),
        ("dead=no&sort=max_activation", lambda row: row["n_active"] > 0),
        ("dead=yes&sort=-context_share", lambda row: row["n_active"] == 0),
        ("ablation_token_effect=..-50%", lambda row: (row["ablation_token_effect"] or 0) <= -0.5),
    ],
)  # fmt: skip
def test_filters_keep_what_python_keeps(client: TestClient, query: str, kept: Any) -> None:
    everything = _all(client, "sort=feature_index")
    found = _all(client, query)
    expected = {row["feature_index"] for row in everything if kept(row)}
    assert {row["feature_index"] for row in found} == expected
    assert 0 < len(expected) < 60
    assert client.get(f"{SAE}.json?{query}").json()["n_matching"] == len(expected)


def test_filter_by_the_text_of_the_strongest_token(client: TestClient) -> None:
    everything = _all(client, "sort=feature_index")
    text = next(row["top_tokens"][0]["token"] for row in everything if row["top_tokens"]).strip()
    found = client.get(f"{SAE}.json", params={"top_token": text}).json()["features"]
    assert found
    for row in found:
        assert row["top_tokens"][0]["token"].strip().casefold().startswith(text.casefold())
    assert client.get(f"{SAE}.json?top_token=no-such-token").json()["n_matching"] == 0
    assert "No feature matches" in client.get(f"{SAE}?top_token=no-such-token").text


def test_a_place_belongs_to_one_list(client: TestClient) -> None:
    token = client.get(f"{SAE}.json?size=5&sort=density").json()["next"]
    good = client.get(f"{SAE}.json", params={"size": 5, "sort": "density", "next": token})
    assert good.status_code == 200
    for other in ({"sort": "-density"}, {"sort": "density", "density": "1%.."}, {}):
        answer = client.get(f"{SAE}.json", params={**other, "next": token})
        assert answer.status_code == 400
        assert "another sort or other filters" in answer.json()["error"]


def test_rows_show_what_the_twin_says(client: TestClient) -> None:
    page = client.get(f"{SAE}?sort=feature_index&size=10").text
    assert re.findall(r'<a class="?feature-name"? href="/synthetic/resid-2-1k/(\d+)"', page) == [
        str(i) for i in range(10)
    ]
    assert page.count('<svg class="spark"') >= 8
    assert 'rel="next"' in page


def test_the_address_holds_the_view(client: TestClient) -> None:
    page = client.get(f"{SAE}?sort=max_activation&density=1%25..&size=5").text
    assert 'aria-sort="ascending"' in page
    assert 'value="1%.."' in page
    assert '<input type="hidden" name="sort" value="max_activation">' in page
    assert '<input type="hidden" name="size" value="5">' in page
    [turned] = re.findall(r'aria-sort="ascending"><a id="[^"]+" href="([^"]+)"', page)
    assert turned == f"{SAE}?sort=-max_activation&amp;density=1%25..&amp;size=5#features"


def test_the_density_histogram_counts_every_living_feature(
    connection: Connection, sae: Sae, page_of: Any
) -> None:
    page = page_of(sae, density="1%..2%")
    density = column_values(connection, sae.sae_id, ["density"])["density"]
    assert page.n_living == int((density > 0).sum()) == sum(page.density_brush.counts)
    dark = [mark for mark in page.density.marks if mark.css == "mark-strong"]
    assert 0 < len(dark) < len(page.density.marks)
    assert page.density_words == "1% – 2%"
    assert len(page.density.links) == len(page.density.marks)
    for link in page.density.links:
        found = page_of(sae, **_arguments(link.href))
        assert re.search(rf": {found.n_matching:,} features?$", link.label), link.label


def test_with_other_filters_it_counts_what_they_keep_of_all(sae: Sae, page_of: Any) -> None:
    page = page_of(sae, lives_as="point", density="1%..2%")
    assert sum(page.density_brush.counts) == page_of(sae, lives_as="point").n_matching
    pale = [mark for mark in page.density.marks if mark.css == "mark-all"]
    assert len(pale) >= len(page.density.links) > 0
    for link in page.density.links:
        found = page_of(sae, **_arguments(link.href))
        assert f": {found.n_matching:,} of " in link.label


def _arguments(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("lives_as=point", lambda row: row["lives_as"] == "point"),
        ("lives_as=region&density=1%..", lambda row: row["lives_as"] == "region"
         and row["density"] >= 0.01),
        ("feature_index=3,5,10..12", lambda row: row["feature_index"] in (3, 5, 10, 11, 12)),
        ("max_logit=1..&decoder_norm=..1&dead=no",
         lambda row: row["max_logit"] >= 1 and row["decoder_norm"] <= 1 and row["n_active"] > 0),
        ("contains=NEVER fired", lambda row: row["n_active"] == 0),
    ],
)  # fmt: skip
def test_further_filters_keep_what_python_keeps(client: TestClient, query: str, kept: Any) -> None:
    everything = _all(client, "sort=feature_index")
    expected = {row["feature_index"] for row in everything if kept(row)}
    assert {row["feature_index"] for row in _all(client, query)} == expected
    assert 0 < len(expected) < 60


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("density", "abc", "'abc' is not a range: write 0.1%..1%"),
        ("run_length", "5..1", "its lower border is above the upper one"),
        ("skewness", "<b>", "'<b>' is not a range"),
        ("feature_index", "seven", "'seven' names no features: write numbers and ranges"),
    ],
)
def test_a_range_typed_wrong_is_said_at_its_field(
    client: TestClient, name: str, text: str, sentence: str
) -> None:
    """The list is there without it, all else that was typed is kept, and nothing is stored."""
    rest = {"max_activation": "1..", "sort": "-mean_activation", "contains": "o"}
    answer = client.get(SAE, params={**rest, name: text})
    assert answer.status_code == 400
    assert answer.headers["cache-control"] == "no-store" and "etag" not in answer.headers
    fields = re.findall(r"<input [^>]*aria-invalid[^>]*>", answer.text)
    assert len(fields) == 1 and f'name="{name}"' in fields[0]
    assert f'value="{escape(text)}"' in fields[0]
    [described] = re.findall(r'aria-describedby="([^"]*)"', fields[0])
    said = answer.text.split(f'id="{described}"')[1].split("</p>")[0]
    assert sentence in unescape(said)
    for other, value in (("max_activation", "1.."), ("contains", "o")):
        assert re.search(
            rf'<input [^>]*name="{other}"[^>]* value="{re.escape(value)}"', answer.text
        )
    good = client.get(SAE, params=rest)
    rows = r'<td class="num quiet index"><a href="([^"]*)"'
    assert re.findall(rows, answer.text) == re.findall(rows, good.text) != []
    assert 'rel="alternate"' not in answer.text
    for twin in (f"{SAE}.json", f"{SAE}/features.csv", f"{SAE}/features.json"):
        refused = client.get(twin, params={**rest, name: text})
        assert refused.status_code == 400 and sentence in unescape(refused.text)


def test_several_ranges_typed_wrong_are_each_said(client: TestClient) -> None:
    page = client.get(f"{SAE}?density=a&max_activation=b&columns=density").text
    assert len(re.findall('class="field-problem"', page)) == 2
    assert len(re.findall("aria-invalid", page)) == 2  # a column is shown for what was typed in it


def test_the_map_stands_beside_the_downloads(client: TestClient) -> None:
    actions = client.get(SAE).text.split("list-actions")[1].split("</div>\n</div>")[0]
    assert f'<a href="{SAE}/map">Map</a>' in actions


def test_list_filter_and_panel_say_the_same_word(client: TestClient) -> None:
    said: dict[str, set[int]] = {"": set(), "point": set(), "region": set()}
    for row in _all(client, "sort=feature_index"):
        page = client.get(f"{SAE}/{row['feature_index']}").text
        words = re.findall(r"\b(Point|Region)-like: ", page)
        assert words == [row["lives_as"].capitalize()] * bool(row["lives_as"])
        said[row["lives_as"]].add(row["feature_index"])
    for word in ("point", "region"):
        kept = {row["feature_index"] for row in _all(client, f"lives_as={word}")}
        assert kept == said[word] != set()


def test_contains_looks_at_summaries_short_forms_and_tokens(client: TestClient) -> None:
    everything = _all(client, "sort=feature_index")
    text = next(row["top_tokens"][1]["token"] for row in everything if row["top_tokens"]).upper()
    found = client.get(f"{SAE}.json", params={"contains": text, "size": 60}).json()["features"]

    def holds(row: dict[str, Any]) -> bool:
        texts = [row["summary"], row["short"], *(item["token"] for item in row["top_tokens"])]
        return any(text.casefold() in one.casefold() for one in texts)

    assert {row["feature_index"] for row in found} == {
        row["feature_index"] for row in everything if holds(row)
    }
    assert 0 < len(found) < 60


def test_the_columns_of_a_dictionary_are_read_once(
    connection: Connection, sae: Sae, atlas_path: Path
) -> None:
    memory, asked = Memory(atlas_path), []
    view = DictionaryView(contains="x", lives_as="point")
    build(connection, sae, view, memory)
    event.listen(connection, "before_execute", lambda *call: asked.append(str(call[1])))
    build(connection, sae, view, memory)
    whole = [text for text in asked if "FROM feature " in text and " IN " not in text]
    assert asked and whole == []


def test_ready_filters_are_switched_on_and_off_and_combine(sae: Sae, page_of: Any) -> None:
    page = page_of(sae)
    ready = {item.label: item for item in page.filters}
    assert [*ready] == [
        "density ≥ 1%", "dead", "single-token", "falls without context", "point", "region",
    ]  # fmt: skip
    assert not any(item.is_set for item in page.filters) and page.clear_url == ""
    dense = page_of(sae, **_arguments(ready["density ≥ 1%"].url))
    labels = {item.label: item for item in dense.filters}
    assert [item.label for item in dense.filters if item.is_set] == ["density ≥ 1%"]
    both = page_of(sae, **_arguments(labels["region"].url))
    assert [item.label for item in both.filters if item.is_set] == ["density ≥ 1%", "region"]
    assert both.n_matching <= dense.n_matching
    back = {item.label: item.url for item in both.filters}
    assert _arguments(back["density ≥ 1%"]) == {"lives_as": "region"}
    assert [item.label for item in both.filters] == [item.label for item in page.filters]


def test_the_ready_density_is_named_as_it_would_be_written(sae: Sae, page_of: Any) -> None:
    """One meaning of a word: “dense” is the summary's, above another border."""
    [ready] = [item for item in page_of(sae).filters if "density=" in item.url]
    written = page_of(sae, density="2%..")
    [own] = [item for item in written.filters if item.is_set]
    assert own.label.replace("2", "1") == ready.label
    assert len({item.name for item in written.filters}) == len(written.filters)


@pytest.mark.parametrize(
    ("settings", "of_context", "of_deletion"),
    [
        ({"top_examples": 3, "context_examples": 1, "context_draws": 1},
         "from at most 1 top example, 1 draw of other contexts.", "from at most 3 top examples."),
        ({"top_examples": 1, "context_examples": 5, "context_draws": 2},
         "from at most 5 top examples, 2 draws of other contexts.", "from at most 1 top example."),
        ({}, "from other contexts.", "on average."),
    ],
)  # fmt: skip
def test_the_list_says_how_few_examples_its_numbers_rest_on(
    atlas_path: Path,
    tmp_path: Path,
    make_client: Callable[..., TestClient],
    settings: dict[str, int],
    of_context: str,
    of_deletion: str,
) -> None:
    path = Path(shutil.copy(atlas_path, tmp_path / "atlas.db"))
    with closing(sqlite3.connect(path)) as file, file:
        stored = file.execute("SELECT sae_id, record FROM sae").fetchall()
        for sae_id, record in stored:
            own = json.dumps({**json.loads(record), "ablation": settings})
            file.execute("UPDATE sae SET record = ? WHERE sae_id = ?", (own, sae_id))
    page = " ".join(make_client(path).get(SAE).text.split())
    note = page.partition("Without context: share")[2].partition("Point: ")[0]
    context, _, deletion = note.partition(" Falls most without: ")
    assert context.endswith(of_context) and deletion.strip().endswith(of_deletion)


def test_filters_that_were_written_are_said_in_words(sae: Sae, page_of: Any) -> None:
    view = {
        "density": "0.1%..1%", "max_activation": "3..", "kurtosis": "..9", "contains": "x",
        "feature_index": "1..59", "dead": "no", "top_token": "self", "sort": "-skewness",
    }  # fmt: skip
    page = page_of(sae, **view)
    written = [item for item in page.filters if item.is_set]
    assert [item.label for item in written] == [
        "density 0.1% – 1%", "max activation ≥ 3", "kurtosis ≤ 9", "# 1..59", "living",
        f"top token “self” ({len(page.meant_tokens)} token"
        f"{'' if len(page.meant_tokens) == 1 else 's'})",
        "text “x”",
    ]  # fmt: skip
    assert page.order == "by skewness, largest first"
    for item in written:
        assert len(_arguments(item.url)) == len(view) - 1
    assert _arguments(page.clear_url) == {"sort": "-skewness"}


def test_columns_are_chosen_in_the_address(client: TestClient, sae: Sae, page_of: Any) -> None:
    page = page_of(sae)
    assert [column.name for column in page.columns] == ["feature_index", *USUAL]
    choices = {choice.label: choice for choice in page.column_choices}
    assert len(choices) == len(LISTABLE)
    assert [c.label for c in page.column_choices if c.is_shown] == [
        column.label for column in page.columns[1:]
    ]
    more = page_of(sae, **_arguments(choices["Skewness"].url))
    assert {c.name for c in more.columns} - {c.name for c in page.columns} == {"skewness"}
    back = {choice.label: choice.url for choice in more.column_choices}["Skewness"]
    assert _arguments(back) == {}
    html = client.get(f"{SAE}?columns=skewness,top_token_rate&sort=skewness&density=1%25..").text
    heads = re.findall(r'<th scope="col"[^>]*>(?:<[^>]+>)?([^<]+)', html)
    assert [head.strip() for head in heads] == ["#", "Feature", "Skewness", "Rate"]
    assert '<input type="hidden" name="density" value="1%..">' in html
    assert '<input type="hidden" name="columns" value="skewness,top_token_rate">' in html


def test_the_last_column_stays(sae: Sae, page_of: Any) -> None:
    page = page_of(sae, columns="kurtosis")
    [shown] = [choice for choice in page.column_choices if choice.is_shown]
    assert _arguments(shown.url) == {"columns": "kurtosis"}


def test_every_column_there_is_can_be_listed(client: TestClient) -> None:
    """Each draws its cells, living and dead, and every sortable one its heading and filter."""
    html = client.get(f"{SAE}?columns={','.join(LISTABLE)}&size=60").text
    for name in SORTABLE:
        assert f'id="sort-{name}"' in html and f'id="filter-{name}"' in html
    assert len(re.findall('class="?feature-name"?', html)) == 60


def test_an_error_leads_back_to_the_list_without_it(client: TestClient) -> None:
    for query, back in (
        ("sort=-kurtosis&dead=perhaps", f"{SAE}?sort=-kurtosis"),
        ("sort=-kurtosis&next=hello", f"{SAE}?sort=-kurtosis"),
        ("sorted=density&dead=yes", SAE),
    ):
        page = client.get(f"{SAE}?{query}")
        assert page.status_code == 400
        [link] = re.findall(r'<a class="button" href="([^"]+)">Open the page without it', page.text)
        assert unescape(link) == back
        assert client.get(unescape(link)).status_code == 200
    assert "Open the page without it" not in client.get("/no/such-dictionary").text


def test_searching_from_a_dictionary_looks_there_first(client: TestClient) -> None:
    form = client.get(SAE).text.partition('role="search"')[2].partition("</form>")[0]
    assert f'<input type="hidden" name="sae" value="{SAE.lstrip("/")}">' in form


@pytest.mark.parametrize("path", [SAE, f"{SAE}/map", f"{SAE}/7"])
def test_a_button_that_shows_its_key_says_what_the_key_does(client: TestClient, path: str) -> None:
    """Its text would name the key twice in the list of keys."""
    buttons = re.findall(
        r"<(?:a|button)\b([^>]*aria-keyshortcuts[^>]*)>[^<]*<kbd", client.get(path).text
    )
    assert buttons
    assert all("data-key-help=" in attributes for attributes in buttons)


def test_a_feature_is_one_of_all(client: TestClient, sae: Sae) -> None:
    """Numbers begin at 0: “0 of 60” would read as a count."""
    assert f"Feature 0, one of {sae.record.d_sae:,}" in client.get(f"{SAE}/0").text
    assert f"Context 0, one of {sae.corpus.n_contexts:,}" in client.get(f"{SAE}/context/0").text


def test_quality_figures_come_with_formula_and_counts(sae: Sae, page_of: Any) -> None:
    page = page_of(sae)
    by_name = {figure.name: figure for figure in page.figures}
    assert list(by_name) == [
        "L0", "Explained variance", "ΔCE", "CE recovered", "Shrinkage γ", "Dead",
    ]  # fmt: skip
    assert by_name["CE recovered"].value == "95.7%"
    assert by_name["CE recovered"].formula == "(CE_mean − CE_spliced) / (CE_mean − CE_clean)"
    assert f"{sae.corpus.n_tokens:,} tokens" in by_name["Dead"].note
    assert np.isclose(float(by_name["L0"].value), sae.record.quality.l0 or 0, atol=0.01)


def test_what_was_not_measured_is_said(sae: Sae, page_of: Any) -> None:
    bare = replace(sae, record=replace(sae.record, quality=QualityRecord(n_dead=1, n_dense_1=0)))
    page = page_of(bare)
    assert {figure.value for figure in page.figures if figure.name != "Dead"} == {"–"}
    assert "".join(text for _, text in page.lede) == (
        "1 feature is dead, 0 fire on more than 1% of tokens."
    )


def test_the_settings_of_the_run_are_said_in_words(client: TestClient) -> None:
    page = client.get(SAE).text
    assert re.search(r"Counted tokens N</th><td>[\d,]+; position 0 is not counted", page)
    assert re.search(r"Ablated text</th><td>[^<]*window \d+", page)
