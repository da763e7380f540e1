"""Points of a dictionary: their numbers, the scatter above the list, the map of directions."""

import re
import sqlite3
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import column_values
from app.db.maps import get_direction_map
from app.db.schema import SORTABLE
from app.db.tokens import get_rankings, match_tokens
from app.demo.synthetic import build_synthetic_atlas
from app.web.pages.points import search as map_search
from app.web.pages.points.columns import CHOICES, COLUMNS
from tests.web.conftest import MakeClient

SAE = "/synthetic/resid-2-1k"


def test_every_sortable_column_can_be_drawn() -> None:
    assert set(CHOICES) == set(SORTABLE)
    assert set(COLUMNS) == {*SORTABLE, "map_x", "map_y"}


def test_points_are_the_columns_in_four_digits(
    client: TestClient, connection: Connection, sae: Sae
) -> None:
    for x, y in (("density", "max_activation"), ("run_length", "context_share")):
        found = client.get(f"{SAE}/points.json?x={x}&y={y}&color=span_fill").json()
        assert found["d_sae"] == sae.record.d_sae
        stored = column_values(connection, sae.sae_id, [x, y, "span_fill"])
        for place, name in (("x", x), ("y", y), ("color", "span_fill")):
            column = found[place]
            assert column["column"] == name
            values = np.array([np.nan if v is None else v for v in column["values"]])
            np.testing.assert_allclose(values, stored[name], rtol=5e-4)
            if place != "color" and not column["log"]:
                inside = values[np.isfinite(values)]
                assert column["low"] <= inside.min() and inside.max() <= column["high"]


def test_density_is_logarithmic_by_itself(client: TestClient) -> None:
    found = client.get(f"{SAE}/points.json").json()
    assert (found["x"]["column"], found["x"]["log"], found["x"]["share"]) == ("density", True, True)
    assert found["color"] is None


