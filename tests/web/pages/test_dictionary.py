"""`/{model}/{sae}`: quality, density histogram, and the sorted, filtered, paged list."""

import re
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import column_values
from app.db.schema import SORTABLE
from app.web.pages.dictionary import build
from app.web.views import DictionaryView

SAE = "/synthetic/resid-2-1k"


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
    assert re.findall(r'<a class="feature-name" href="/synthetic/resid-2-1k/(\d+)"', page) == [
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
    [turned] = re.findall(r'aria-sort="ascending"><a href="([^"]+)"', page)
    assert turned == f"{SAE}?sort=-max_activation&amp;density=1%25..&amp;size=5#features"


def test_the_density_histogram_counts_every_living_feature(
    connection: Connection, sae: Sae
) -> None:
    page = build(connection, sae, DictionaryView(density="1%..2%"))
    density = column_values(connection, sae.sae_id, ["density"])["density"]
    assert page.n_living == int((density > 0).sum())
    dark = [mark for mark in page.density.marks if mark.css == "mark-strong"]
    assert 0 < len(dark) < len(page.density.marks)
    for mark in page.density.marks:
        found = build(connection, sae, _view_of(mark.href))
        assert f": {found.n_matching:,} features" in mark.label


def _view_of(url: str) -> DictionaryView:
    from urllib.parse import parse_qs, urlsplit

    return DictionaryView(**{k: v[0] for k, v in parse_qs(urlsplit(url).query).items()})  # type: ignore[arg-type]


def test_quality_figures_come_with_formula_and_counts(connection: Connection, sae: Sae) -> None:
    page = build(connection, sae, DictionaryView())
    by_name = {figure.name: figure for figure in page.figures}
    assert list(by_name) == [
        "L0", "Explained variance", "ΔCE", "CE recovered", "Shrinkage γ", "Dead",
    ]  # fmt: skip
    assert by_name["CE recovered"].value == "95.7%"
    assert by_name["CE recovered"].formula == "(CE_mean − CE_spliced) / (CE_mean − CE_clean)"
    assert f"{sae.corpus.n_tokens:,} tokens" in by_name["Dead"].note
    assert np.isclose(float(by_name["L0"].value), sae.record.quality.l0 or 0, atol=0.01)


def test_what_was_not_measured_is_said(connection: Connection, sae: Sae) -> None:
    from dataclasses import replace

    from app.db.records import QualityRecord

    bare = replace(sae, record=replace(sae.record, quality=QualityRecord(n_dead=1, n_dense_1=0)))
    page = build(connection, bare, DictionaryView())
    assert {figure.value for figure in page.figures if figure.name != "Dead"} == {"–"}
    assert "".join(text for _, text in page.lede) == (
        "1 feature is dead, 0 fire on more than 1% of tokens."
    )


def test_the_settings_of_the_run_are_said_in_words(client: TestClient) -> None:
    page = client.get(SAE).text
    assert re.search(r"Counted tokens N</th><td>[\d,]+; position 0 is not counted", page)
    assert re.search(r"Ablated text</th><td>[^<]*window \d+", page)
