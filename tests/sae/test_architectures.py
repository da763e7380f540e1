"""Activation functions against their definitions, written out value by value."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from app.sae.architectures import (
    Activation,
    Gated,
    GroupMax,
    JumpReLU,
    ReLU,
    TopK,
    keep_group_max,
    keep_top_k,
)

#: A few values only, so that ties, zeros and negatives are common.
COARSE = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0, 2.0])


def top_k_by_definition(row: list[float], k: int) -> list[float]:
    """Rank by (value descending, index ascending), keep k, drop what is negative."""
    order = sorted(range(len(row)), key=lambda index: (-row[index], index))
    chosen = set(order[:k])
    return [max(0.0, value) if index in chosen else 0.0 for index, value in enumerate(row)]


@given(st.data())
def test_top_k_keeps_the_largest_and_breaks_ties_by_index(data: st.DataObject) -> None:
    n_features = data.draw(st.integers(1, 9))
    k = data.draw(st.integers(1, n_features))
    row = st.lists(COARSE, min_size=n_features, max_size=n_features)
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    expected = [top_k_by_definition(values, k) for values in rows]
    assert keep_top_k(torch.tensor(rows), k).tolist() == expected


def group_max_by_definition(row: list[float], k: int) -> list[float]:
    """Of each of k runs of neighbours the first of the largest, where it is positive."""
    size = len(row) // k
    kept = [0.0] * len(row)
    for start in range(0, len(row), size):
        best = max(range(start, start + size), key=lambda index: (row[index], -index))
        kept[best] = max(0.0, row[best])
    return kept


@given(st.data())
def test_group_max_keeps_the_first_of_the_largest_of_each_group(data: st.DataObject) -> None:
    k, size = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    row = st.lists(COARSE, min_size=k * size, max_size=k * size)
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    expected = [group_max_by_definition(values, k) for values in rows]
    assert keep_group_max(torch.tensor(rows), k).tolist() == expected


def test_top_k_over_several_batch_dimensions() -> None:
    hidden_pre = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([torch.stack([keep_top_k(row, 2) for row in one]) for one in hidden_pre])
    assert torch.equal(keep_top_k(hidden_pre, 2), expected)


def test_jumprelu_fires_strictly_above_the_threshold_and_never_below_zero() -> None:
    linear = torch.tensor([[-0.2, 0.5, 0.50001, 0.3]])
    activation = JumpReLU(torch.tensor([-1.0, 0.5, 0.5, 0.0]))
    hidden_pre, feature_acts = activation(linear)
    assert torch.equal(hidden_pre, linear)
    assert feature_acts.tolist() == [[0.0, 0.0, linear[0, 2].item(), linear[0, 3].item()]]


def test_gated_takes_its_value_from_the_magnitude_path_behind_an_open_gate() -> None:
    b_gate, b_mag, r_mag = [-0.5, 0.5, 0.0], [0.1, -3.0, 0.2], [0.3, 0.0, -0.4]
    activation = Gated(torch.tensor(b_gate), torch.tensor(b_mag), torch.tensor(r_mag))
    rows = [[0.4, 1.0, 2.0], [0.6, 4.0, -1.0]]
    hidden_pre, feature_acts = activation(torch.tensor(rows))
    for row, linear in enumerate(rows):
        for f, value in enumerate(linear):
            magnitude = value * math.exp(r_mag[f]) + b_mag[f]
            fires = value + b_gate[f] > 0
            assert hidden_pre[row, f].item() == pytest.approx(magnitude, rel=1e-6)
            assert feature_acts[row, f].item() == pytest.approx(
                max(0.0, magnitude) if fires else 0.0, rel=1e-6
            )


def some_activations(n_features: int) -> list[Activation]:
    generator = torch.Generator().manual_seed(1)

    def draw() -> Tensor:
        return torch.randn(n_features, generator=generator)

    return [ReLU(), JumpReLU(draw()), Gated(draw(), draw(), draw())]


@pytest.mark.parametrize("activation", some_activations(6), ids=lambda a: a.name)
def test_a_feature_fires_exactly_above_its_firing_threshold(activation: Activation) -> None:
    linear = torch.randn(200, 6, generator=torch.Generator().manual_seed(2))
    hidden_pre, feature_acts = activation(linear)
    threshold = activation.firing_threshold(6)
    assert threshold is not None
    assert torch.equal(feature_acts > 0, hidden_pre > threshold)
    assert torch.equal(feature_acts[feature_acts > 0], hidden_pre[feature_acts > 0])


@pytest.mark.parametrize("activation", some_activations(6), ids=lambda a: a.name)
def test_taking_features_is_the_same_as_computing_all(activation: Activation) -> None:
    linear = torch.randn(5, 6, generator=torch.Generator().manual_seed(3))
    chosen = torch.tensor([4, 0, 4])
    hidden_pre, feature_acts = activation(linear)
    some_pre, some_acts = activation.take(chosen)(linear[:, chosen])
    assert torch.equal(some_pre, hidden_pre[:, chosen])
    assert torch.equal(some_acts, feature_acts[:, chosen])


@pytest.mark.parametrize(
    "activation", [*some_activations(3), TopK(2), GroupMax(1)], ids=lambda a: a.name
)
def test_nan_is_never_turned_into_silence(activation: Activation) -> None:
    _, feature_acts = activation(torch.tensor([[1.0, float("nan"), 0.5]]))
    assert torch.isnan(feature_acts[0, 1])


def test_top_k_has_no_threshold_of_its_own() -> None:
    assert TopK(3).firing_threshold(8) is None
    assert TopK(3).selects_across_features


def test_group_max_has_no_threshold_of_its_own() -> None:
    assert GroupMax(2).firing_threshold(8) is None
    assert GroupMax(2).selects_across_features