def test_points_change_with_the_atlas_alone(client: TestClient) -> None:
    answer = client.get(f"{SAE}/points.json")
    again = client.get(f"{SAE}/points.json", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


def test_the_card_of_a_point_is_its_short_form(client: TestClient) -> None:
    found = client.get(f"{SAE}/points/7.json").json()
    assert found["feature_index"] == 7
    whole = client.get(f"{SAE}.json?feature_index=7").json()["features"][0]
    assert "".join(text for kind, text in found["short"] if kind != "token") in re.sub(
        r"‘.*?’", "", whole["short"]
    )
    assert len(client.get(f"{SAE}/points/7.json").content) < 400


@pytest.mark.parametrize(
    ("url", "status", "sentence"),
    [
        ("/points.json?x=densty", 400, "choose one of density"),
        ("/points.json?z=density", 400, "There is no argument 'z'"),
        ("/points/60.json", 404, "has no feature 60"),
        (".json?y=map_x", 400, "There is no column 'map_x'"),
        ("/map.json?color=colour", 400, "There is no column 'colour'"),
        ("/map.json?feature=60", 404, "has features 0 to 59, not 60"),
        ("/map.json?at=1,2", 400, "at=1,2"),
    ],
)
def test_mistakes_are_said(client: TestClient, url: str, status: int, sentence: str) -> None:
    answer = client.get(SAE + url)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


FILTERS = [
    "max_activation=2..4",
    "density=1%25..&top_token_share=..80%25",
    "dead=yes",
    "dead=no&lives_as=point",
    "top_token=self",
    "feature_index=3,10..20",
]


@pytest.mark.parametrize("filters", FILTERS)
def test_the_scatter_keeps_what_the_list_keeps(client: TestClient, filters: str) -> None:
    page = client.get(f"{SAE}?{filters}").text
    [text] = re.findall(r'data-kept="([^"]*)"', page)
    bits = np.unpackbits(np.frombuffer(b64decode(text), np.uint8), bitorder="little")
    listed = client.get(f"{SAE}.json?{filters}&size=500").json()
    assert listed["n_matching"] == len(listed["features"])
    assert np.flatnonzero(bits).tolist() == sorted(f["feature_index"] for f in listed["features"])


def test_without_filters_all_is_kept(client: TestClient) -> None:
    page = client.get(SAE).text
    assert 'data-kept=""' in page
    assert 'class="pale' not in page
    assert 'class="brushed"' not in page


def test_axes_are_the_address_and_keep_the_view(client: TestClient) -> None:
    page = client.get(f"{SAE}?sort=run_length&density=1%25..&x=context_share").text
    [form] = re.findall(r"<form[^>]*data-scatter-axes>.*?</form>", page, re.S)
    assert '<input type="hidden" name="sort" value="run_length">' in form
    assert '<input type="hidden" name="density" value="1%..">' in form
    assert re.findall(r'<option value="(\w+)" selected', form) == [
        "max_activation",
        "context_share",
    ]
    assert f'data-points="{SAE}/points.json?x=context_share"' in page
    assert f'data-list="{SAE}?sort=run_length&amp;density=1%25..&amp;x=context_share"' in page


def test_ranges_of_the_axes_are_drawn_as_a_rectangle(client: TestClient) -> None:
    page = client.get(f"{SAE}?x=top_token_share&top_token_share=25%25..50%25").text
    [rect] = re.findall(
        r'<rect class="brushed" x="(.*?)%" y="(.*?)%" width="(.*?)%" h.*?="(.*?)%"', page
    )
    assert [float(number) for number in rect] == [25, 0, 25, 100]
    other = client.get(f"{SAE}?x=top_token_share&run_length=1.2..").text
    assert 'class="brushed"' not in other


def test_the_drawing_has_the_axes_in_words(client: TestClient) -> None:
    page = client.get(SAE).text
    assert "density (share of tokens, log scale)</text>" in page
    assert ">max activation</text>" in page
    assert re.search(r'<path class="dark shade-\d"', page)


def test_the_map_says_how_it_was_made(client: TestClient, connection: Connection, sae: Sae) -> None:
    page = client.get(f"{SAE}/map").text
    stored = get_direction_map(connection, sae.sae_id)
    assert stored is not None
    assert f"Made by {stored.method}." in page
    density = column_values(connection, sae.sae_id, ["density"])["density"]
    assert f"All 60 features, {(density == 0).sum()} of them dead" in page
    twin = client.get(f"{SAE}/map.json").json()
    assert twin["method"] == stored.method
    found = client.get(twin["points_url"]).json()
    np.testing.assert_allclose(found["x"]["values"], stored.positions[:, 0], rtol=5e-4)
    np.testing.assert_allclose(found["y"]["values"], stored.positions[:, 1], rtol=5e-4)
    assert found["color"]["column"] == "max_activation"


@pytest.mark.parametrize("text", ["self", "SELF", "re"])
def test_a_token_marks_the_features_that_fire_on_it(
    client: TestClient, connection: Connection, sae: Sae, text: str
) -> None:
    matches = match_tokens(connection, sae.model_id, sae.corpus_id, text)
    ids = [m.token.token_id for m in matches if m.kind == matches[0].kind]
    expected: dict[int, float] = {}
    for ranking in get_rankings(connection, sae.sae_id, "fires", ids).values():
        for index, share in zip(ranking.feature_index, ranking.share, strict=True):
            expected[int(index)] = expected.get(int(index), 0.0) + float(share)
    found = client.get(f"{SAE}/map.json?q={text}").json()
    assert [token["token_id"] for token in found["tokens"]] == ids
    assert {r["feature_index"]: r["share"] for r in found["results"]} == pytest.approx(expected)
    shares = [result["share"] for result in found["results"]]
    assert shares == sorted(shares, reverse=True)
    page = client.get(f"{SAE}/map?q={text}").text
    listed = re.findall(r'class="?feature-name"? href="/synthetic/resid-2-1k/(\d+)"', page)
    assert [int(index) for index in listed] == [r["feature_index"] for r in found["results"][:10]]
    assert page.count('class="map-mark"') == len(expected)


def test_what_the_map_does_not_mark_is_counted_as_in_the_search(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs of token and feature: two tokens can each leave the same feature out."""
    assert "not listed" not in client.get(f"{SAE}/map?q=self").text

    def cut(*arguments: Any) -> dict[int, Any]:
        rankings = get_rankings(*arguments)
        return {i: replace(r, n_total=r.n_total + 700) for i, r in rankings.items()}

    monkeypatch.setattr(map_search, "get_rankings", cut)
    found = client.get(f"{SAE}/map.json?q=self").json()
    assert found["n_left_out"] == 700 * len(found["tokens"]) > 0
    words = f"; {found['n_left_out']:,} weaker pairs of token and feature not listed"
    assert words in client.get(f"{SAE}/map?q=self").text


def test_an_unknown_token_marks_nothing_and_says_so(client: TestClient) -> None:
    page = client.get(f"{SAE}/map?q=no-such-token").text
    assert "The vocabulary has no token like that." in page
    assert 'data-marks=""' in page


def test_colours_of_activations_are_amber_and_no_others(client: TestClient) -> None:
    for column, css in (
        ("mean_activation", "point-heat-9"),
        ("density", "point-ink-4"),
        ("ablation_token_effect", "point-effect-n5"),
    ):
        [legend] = re.findall(
            r'data-refresh="map-legend".*?</p>', client.get(f"{SAE}/map?color={column}").text
        )
        assert css in legend
        assert ("heat" in legend) == (css == "point-heat-9")


def test_a_marked_feature_is_drawn(client: TestClient, connection: Connection, sae: Sae) -> None:
    page = client.get(f"{SAE}/map?feature=5").text
    assert page.count('class="map-marked"') == 1
    assert '<input type="hidden" name="feature" value="5">' in page


def test_an_atlas_without_a_map_has_no_link_to_it(tmp_path: Path, make_client: MakeClient) -> None:
    path = build_synthetic_atlas(tmp_path / "atlas.db", n_features=20, saes=("resid-2-1k",))
    raw = sqlite3.connect(path)
    raw.execute("DELETE FROM direction_map")
    raw.commit()
    raw.close()
    client = make_client(path)
    answer = client.get(f"{SAE}/map.json")
    assert answer.status_code == 404
    assert "precompute --replace" in answer.json()["error"]
    assert client.get(f"{SAE}/points.json?x=map_x").status_code == 404
    assert f"{SAE}/map" not in client.get(SAE).text


def test_hostile_tokens_are_texts(make_client: MakeClient, hostile_path: Path) -> None:
    client = make_client(hostile_path)
    page = client.get(f"{SAE}/map", params={"q": "<script"}).text
    assert "<script>alert" not in page
    assert 'value="&lt;script"' in page
