"""Near misses and flicker: the sample is stated, and a distance only where there is one."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.web.pages.examples.near_misses import Sample

OWN, SHARED = "/synthetic/resid-2-1k", "/synthetic/resid-1-1k"
"""A dictionary whose features have thresholds of their own, and a top-k one."""


@pytest.fixture(scope="module")
def alive(client: TestClient) -> Callable[[str], int]:
    """A feature of a dictionary that fires."""

    def find(sae: str) -> int:
        rows = client.get(f"{sae}.json?size=60").json()["features"]
        return max(rows, key=lambda row: row["n_active"])["feature_index"]

    return find


def details(html: str) -> list[list[str]]:
    """What stands under the value of each example."""
    values = re.findall(r"<p class=example-value>(.*?)</p>", html)
    return [re.findall(r"<small>(.*?)</small>", value) for value in values]


def test_each_says_how_far_below_firing_it_is(
    client: TestClient, alive: Callable[[str], int]
) -> None:
    index = alive(OWN)
    twin = client.get(f"{OWN}/{index}.json").json()
    html = client.get(f"{OWN}/{index}?group=near").text
    near = [item for item in twin["examples"] if item["group"] == "near"]
    shown = details(html)
    assert len(shown) == len(near) == 10
    threshold = twin["statistics"]["threshold"]
    assert 0 < threshold < twin["statistics"]["max_activation"]
    for item, (pre, below) in zip(near, shown, strict=True):
        assert item["activation"] == 0
        assert item["below_firing"] == pytest.approx(threshold - item["hidden_pre"])
        number = float(pre.removeprefix("pre ").replace("−", "-"))
        assert number == pytest.approx(item["hidden_pre"], abs=0.01)
        assert below.endswith(" below")
        assert float(below.split()[0]) == pytest.approx(item["below_firing"], rel=0.06)
    values = [item["hidden_pre"] for item in near]
    assert values == sorted(values, reverse=True)
    said = re.sub(r"\s+", " ", unescape(html))
    found = re.search(r"one per context, of ([\d,]+) tokens in 12 random contexts on which", said)
    assert found is not None
    assert "“below” is how much is missing to fire." in said
    assert twin["hidden_pre_sample"] == {"n_contexts": 12}


def test_under_top_k_there_is_no_distance(client: TestClient, alive: Callable[[str], int]) -> None:
    index = alive(SHARED)
    twin = client.get(f"{SHARED}/{index}.json").json()
    html = client.get(f"{SHARED}/{index}?group=near").text
    assert twin["statistics"]["threshold"] is None and twin["locality"]["flicker"] is None
    assert all(item["below_firing"] is None for item in twin["examples"])
    assert [len(item) for item in details(html)] == [1] * 10
    assert "so there is no distance to firing." in html
    assert "“below”" not in unescape(html) and "Flicker" not in html


def test_flicker_stands_with_its_counts(client: TestClient) -> None:
    n_with = n_without = 0
    for row in client.get(f"{OWN}.json?size=60").json()["features"]:
        index = row["feature_index"]
        html = unescape(client.get(f"{OWN}/{index}").text)
        locality: dict[str, Any] = client.get(f"{OWN}/{index}.json").json()["locality"] or {}
        if not locality.get("n_span_silent"):
            n_without += 1
            assert "Flicker" not in html
            continue
        n_with += 1
        near, silent = locality["n_span_near"], locality["n_span_silent"]
        assert locality["flicker"] == near / silent
        assert f"{near:,} of the {silent:,} silent token" in html
        assert "in 12 random contexts" in html
    assert n_with and n_without


def test_a_group_that_is_not_there_says_why(client: TestClient) -> None:
    rows = client.get(f"{OWN}.json?size=60").json()["features"]
    dead = min(rows, key=lambda row: row["n_active"])
    assert dead["n_active"] == 0
    html = client.get(f"{OWN}/{dead['feature_index']}?group=near").text
    assert "This feature never fired" in html


def test_half_precision_never_makes_a_miss_fire() -> None:
    assert Sample(32, 0.1).below(0.1001) == 0.0
    assert Sample(32, 0.5).below(0.2) == pytest.approx(0.3)
    assert Sample(1, None).below(0.2) is None
    assert Sample(1, None).contexts == "1 random context"
