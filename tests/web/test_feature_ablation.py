"""The ablation profile against arithmetic done by hand, and against the stored effects."""

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_feature
from app.db.records import TokenRecord
from app.web.memory import Memory
from app.web.pages.ablation_profile import build_ablation_profile
from app.web.pages.context_needed import build_context_needed
from app.web.pages.feature_facts import build_facts
from app.web.pages.feature_material import Material, load_material
from app.web.pages.profile_tokens import build_profile_tokens
from app.web.pages.stored_example import MODES
from app.web.pages.token_line import Effects, Window

from .test_feature_page import full_feature


@pytest.fixture(scope="module")
def index(client: TestClient) -> int:
    return full_feature(client, range(60))


@pytest.fixture
def material(connection: Connection, sae: Sae, index: int) -> Material:
    record = get_feature(connection, sae.sae_id, index)
    assert record is not None
    return load_material(connection, sae, record, None, Memory())


def _window(words: list[str], start: int = 5) -> Window:
    tokens = [
        TokenRecord(sum(map(ord, word)), word, word, word.encode(), False, True) for word in words
    ]
    return Window(tokens, start, start + len(words) - 1, {}, [True] * len(words))


def _effects(window: Window, shares: list[float], mode: str = "delete") -> dict[str, Effects]:
    positions = range(window.peak - len(shares), window.peak)
    by_position = dict(zip(positions, shares, strict=True))
    return {mode: Effects(mode, 1.0, by_position, by_position)}


def test_a_token_counts_once_per_example_where_it_lowers_most() -> None:
    first = _window(["def", " a", "def", "(", "self"])
    second = _window(["x", "def", "b", "self"])
    rows = build_profile_tokens(
        [
            (first, _effects(first, [-0.1, 0.0, -0.6, -0.2])),
            (second, _effects(second, [0.0, -0.8, 0.02])),
        ],
        np.array([np.nan, -0.1, -0.7, 0.0, -0.1]),
    )
    [definition, bracket] = rows
    assert definition.pieces == (("", "def"),)
    assert (definition.where, definition.seen) == ("2 before", "2 of 2")
    assert (definition.delete, definition.halved) == ("−70%", "2 of 2")
    assert (definition.expected, definition.replace) == ("−70%", "–")
    assert (bracket.where, bracket.seen, bracket.delete) == ("1 before", "1 of 2", "−20%")


def test_tokens_that_hardly_matter_are_left_out() -> None:
    window = _window(["a", "b", "self"])
    assert build_profile_tokens([(window, _effects(window, [-0.04, 0.03]))], np.zeros(3)) == []


def test_replacement_stands_in_where_nothing_was_deleted() -> None:
    window = _window(["a", "self"])
    [row] = build_profile_tokens([(window, _effects(window, [-0.5], "replace"))], np.zeros(2))
    assert (row.delete, row.replace, row.halved) == ("–", "−50%", "")


def test_the_curve_is_the_mean_of_the_stored_effects(material: Material) -> None:
    profile = build_ablation_profile(material, "delete")
    assert profile is not None
    ablations, examples = material.ablations["top"], material.groups["top"]
    shares: dict[int, list[float]] = {}
    for place, row in enumerate(ablations.rank.tolist()):
        inside = slice(ablations.delete_indptr[place], ablations.delete_indptr[place + 1])
        for position, effect in zip(
            ablations.delete_position[inside], ablations.delete_effect[inside], strict=True
        ):
            distance = int(examples.position[row] - position)
            shares.setdefault(distance, []).append(effect / ablations.baseline[place])
    points = [point.split(",") for point in profile.curve.lines[0].points.split()]
    low, high = _axis(profile.curve.y_ticks)
    drawn = [low + (100 - float(y)) / 100 * (high - low) for _, y in points]
    expected = [float(np.mean(shares[d])) for d in sorted(shares, reverse=True)]
    np.testing.assert_allclose(drawn, expected, atol=2e-3)


def _axis(ticks: list) -> tuple[float, float]:
    """Lowest and highest value of a percent axis, from two of its ticks."""
    values = [float(tick.label.rstrip("%").replace("−", "-")) / 100 for tick in ticks]
    places = [100 - tick.at for tick in ticks]
    slope = (values[-1] - values[0]) / (places[-1] - places[0])
    low = values[0] - slope * places[0]
    return low, low + slope * 100


def test_interval_examples_weigh_as_much_as_their_band(material: Material) -> None:
    profile = build_ablation_profile(material, "delete")
    assert profile is not None
    assert profile.scope == (
        "5 of 20 top examples and 5 of 25 interval examples, weighted by their band's share of the "
        "firings"
    )
    ablations, examples = material.ablations["interval"], material.groups["interval"]
    total = weight = 0.0
    for place, row in enumerate(ablations.rank.tolist()):
        inside = slice(ablations.delete_indptr[place], ablations.delete_indptr[place + 1])
        at = ablations.delete_position[inside] == examples.position[row] - 1
        share = float(examples.band_share[examples.band[row]])
        if at.any():
            total += (
                share * float(ablations.delete_effect[inside][at][0]) / ablations.baseline[place]
            )
            weight += share
    low, high = _axis(profile.curve.y_ticks)
    last = profile.curve.lines[2].points.split()[-1].split(",")[1]
    assert low + (100 - float(last)) / 100 * (high - low) == pytest.approx(total / weight, abs=2e-3)


@pytest.mark.parametrize("mode", [*MODES, "off"])
def test_the_heat_map_is_aligned_at_the_peaks(material: Material, mode: str) -> None:
    profile = build_ablation_profile(material, mode)
    assert profile is not None
    assert profile.offsets == [*(f"−{k}" for k in range(16, 0, -1)), "peak"]
    assert [row.name for row in profile.rows[:5]] == [f"top-{i}" for i in range(1, 6)]
    for row in profile.rows:
        assert len(row.cells) == 17
        peak = row.cells[-1]
        assert "fires" in peak.css
        assert ("hatch" in peak.css) == (profile.mode == "delete")


def test_context_needed_is_the_mean_of_what_was_measured(material: Material) -> None:
    needed = build_context_needed(material)
    assert needed is not None
    filled = material.ablations["top"].context_filled
    for row, k in zip(needed.rows, range(filled.shape[1]), strict=False):
        values = filled[:, k][np.isfinite(filled[:, k])]
        assert row.n == values.size
        assert row.bar == pytest.approx(100 * values.mean(), abs=0.05)
    assert needed.rows[0].kept == "nothing"
    assert needed.rows[1].kept == "1 token"
    assert "when only the peak token keeps its place" in needed.sentence


def test_context_needed_counts_only_the_examples_it_was_measured_on(
    material: Material, connection: Connection, sae: Sae
) -> None:
    material.ablations["top"].context_filled[1:] = np.nan
    needed = build_context_needed(material)
    assert needed is not None and needed.sentence.endswith("(mean of 1 top example).")
    facts = build_facts(material, Memory().ranks(connection, sae.sae_id))
    (alone,) = (fact for fact in facts if fact.name == "From the peak token alone")
    assert alone.detail.endswith("(1 top example)")


def test_a_feature_without_ablated_text_has_no_profile(material: Material) -> None:
    material.ablations.clear()
    assert build_ablation_profile(material, "delete") is None
    assert build_context_needed(material) is None
