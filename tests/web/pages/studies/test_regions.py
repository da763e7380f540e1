"""The page of regions lists what the study's rule says, in order, or says that it is missing."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, delete

from app.db import schema

URL = "/synthetic/resid-2-1k/regions"


def test_candidates_come_first_by_span_fill(client: TestClient) -> None:
    twin = client.get(f"{URL}.json").json()
    lift = twin["study"]["candidate_lift"]
    features = twin["features"]
    assert 0 < len(features) <= 20
    assert twin["n_matching"] == twin["study"]["n_candidates"]
    assert all(item["region_lift"] >= lift for item in features)
    fills = [item["span_fill"] for item in features]
    assert fills == sorted(fills, reverse=True)


@pytest.mark.parametrize("column", ["run_length", "region_lift", "smoothed_share", "near_share"])
def test_all_features_are_walked_once_in_any_order(client: TestClient, column: str) -> None:
    url, seen = f"{URL}.json?all=True&sort=-{column}&size=7", []
    while url:
        twin = client.get(url).json()
        seen += twin["features"]
        url = twin["next_url"]
    assert len(seen) == twin["n_matching"] == len({item["feature_index"] for item in seen})
    values = [item[column] for item in seen if item[column] is not None]
    assert values == sorted(values, reverse=True) and len(values) > 10
    assert [item[column] for item in seen[: len(values)]] == values  # missing ones come last


def test_the_page_shows_each_with_its_test_and_strips(client: TestClient) -> None:
    html, twin = client.get(URL).text, client.get(f"{URL}.json").json()
    links = [int(n) for n in re.findall(r'class="num quiet" href="[^"]*/(\d+)#locality"', html)]
    assert links == [item["feature_index"] for item in twin["features"]]
    assert html.count('<div class="strip-row">') >= len(links)
    first = twin["features"][0]
    beside = f"of {first['n_span_switches']:,} switches"
    assert beside in html
    assert 'href="/synthetic/resid-2-1k/regions" aria-current="page"' in html
    assert 'href="/synthetic/resid-2-1k/regions"' in client.get("/synthetic/resid-2-1k").text


def test_the_list_beside_it_holds_the_same_features(client: TestClient) -> None:
    html = client.get(URL).text
    (listed,) = re.findall(r'<a href="([^"]*)">as a list</a>', html)
    path, query = listed.replace("&amp;", "&").split("?")
    found = client.get(f"{path}.json?{query}").json()
    twin = client.get(f"{URL}.json").json()
    shown = [item["feature_index"] for item in found["features"]]
    assert shown[: len(twin["features"])] == [i["feature_index"] for i in twin["features"]]
    assert found["n_matching"] == twin["n_matching"]


def test_the_feature_says_what_smoothing_leaves(client: TestClient) -> None:
    first = client.get(f"{URL}.json").json()["features"][0]
    html = client.get(f"/synthetic/resid-2-1k/{first['feature_index']}").text
    assert f"of its {first['n_span_switches']:,} switches inside spans" in html


def test_without_the_study_the_page_says_how_to_get_it(
    atlas_path: Path, tmp_path: Path, make_client: Callable[..., TestClient]
) -> None:
    path = tmp_path / "atlas.db"
    shutil.copy(atlas_path, path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(delete(schema.study))
    engine.dispose()
    client = make_client(path)
    answer = client.get(f"{URL}.json")
    assert answer.status_code == 404
    assert "without `--skip regions`" in answer.json()["error"]
    assert URL not in client.get("/synthetic/resid-2-1k").text


def test_a_token_of_another_list_is_refused(client: TestClient) -> None:
    token = client.get(f"{URL}.json?size=3&all=True").json()["next"]
    assert client.get(f"{URL}?next={token}&sort=-near_share&all=True").status_code == 400
