"""The page of effects ranks features by what the model loses, and says so beside density."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, delete

from app.db import schema
from app.stats.effect_sentence import nats
from app.stats.importance import rank_correlation

DICTIONARY = "/synthetic/resid-2-1k"
URL = f"{DICTIONARY}/effects"


def columns(client: TestClient, *names: str) -> dict[str, np.ndarray]:
    """Of every feature, from the list."""
    rows = client.get(f"{DICTIONARY}/features.json?sort=feature_index").json()["features"]
    return {
        name: np.array([np.nan if row[name] is None else row[name] for row in rows])
        for name in names
    }


@pytest.mark.parametrize(
    ("view", "measure", "per"),
    [("", "delta_ce", 0), ("?measure=kl", "kl", 0), ("?per=token", "delta_ce", 1)],
)
def test_the_features_that_matter_most_come_first(
    client: TestClient, view: str, measure: str, per: int
) -> None:
    found = columns(client, measure, "density")
    score = found[measure] * (found["density"] if per else 1)
    expected = np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")[:20]
    twin = client.get(f"{URL}.json{view}").json()
    assert [row["feature_index"] for row in twin["features"]] == expected.tolist()
    html = client.get(f"{URL}{view}").text
    assert html.count('<th scope="row" class="name">') == 20
    assert 'href="/synthetic/resid-2-1k/effects" aria-current="page"' in html


def test_rank_correlations_are_those_of_the_columns(client: TestClient) -> None:
    found = columns(client, "delta_ce", "kl", "density", "max_activation")
    twin = client.get(f"{URL}.json").json()
    assert len(twin["rank_correlations"]) == 4
    for item in twin["rank_correlations"]:
        rho, n = rank_correlation(found[item["measure"]], found[item["column"]])
        assert item["rho"] == pytest.approx(rho)
        assert item["n"] == n
    assert f"over {n} features" in client.get(f"{URL}?measure=kl").text


def test_lists_sort_and_filter_by_them(client: TestClient) -> None:
    found = columns(client, "delta_ce")["delta_ce"]
    answer = client.get(f"{DICTIONARY}.json?sort=-delta_ce&delta_ce=0.1..&size=500").json()
    values = [row["delta_ce"] for row in answer["features"]]
    assert values == sorted(values, reverse=True)
    assert len(values) == (found >= 0.1).sum() > 0
    assert client.get(f"{DICTIONARY}/points.json?x=density&y=kl").status_code == 200


def test_the_feature_says_what_removing_it_costs(client: TestClient) -> None:
    first = client.get(f"{URL}.json").json()["features"][0]
    page = f"{DICTIONARY}/{first['feature_index']}"
    html, twin = client.get(page).text, client.get(f"{page}.json").json()["effects"]
    assert f"Removing it costs <b>{nats(first['delta_ce'])} nats</b> on the next token" in html
    assert twin["delta_ce"] == first["delta_ce"] == twin["delta_ce"]
    weights = [item["weight"] for item in twin["firings"]]
    assert sum(weights) == pytest.approx(1, abs=1e-4)
    known = [
        (f["weight"], f["delta_ce"][0]) for f in twin["firings"] if f["delta_ce"][0] is not None
    ]
    mean = sum(w * d for w, d in known) / sum(w for w, _ in known)
    assert mean == pytest.approx(first["delta_ce"], rel=1e-3)
    for firing in twin["firings"][:3]:
        assert f'#{firing["group"]}-{firing["rank"]}"' in html or len(weights) > 10
        assert firing["lost"][0]["after"] <= firing["lost"][0]["before"]


def test_without_the_study_nothing_of_it_is_shown(
    atlas_path: Path, tmp_path: Path, make_client: Callable[..., TestClient]
) -> None:
    path = tmp_path / "atlas.db"
    shutil.copy(atlas_path, path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(delete(schema.study))
        connection.execute(delete(schema.feature_study))
        connection.execute(schema.feature.update().values(delta_ce=None, kl=None))
    engine.dispose()
    client = make_client(path)
    answer = client.get(f"{URL}.json")
    assert answer.status_code == 404
    assert "without `--skip effects`" in answer.json()["error"]
    assert URL not in client.get(DICTIONARY).text
    feature = client.get(f"{DICTIONARY}/1").text
    assert "Effect on the model" not in feature
    assert "#effects" not in feature
    assert client.get(f"{DICTIONARY}/1.json").json()["effects"] is None
