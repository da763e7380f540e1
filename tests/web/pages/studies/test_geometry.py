"""The page of a dictionary's geometry says what the stored study found, under every view."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, delete

from app.db import schema
from app.db.catalog import Sae
from app.db.studies import get_study
from app.db.study_records.geometry import Geometry
from app.web.memory import Memory
from app.web.pages.studies.geometry.page import GeometryPage, build
from app.web.pages.studies.geometry.view import GeometryView

URL = "/synthetic/resid-2-1k/geometry"


@pytest.fixture
def page_of(connection: Any, sae: Sae, atlas_path: Path) -> Callable[..., GeometryPage]:
    memory = Memory(atlas_path)
    return lambda **view: build(connection, sae, GeometryView(**view), memory)


@pytest.fixture
def found(connection: Any, sae: Sae) -> Geometry:
    record = get_study(connection, Geometry, sae.sae_id)
    assert record is not None
    return record


def test_a_band_says_whose_neighbours_its_features_are(
    page_of: Callable[..., GeometryPage], found: Geometry
) -> None:
    whole, part = page_of(), page_of(cosine="0.7..0.95")
    living = whole.measured.living
    assert whole.band.n_features == living.sum()
    inside = living & (found.cosine[0] > 0.7) & (found.cosine[0] <= 0.95)
    assert 0 < part.band.n_features == inside.sum() < whole.band.n_features
    times = np.bincount(found.nearest_index[inside])
    assert part.band.n_hubs == (times > 0).sum()
    first = part.band.hubs[0]
    assert first.times == times.max()
    assert first.row.record.feature_index == times.argmax() == 0, "the planted hub"
    assert whole.band.hubs[0].times == first.row.record.times_nearest


def test_the_bars_of_a_range_hold_its_features(page_of: Callable[..., GeometryPage]) -> None:
    chart = page_of().cosines
    assert chart is not None
    for link in chart.chart.links:
        page = page_of(cosine=link.href.split("cosine=")[1])
        assert f": {page.band.n_features:,} features" in link.label


def test_populations_of_the_histograms(
    page_of: Callable[..., GeometryPage], found: Geometry
) -> None:
    living = page_of().measured.living
    aligned = found.neuron_cosine >= 0.5
    assert aligned[living].any(), "the demo plants some"
    for among, expected in (
        ("living", living), ("all", np.ones(60, bool)), ("unaligned", living & ~aligned),
    ):  # fmt: skip
        page = page_of(among=among)
        assert (page.measured.among == expected).all()
        assert sum(page.neurons.brush.counts) == expected.sum()


def test_ranks_beyond_the_dictionary_are_said(
    client: TestClient, page_of: Callable[..., GeometryPage]
) -> None:
    """60 features have no 100th nearest."""
    assert page_of(rank="100").cosines is None
    assert "No feature has so many others." in client.get(f"{URL}?rank=100").text
    assert page_of(rank="10").cosines is not None


def test_clusters_of_a_threshold(page_of: Callable[..., GeometryPage], found: Geometry) -> None:
    strict, loose = page_of(near="0.99"), page_of(near="0.7")
    assert loose.n_clusters > strict.n_clusters
    first = loose.clusters[0]
    near = found.near_cosine[
        np.isin(found.near_first, [row.record.feature_index for row in first.members])
    ]
    assert float(first.weakest) <= near.max() + 0.001
    assert "feature_index=" in first.list_url


def test_the_page_is_whole_without_scripts(client: TestClient) -> None:
    html = client.get(f"{URL}?cosine=0.7..0.95&near=0.8").text
    assert 'aria-current="page"' in html
    for heading in ("Nearest neighbours", "Cosine 0.7 – 0.95", "Near-duplicates", "Single neurons",
                    "Neuron-aligned", "Encoder and decoder"):  # fmt: skip
        assert heading in html
    assert html.count("<summary>As a table</summary>") == 5
    assert "N = " in html


def test_the_twin_has_the_numbers(client: TestClient, found: Geometry) -> None:
    twin = client.get(f"{URL}.json").json()
    assert twin["nearest_index"] == found.nearest_index.tolist()
    assert twin["cosine"]["100"] == [None] * 60
    assert twin["hubs"][0]["feature_index"] == 0
    assert twin["pairs"]["isotropic"]["variance"] == pytest.approx(1 / 64, rel=0.2)
    assert twin["quantiles"]["features"]["1"][2] == pytest.approx(
        float(np.median(found.cosine[0][found.nearest_index >= 0])), abs=0.2
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [("rank=2", "rank"), ("cosine=a..b", "is not a range"), ("among=dead", "among"), ("x=1", "x")],
)
def test_what_can_not_be_read_is_a_sentence(client: TestClient, query: str, said: str) -> None:
    answer = client.get(f"{URL}?{query}")
    assert answer.status_code == 400
    assert said in answer.text


def test_a_skipped_study_is_said_and_offered_nowhere(
    atlas_path: Path, tmp_path: Path, make_client: Callable[..., TestClient]
) -> None:
    path = tmp_path / "atlas.db"
    shutil.copy(atlas_path, path)
    engine = create_engine(f"sqlite:///{path}")
    columns = dict.fromkeys(("nearest_cosine", "times_nearest", "neuron_share", "encoder_norm"))
    with engine.begin() as connection:
        connection.execute(delete(schema.study))
        connection.execute(schema.feature.update().values(**columns))
    engine.dispose()
    client = make_client(path)
    answer = client.get(URL)
    assert answer.status_code == 404
    assert "--skip geometry" in answer.text
    html = client.get("/synthetic/resid-2-1k").text
    assert "geometry" not in html
    assert "times_nearest" not in html and "Times nearest" not in html
    assert "times_nearest" in make_client(atlas_path).get("/synthetic/resid-2-1k").text
