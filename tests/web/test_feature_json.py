"""The twin of a feature: the documented keys, exact numbers, every group, whatever the view."""

import json
import math

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from app.db import examples, features
from app.db.catalog import Sae

from .test_feature_page import full_feature

SAE = "/synthetic/resid-2-1k"

KEYS = {
    "ok", "model", "sae", "feature_index", "hook_name", "summary", "statistics",
    "activation_histogram", "logit_lens", "examples", "token_statistics", "locality", "neighbors",
    "coactive",
}  # fmt: skip
EXAMPLE_KEYS = {
    "group", "rank", "interval", "context_id", "position", "activation", "window_start",
    "token_ids", "tokens", "activations", "ablations", "context_needed", "below_firing",
}  # fmt: skip


@pytest.fixture(scope="module")
def index(client: TestClient) -> int:
    rows = client.get(f"{SAE}.json?size=60").json()["features"]
    return full_feature(client, [row["feature_index"] for row in rows])


@pytest.fixture(scope="module")
def twin(client: TestClient, index: int) -> dict:
    return client.get(f"{SAE}/{index}.json").json()


def test_it_has_the_documented_keys(twin: dict) -> None:
    assert set(twin) >= KEYS
    assert set(twin["summary"]) == {"sentence", "short"}
    assert set(twin["statistics"]) >= {
        "n_tokens", "n_active", "density", "max_activation", "mean_activation",
        "n_contexts_active",
    }  # fmt: skip
    assert set(twin["activation_histogram"]) == {"edges", "counts"}
    assert set(twin["logit_lens"]) >= {"raw", "adjusted", "histogram"}
    for kind in ("raw", "adjusted"):
        assert set(twin["logit_lens"][kind]) == {"positive", "negative"}
        assert set(twin["logit_lens"][kind]["positive"][0]) == {"token_id", "token", "logit"}
    assert set(twin["token_statistics"][0]) == {
        "token_id", "token", "n_active", "n_occurrences", "rate", "share", "mean", "max",
    }  # fmt: skip
    assert set(twin["neighbors"][0]) == {"feature_index", "cosine_similarity", "short"}
    for example in twin["examples"]:
        assert set(example) >= EXAMPLE_KEYS
        for ablation in example["ablations"]:
            assert set(ablation) >= {
                "mode", "baseline", "positions", "effects", "hidden_pre_effects",
            }  # fmt: skip


def test_it_carries_all_groups_whatever_the_view(client: TestClient, index: int) -> None:
    plain = client.get(f"{SAE}/{index}.json").json()
    groups = [item["group"] for item in plain["examples"]]
    assert {g: groups.count(g) for g in groups} == {
        "top": 20, "interval": 25, "quantile": 25, "silent": 10, "near": 10,
    }  # fmt: skip
    assert client.get(f"{SAE}/{index}.json?group=silent&ablation=off&mode=raw").json() == plain


def test_examples_are_what_is_stored(
    twin: dict, index: int, connection: Connection, sae: Sae
) -> None:
    stored = examples.get_groups(connection, sae.sae_id, index)
    for group, (rows, ablations) in stored.items():
        shown = [item for item in twin["examples"] if item["group"] == group]
        assert [item["rank"] for item in shown] == list(range(1, len(shown) + 1))
        assert [item["activation"] for item in shown] == rows.activation.tolist()
        assert [item["position"] for item in shown] == rows.position.tolist()
        having = set() if ablations is None else set(ablations.rank.tolist())
        assert {i for i, item in enumerate(shown) if item["ablations"]} == having
        for item in shown:
            n = len(item["token_ids"])
            assert len(item["tokens"]) == len(item["activations"]) == n
            place = item["position"] - item["window_start"]
            assert 0 <= place < n
            assert item["activations"][place] == pytest.approx(item["activation"])
            assert (item["interval"] is None) == (group in ("top", "silent", "near"))
            for ablation in item["ablations"]:
                assert len(ablation["positions"]) == len(ablation["effects"])
                assert max(ablation["positions"]) <= item["position"]


def test_numbers_are_exact(twin: dict, index: int, connection: Connection, sae: Sae) -> None:
    panels = features.get_panels(connection, sae.sae_id, index)
    assert panels.tokens is not None and panels.locality is not None
    assert [row["share"] for row in twin["token_statistics"]] == panels.tokens.share.tolist()
    assert twin["activation_histogram"]["edges"][-1] == twin["statistics"]["max_activation"]
    assert sum(twin["activation_histogram"]["counts"]) == twin["statistics"]["n_active"]
    lift = np.array([math.nan if v is None else v for v in twin["locality"]["lift"]])
    np.testing.assert_array_equal(lift, panels.locality.lift)


def test_what_is_not_a_number_is_null(client: TestClient) -> None:
    for row in client.get(f"{SAE}.json?size=60").json()["features"]:
        text = client.get(f"{SAE}/{row['feature_index']}.json").text

        def refuse(name: str) -> None:
            raise AssertionError(name)

        json.loads(text, parse_constant=refuse)


def test_a_dead_feature_has_a_twin_too(client: TestClient) -> None:
    rows = client.get(f"{SAE}.json?size=60").json()["features"]
    dead = next(row["feature_index"] for row in rows if row["n_active"] == 0)
    twin = client.get(f"{SAE}/{dead}.json").json()
    assert set(twin) >= KEYS
    assert twin["examples"] == []
    assert twin["statistics"]["max_activation"] is None
