"""The page of a whole context: what fires where equals the events, and every view of it opens."""

from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.demo.synthetic import build_synthetic_atlas
from app.stats.event_places import corpus_part, events_folder, sae_part
from app.stats.events import EventStore
from app.stats.reconstruction import ErrorSums
from tests.web.conftest import MakeClient

SAE = "synthetic/resid-2-1k"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas with its events beside it."""
    target = tmp_path_factory.mktemp("context") / "atlas.db"
    return build_synthetic_atlas(target, n_features=40, saes=("resid-2-1k",), events=True)


@pytest.fixture(scope="module")
def shown(path: Path, make_client: MakeClient) -> TestClient:
    return make_client(path)


@pytest.fixture(scope="module")
def store(path: Path) -> EventStore:
    return EventStore.open(events_folder(path) / sae_part("synthetic", "resid-2-1k"))


def test_the_twin_holds_every_firing_of_the_context(shown: TestClient, store: EventStore) -> None:
    found = shown.get(f"/{SAE}/context/41.json").json()
    dense = np.zeros((len(found["tokens"]), store.d_sae), np.float32)
    for events in store.features(0, store.d_sae):
        here = events.context_id == 41
        dense[events.position[here], events.feature_index] = events.activation[here]
    assert dense.any()
    for position, firing in enumerate(found["features"]):
        wanted = {int(i): float(dense[position, i]) for i in np.flatnonzero(dense[position])}
        assert {item["feature_index"]: item["activation"] for item in firing} == wanted


def test_a_token_lists_its_features_strongest_first(shown: TestClient) -> None:
    twin = shown.get(f"/{SAE}/context/3.json").json()
    position = max(range(len(twin["tokens"])), key=lambda i: len(twin["features"][i]))
    page = shown.get(f"/{SAE}/context/3?position={position}").text
    n_features = len(twin["features"][position])
    assert f"{n_features} feature{'s fire' if n_features != 1 else ' fires'} on it" in page
    for item in twin["features"][position]:
        assert f'href="/{SAE}/{item["feature_index"]}"' in page


def test_the_token_looked_at_is_where_the_feature_followed_is_strongest(shown: TestClient) -> None:
    twin = shown.get(f"/{SAE}/context/7.json").json()
    feature = next(item[0]["feature_index"] for item in twin["features"] if item)
    strength = [
        max((x["activation"] for x in item if x["feature_index"] == feature), default=0.0)
        for item in twin["features"]
    ]
    followed = shown.get(f"/{SAE}/context/7.json?feature={feature}").json()
    assert followed["position"] == int(np.argmax(strength))
    page = shown.get(f"/{SAE}/context/7?feature={feature}").text
    assert f"shaded by activation of feature {feature}" in page
    assert page.count('class="followed"') == 1


def test_reconstruction_errors_are_shown_where_they_were_kept(
    tmp_path: Path, make_client: MakeClient
) -> None:
    path = build_synthetic_atlas(
        tmp_path / "atlas.db", n_features=20, saes=("resid-2-1k",), events=True
    )
    folder = events_folder(path) / sae_part("synthetic", "resid-2-1k")
    sums = ErrorSums(40, 128)
    places = np.array([5 * 128 + 9, 5 * 128 + 10])
    sums.add_squares(places, np.array([9.0, 1.0]), np.array([25.0, 4.0]), np.array([16.0, 2.0]))
    sums.add_uncounted(np.array([5 * 128]), np.array([100.0]))
    sums.write(folder, 0)
    client = make_client(path)
    twin = client.get("/synthetic/resid-2-1k/context/5.json").json()
    assert twin["relative_error"][9:11] == pytest.approx([0.6, 0.5])
    assert twin["relative_error"][8] is None
    assert twin["position"] == 9  # the worst
    page = client.get("/synthetic/resid-2-1k/context/5").text
    assert "misses it by 60% of its length" in page
    assert "more on 0 of the 2 counted tokens here" in page


def test_without_events_the_stored_text_is_shown_with_what_is_missing(
    client: TestClient, shown: TestClient
) -> None:
    page = client.get(f"/{SAE}/context/5")
    assert page.status_code == 200
    assert "atlas.events/ beside the atlas holds: it is missing" in page.text
    alone, whole = (c.get(f"/{SAE}/context/5.json").json() for c in (client, shown))
    assert alone["missing"] and alone["token_ids"] == whole["token_ids"]


def test_events_of_another_run_are_not_taken(tmp_path: Path, make_client: MakeClient) -> None:
    path = build_synthetic_atlas(
        tmp_path / "atlas.db", n_features=20, saes=("resid-2-1k",), events=True
    )
    other = build_synthetic_atlas(
        tmp_path / "other.db", n_features=20, saes=("resid-1-1k", "resid-2-1k"), events=True
    )
    part = sae_part("synthetic", "resid-2-1k")
    events_folder(path).joinpath(part).rename(tmp_path / "gone")
    events_folder(other).joinpath(part).rename(events_folder(path) / part)
    assert make_client(path).get(f"/{SAE}/context/5.json").json()["missing"]


def test_a_damaged_corpus_is_not_taken(tmp_path: Path, make_client: MakeClient) -> None:
    path = build_synthetic_atlas(
        tmp_path / "atlas.db", n_features=20, saes=("resid-2-1k",), events=True
    )
    (folder,) = events_folder(path).glob(corpus_part("synthetic", "*"))
    (folder / "tokens.npy").write_bytes(b"no array")
    assert make_client(path).get(f"/{SAE}/context/5.json").json()["missing"]


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("context/64", "has no context 64: it has 0 to 63"),
        ("context/3?position=128", "has no position 128: it has 0 to 127"),
        ("context/3?feature=40", "has no feature 40: it has features 0 to 39"),
    ],
)
def test_what_is_not_there_is_a_sentence(shown: TestClient, address: str, sentence: str) -> None:
    answer = shown.get(f"/{SAE}/{address}", headers={"accept": "application/json"})
    assert answer.status_code == 404
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize("view", ["?shade=count", "?shade=error", "?feature=1&shade=count", "?x=1"])
def test_every_view_opens(shown: TestClient, view: str) -> None:
    assert shown.get(f"/{SAE}/context/3{view}").status_code == (400 if "x=" in view else 200)
