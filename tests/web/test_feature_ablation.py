"""The ablation profile against arithmetic done by hand, and against the stored effects."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_feature
from app.db.records import Group, TokenRecord
from app.web.charts.plot import Chart
from app.web.charts.scales import Tick
from app.web.memory import Memory
from app.web.pages.examples.token_line import Window
from app.web.pages.feature.facts import build_facts
from app.web.pages.feature.material import Material, load_material
from app.web.pages.profile.context_needed import build_context_needed
from app.web.pages.profile.disagreement import build_disagreements, disagreeing
from app.web.pages.profile.distances import quantile
from app.web.pages.profile.examples import ProfileExample, profile_examples
from app.web.pages.profile.panel import build_ablation_profile
from app.web.pages.profile.tokens import build_profile_tokens
from app.web.text import signed_percent

from .test_feature_page import full_feature


@pytest.fixture(scope="module")
def index(client: TestClient) -> int:
    return full_feature(client, range(60))


@pytest.fixture
def material(connection: Connection, sae: Sae, index: int) -> Material:
    record = get_feature(connection, sae.sae_id, index)
    assert record is not None
    return load_material(connection, sae, record, None, Memory(Path()))


def _example(
    words: list[str], shares: list[float], name: int = 0, **modes: list[float]
) -> ProfileExample:
    """A top example whose last word is the peak; shares are those of the words before it."""
    tokens = [
        TokenRecord(sum(map(ord, word)), word, word, word.encode(), False, True) for word in words
    ]
    window = Window(tokens, 5, 5 + len(words) - 1, {}, [True] * len(words))
    by_mode = {"delete": shares, **modes} if shares else modes
    return ProfileExample(
        "top", name, window,
        {mode: np.array([np.nan, *values[::-1]]) for mode, values in by_mode.items()},
        1.0, True,
    )  # fmt: skip


def test_a_token_counts_once_per_example_where_it_lowers_most() -> None:
    rows = build_profile_tokens(
        [
            _example(["def", " a", "def", "(", "self"], [-0.1, 0.0, -0.6, -0.2]),
            _example(["x", "def", "b", "self"], [0.0, -0.8, 0.02]),
        ],
        [_example(["def", "self"], [-0.3])],
        np.array([np.nan, -0.1, -0.7, 0.0, -0.1]),
    )
    [definition, bracket] = rows
    assert definition.pieces == (("", "def"),)
    assert (definition.where, definition.seen) == ("2 before", "2 of 2 top and 1 of 1 interval")
    assert (definition.delete, definition.halved) == ("−70%", "2 of 2")
    assert (definition.intervals, definition.replace) == ("−30%", "–")
    assert definition.expected == "−70%"
    assert (bracket.where, bracket.seen) == ("1 before", "1 of 2 top and 0 of 1 interval")
    assert (bracket.delete, bracket.intervals) == ("−20%", "–")


def test_interval_examples_weigh_in_the_mean_of_a_token() -> None:
    heavy = replace(_example(["def", "self"], [-0.1]), weight=0.75)
    light = replace(_example(["def", "self"], [-0.9]), weight=0.25)
    [row] = build_profile_tokens([_example(["def", "self"], [-0.5])], [heavy, light], np.zeros(2))
    assert row.intervals == "−30%"


def test_tokens_that_hardly_matter_are_left_out() -> None:
    assert (
        build_profile_tokens([_example(["a", "b", "self"], [-0.04, 0.03])], [], np.zeros(3)) == []
    )


def test_replacement_stands_in_where_nothing_was_deleted() -> None:
    [row] = build_profile_tokens([_example(["a", "self"], [], replace=[-0.5])], [], np.zeros(2))
    assert (row.delete, row.replace, row.halved) == ("–", "−50%", "")


def test_one_mode_measured_nearer_than_the_window_reaches() -> None:
    """All shares of a profile are as long as its farthest place, not as any one window."""
    far = _example(["a", "b", "c", "d", "self"], [], replace=[-0.5, -0.2])
    near = _example(["d", "self"], [-0.3, 0.0, 0.0, 0.0])
    rows = {row.pieces[0][1]: row for row in build_profile_tokens([far, near], [], np.zeros(1))}
    assert (rows["c"].where, rows["c"].replace) == ("2 before", "−50%")
    assert (rows["d"].delete, rows["d"].replace) == ("0%", "−20%")
    assert set(rows) == {"c", "d"}


def test_delete_and_replace_disagree_by_size_or_by_sign() -> None:
    example = _example(
        ["a", "b", "c", "d", "(", "self"],
        [-0.02, -0.30, -0.06, -0.01, -0.02],
        replace=[-0.20, -0.10, 0.06, 0.04, -0.40],
    )
    # of a to (: 18 points, 20 points, another sign, signs too small to have one, 38 points
    assert disagreeing(example)[:0:-1].tolist() == [False, False, True, False, True]
    found = build_disagreements([example, example])
    assert found is not None
    assert found.sentence.startswith(
        "The two disagree, by more than 25 points or in sign, at 4 of 10 places in 2 examples"
    )
    [bracket, letter] = found.rows
    assert (bracket.pieces, bracket.where) == ((("", "("),), "1 before")
    assert bracket.words == "replacing lowers by 40%, deleting by 2.0%"
    assert bracket.count == "1 example", "both are named top-1"
    assert letter.words == "deleting lowers by 6.0%, replacing raises by 6.0%"


def test_an_effect_that_rounds_to_nothing_is_said_to_leave_it() -> None:
    found = build_disagreements([_example(["(", "self"], [0.001], replace=[-0.40])])
    assert found is not None
    assert found.rows[0].words == "replacing lowers by 40%, deleting leaves it"


def test_without_both_modes_nothing_disagrees() -> None:
    alone = _example(["a", "self"], [-0.9])
    assert build_disagreements([alone]) is None
    assert not disagreeing(alone).any()


@pytest.mark.parametrize("effect", ["activation", "hidden_pre"])
def test_the_curve_is_the_mean_of_the_stored_effects(
    material: Material, effect: Literal["activation", "hidden_pre"]
) -> None:
    profile = build_ablation_profile(material, "delete", effect)
    assert profile is not None and profile.not_above_zero == ""
    shares = _stored_shares(material, "top", "delete", effect)
    drawn = _drawn(profile.curve, 0)
    assert sorted(drawn) == sorted(d for d in shares if d <= 16)
    for distance, value in drawn.items():
        assert value == pytest.approx(np.mean(shares[distance]), abs=2e-3)
    for row, distance in zip(profile.distances, range(33), strict=True):
        expected = shares.get(distance, [])
        assert row.delete == (signed_percent(float(np.mean(expected))) if expected else "–")
        assert row.n.startswith(f"{len(expected)} + ")


def _stored_shares(
    material: Material, group: Group, mode: str, effect: str
) -> dict[int, list[float]]:
    """By distance before the peak, straight from the packed arrays."""
    ablations, examples = material.ablations[group], material.groups[group]
    pre = "hidden_pre_" if effect == "hidden_pre" else ""
    indptr = getattr(ablations, f"{mode}_indptr")
    found: dict[int, list[float]] = {}
    for place, row in enumerate(ablations.rank.tolist()):
        for i in range(indptr[place], indptr[place + 1]):
            distance = int(examples.position[row] - getattr(ablations, f"{mode}_position")[i])
            value = getattr(ablations, f"{mode}_{pre}effect")[i]
            base = getattr(ablations, f"{pre}baseline")[place]
            found.setdefault(distance, []).append(float(value / base))
    return found


def _drawn(chart: Chart, line: int) -> dict[int, float]:
    """Values by distance, read off the drawing."""
    low, high = _axis(chart.y_ticks)
    points = [point.split(",") for point in chart.lines[line].points.split()]
    return {
        16 - round(float(x) / 100 * 17 - 0.5): low + (100 - float(y)) / 100 * (high - low)
        for x, y in points
    }


def _axis(ticks: list[Tick]) -> tuple[float, float]:
    """Lowest and highest value of a percent axis, from two of its ticks."""
    values = [float(tick.label.rstrip("%").replace("−", "-")) / 100 for tick in ticks]
    places = [100 - tick.at for tick in ticks]
    slope = (values[-1] - values[0]) / (places[-1] - places[0])
    low = values[0] - slope * places[0]
    return low, low + slope * 100


def test_the_band_is_the_middle_half_of_the_top_examples(material: Material) -> None:
    profile = build_ablation_profile(material, "replace")
    assert profile is not None
    [area] = profile.curve.areas
    assert area.name == "middle half of the 5 top examples, replace"
    low, high = _axis(profile.curve.y_ticks)
    heights = [
        low + (100 - float(p.split(",")[1])) / 100 * (high - low) for p in area.points.split()
    ]
    at_peak = _stored_shares(material, "top", "replace", "activation")[0]
    n = len(heights) // 2
    assert heights[n - 1] == pytest.approx(np.quantile(at_peak, 0.75), abs=2e-3)
    assert heights[n] == pytest.approx(np.quantile(at_peak, 0.25), abs=2e-3)


@given(st.integers(0, 2**32), st.sampled_from([0.25, 0.5, 0.75]))
def test_quartiles_are_those_of_numpy(seed: int, q: float) -> None:
    rng = np.random.default_rng(seed)
    shares = np.where(rng.random((7, 5)) < 0.3, np.nan, rng.normal(size=(7, 5)))
    shares[:, 0] = np.nan
    enough = np.isfinite(shares).sum(axis=0) >= 4
    found = quantile(shares, q)
    assert np.isnan(found[~enough]).all()
    if enough.any():
        np.testing.assert_allclose(found[enough], np.nanquantile(shares[:, enough], q, axis=0))


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
    assert _drawn(profile.curve, 2)[1] == pytest.approx(total / weight, abs=2e-3)


def test_where_hidden_pre_is_not_above_zero_the_activation_is_shown(material: Material) -> None:
    material.ablations["top"].hidden_pre_baseline[:2] = [-0.5, 0.0]
    profile = build_ablation_profile(material, "delete", "hidden_pre")
    assert profile is not None
    assert profile.not_above_zero.startswith("In 2 of 10 examples hidden_pre is not above zero")
    plain = build_ablation_profile(material, "delete", "activation")
    assert plain is not None
    rows = {row.name: row for row in profile.rows}
    expected = {row.name: row for row in plain.rows}
    changed = [f"top-{material.ablations['top'].rank[i] + 1}" for i in (0, 1)]
    for name in changed:
        assert rows[name].cells == expected[name].cells


@pytest.mark.parametrize("mode", ["delete", "replace", "both", "off"])
def test_the_heat_map_is_aligned_at_the_peaks(material: Material, mode: str) -> None:
    profile = build_ablation_profile(material, mode)
    assert profile is not None
    assert profile.offsets == [*(f"−{k}" for k in range(16, 0, -1)), "peak"]
    n_modes = 2 if mode == "both" else 1
    assert [row.name for row in profile.rows[: 5 * n_modes : n_modes]] == [
        f"top-{i}" for i in range(1, 6)
    ]
    assert profile.n_rows_left_out == 10 - len(profile.rows) // n_modes
    for row in profile.rows:
        assert len(row.cells) == 17
        peak, shown = row.cells[-1], row.mode or profile.mode
        assert "fires" in peak.css.split()
        assert ("hatch" in peak.css.split()) == (shown == "delete")
        if shown == "delete":
            assert peak.label.startswith("never deleted; replacing it: −")
    if mode == "both":
        assert [row.mode for row in profile.rows[:2]] == ["delete", "replace"]
        assert [row.first for row in profile.rows[:2]] == [True, False]


def test_cells_that_disagree_are_marked_in_either_mode(material: Material) -> None:
    examples = profile_examples(material, "activation")
    profile = build_ablation_profile(material, "both")
    assert profile is not None and profile.disagreements is not None
    n_marked = 0
    for i, row in enumerate(profile.rows):
        expected = disagreeing(examples[i // 2])
        for distance, cell in enumerate(reversed(row.cells)):
            marked = "differs" in cell.css.split()
            n_marked += marked
            assert marked == bool(expected[distance] and cell.label)
    assert n_marked > 0


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
    facts = build_facts(material, Memory(Path()).ranks(connection, sae.sae_id))
    (alone,) = (fact for fact in facts if fact.name == "From the peak token alone")
    assert alone.detail.endswith("(1 top example)")


def test_a_feature_without_ablated_text_has_no_profile(material: Material) -> None:
    material.ablations.clear()
    assert build_ablation_profile(material, "delete") is None
    assert build_context_needed(material) is None
