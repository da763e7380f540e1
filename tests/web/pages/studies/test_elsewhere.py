"""A feature's page says what is nearest to it in the other dictionaries of its hook."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient

from app.db.catalog import find_sae
from app.db.columns import read_columns
from app.db.engine import open_atlas
from app.db.studies import get_study
from app.db.study_records.matches import Matches


def test_the_nearest_there_and_whose_nearest_it_is(
    matched_path: Path, make_client: Callable[..., TestClient]
) -> None:
    client, atlas = make_client(matched_path), open_atlas(matched_path)
    with atlas.connect() as connection:
        one, two = (find_sae(connection, "synthetic", name) for name in ("one", "two"))
        assert one is not None and two is not None
        there = get_study(connection, Matches, one.sae_id, two.sae_id)
        back = get_study(connection, Matches, two.sae_id, one.sae_id)
        living = read_columns(connection, two.sae_id)["density"] > 0
    atlas.close()
    assert there is not None and back is not None
    times = np.bincount(back.best_index[living], minlength=60)
    busy = int(times.argmax())
    assert times[busy] > 1
    for index in (busy, int(times.argmin())):
        (row,) = client.get(f"/synthetic/one/{index}.json").json()["elsewhere"]
        assert (row["sae"], row["feature_index"]) == ("two", there.best_index[index])
        assert row["cosine_similarity"] == float(there.cosine[index])
        assert row["n_nearest_of"] == times[index]
        owners = [i for i in np.flatnonzero(living) if back.best_index[i] == index]
        nearest = sorted(owners, key=lambda i: (-back.cosine[i], i))[:4]
        assert row["nearest_of"] == nearest
    html = client.get(f"/synthetic/one/{busy}").text
    best = there.best_index[busy]
    assert "In other dictionaries" in html
    assert f'href="/synthetic/two/{best}"' in html
    assert f"/synthetic/one/compare?features={busy},two:{best}" in html


def test_without_another_dictionary_there_is_no_panel(
    matched_path: Path, make_client: Callable[..., TestClient]
) -> None:
    client = make_client(matched_path)
    assert client.get("/synthetic/elsewhere/3.json").json()["elsewhere"] == []
    assert "In other dictionaries" not in client.get("/synthetic/elsewhere/3").text
