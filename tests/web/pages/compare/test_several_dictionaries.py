"""Features of two dictionaries side by side: exact where text and hook are shared, else unknown."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.db.catalog import find_sae
from app.db.engine import open_atlas
from app.db.studies import get_study
from app.db.study_records.matches import Matches
from app.demo.synthetic import build_synthetic_atlas
from app.web.memory import Memory
from app.web.pages.compare.page import ComparePage, build
from app.web.views import CompareView


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """“one” and “two” share hook and corpus, “elsewhere” the corpus; “third” has its own text."""
    path = tmp_path_factory.mktemp("several") / "atlas.db"
    build_synthetic_atlas(path, n_features=40, saes=("one", "elsewhere", "two"), events=True)
    return build_synthetic_atlas(path, n_features=40, saes=("third",), events=True, seed=1)


def page(path: Path, features: str) -> ComparePage:
    atlas, view = open_atlas(path), CompareView(features=features)
    with atlas.connect() as connection:
        sae = find_sae(connection, "synthetic", "one")
        assert sae is not None
        found = build(connection, sae, view.named(), view, Memory(path))
    atlas.close()
    return found


def test_joint_firings_and_cosines_are_exact_across_dictionaries(path: Path) -> None:
    found = page(path, "3,two:5")
    (pair,) = found.pair_values.rows
    assert (pair.first, pair.second) == (3, "two:5")
    atlas, memory, places = open_atlas(path), Memory(path), []
    with atlas.connect() as connection:
        for name, index in (("one", 3), ("two", 5)):
            sae = find_sae(connection, "synthetic", name)
            assert sae is not None
            events = memory.events(connection, sae)
            assert events is not None
            places.append(set(events.feature(index).places.tolist()))
    atlas.close()
    assert pair.n_joint == len(places[0] & places[1])
    assert not math.isnan(pair.cosine)
    assert all(line.known for text in found.texts for line in text.lines)
    assert {text.owner for text in found.texts} == {3, "two:5"}


def test_the_same_direction_elsewhere_has_a_cosine_of_one(path: Path) -> None:
    """Half of the rows of “two” are those of “one”, a little off."""
    atlas = open_atlas(path)
    with atlas.connect() as connection:
        one, two = (find_sae(connection, "synthetic", name) for name in ("one", "two"))
        assert one is not None and two is not None
        found = get_study(connection, Matches, one.sae_id, two.sae_id)
    atlas.close()
    assert found is not None
    best = int(np.argmax(found.cosine))
    (pair,) = page(path, f"{best},two:{found.best_index[best]}").pair_values.rows
    assert pair.cosine == pytest.approx(float(found.cosine[best]), abs=0.001)
    assert pair.cosine > 0.9


def test_what_can_not_be_known_is_not_said(path: Path) -> None:
    hooks = page(path, "3,elsewhere:3")
    assert math.isnan(hooks.pair_values.rows[0].cosine)
    assert hooks.pair_values.rows[0].n_joint is not None
    assert "Directions of different hooks can’t be compared." in hooks.pairs_note
    corpora = page(path, "3,third:3")
    assert corpora.pair_values.rows[0].n_joint is None
    assert "run over different text" in corpora.pairs_note
    for text in corpora.texts:
        known = {line.named: line.known for line in text.lines}
        assert known == {3: text.owner == 3, "third:3": text.owner == "third:3"}


def test_a_feature_named_twice_is_one(path: Path) -> None:
    assert page(path, "3,one:3,two:3").indices == [3, "two:3"]
    with pytest.raises(LookupError, match="one feature alone"):
        page(path, "3,one:3")


def test_links_lead_to_their_own_dictionaries(
    path: Path, make_client: Callable[..., TestClient]
) -> None:
    html = make_client(path).get("/synthetic/one/compare?features=3,two:5,8").text
    assert 'href="/synthetic/two/5"' in html
    assert "/synthetic/two/-/" not in html
    assert "features=3,8" in html and "features=two:5,8" in html
    assert "features of " in html and 'href="/synthetic/two"' in html
    twin = make_client(path).get("/synthetic/one/compare.json?features=3,two:5").json()
    assert [(each["sae"], each["feature_index"]) for each in twin["features"]] == [
        ("one", 3),
        ("two", 5),
    ]


@pytest.mark.parametrize(
    ("features", "status", "said"),
    [
        ("3,tow:5", 404, "There is no dictionary"),
        ("3,two:999", 404, "synthetic/two has no feature 999"),
        ("3,two:", 400, "is no feature number"),
        ("3,two:5:6", 400, "is no feature number"),
        ("3,one:3", 404, "one feature alone"),
    ],
)
def test_mistakes_are_sentences(
    path: Path, make_client: Callable[..., TestClient], features: str, status: int, said: str
) -> None:
    answer = make_client(path).get(f"/synthetic/one/compare?features={features}")
    assert answer.status_code == status
    assert said in answer.text
