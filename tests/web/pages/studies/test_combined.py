"""The page of combined tokens lists each kind by its rule; a feature shows its pairs and blocks."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, delete

from app.db import schema

DICTIONARY = "/synthetic/resid-2-1k"
URL = f"{DICTIONARY}/combined"


@pytest.mark.parametrize(("kind", "sign"), [("alternative", -1), ("conjunction", 1)])
def test_features_of_a_kind_come_strongest_first(client: TestClient, kind: str, sign: int) -> None:
    url, seen = f"{URL}.json?kind={kind}&size=7", []
    while url:
        twin = client.get(url).json()
        seen += twin["features"]
        url = twin["next_url"]
    shares = [sign * row["pair_interaction"] for row in seen]
    assert shares == sorted(shares, reverse=True)
    assert min(shares) >= twin["study"]["strong"]
    assert len(seen) == twin["n_matching"] == twin["study"][f"n_{kind}"] > 5
    for row in seen:
        assert 0 <= row["n_of_kind"] <= row["n_examples"] <= twin["study"]["n_examples"]


def test_the_list_beside_it_holds_the_same_features(client: TestClient) -> None:
    for kind in ("alternative", "conjunction"):
        html = client.get(f"{URL}?kind={kind}").text
        (listed,) = re.findall(r'<a href="([^"]*)">as a list</a>', html)
        path, query = listed.replace("&amp;", "&").split("?")
        found = client.get(f"{path}.json?{query}&size=500").json()["features"]
        twin = client.get(f"{URL}.json?kind={kind}&size=100").json()
        own = [row["feature_index"] for row in twin["features"]]
        assert [row["feature_index"] for row in found][:100] == own
        assert html.count('<th scope="row" class="name">') == min(20, len(found))


def test_the_feature_shows_its_pairs_and_blocks(client: TestClient) -> None:
    (first, *_) = client.get(f"{URL}.json").json()["features"]
    page = f"{DICTIONARY}/{first['feature_index']}"
    html, twin = client.get(page).text, client.get(f"{page}.json").json()["combined"]
    n_examples = first["n_examples"]
    assert f"Either of two tokens suffices in <b>{first['n_of_kind']} of {n_examples}</b>" in html
    assert html.count("<svg class=pair-map") == html.count("<svg class=block-bar") == n_examples
    assert twin["pair_interaction"] == first["pair_interaction"]
    strongest = []
    for example in twin["examples"]:
        size, matrix = abs(example["hidden_pre_baseline"]), example["pairs"]["interactions"]
        pairs = [(matrix[i][j] / size, j, i) for i in range(len(matrix)) for j in range(i)]
        strongest.append(max(pairs, key=lambda pair: abs(pair[0]))[0])
        coloured = sum(abs(share) >= 0.05 for share, *_ in pairs)
        assert f"two by two: {coloured} of 5% or more" in html
        assert example["blocks"][0]["stop"] - example["blocks"][0]["start"] > 1
        assert f'href="{page}?example={example["group"]}-{example["rank"]}#' in html
    assert sum(strongest) / len(strongest) == pytest.approx(first["pair_interaction"], rel=1e-4)


def test_without_the_study_nothing_of_it_is_shown(
    atlas_path: Path, tmp_path: Path, make_client: Callable[..., TestClient]
) -> None:
    path = tmp_path / "atlas.db"
    shutil.copy(atlas_path, path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(delete(schema.study).where(schema.study.c.study == "combined"))
        table = schema.feature_study
        connection.execute(delete(table).where(table.c.study == "combined"))
    engine.dispose()
    client = make_client(path)
    answer = client.get(f"{URL}.json")
    assert answer.status_code == 404
    assert "without `--skip combined`" in answer.json()["error"]
    assert URL not in client.get(f"{DICTIONARY}/effects").text
    assert "Several tokens at once" not in client.get(f"{DICTIONARY}/1").text
