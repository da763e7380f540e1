"""Input normalisations against numpy, there and back."""

import numpy as np
import pytest
import torch

from app.sae.normalisation import Normalisation

X = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0)) * 3 + 1


def test_none_leaves_everything_alone() -> None:
    scale = Normalisation().measure(X)
    assert torch.equal(scale.apply(X), X)
    assert torch.equal(scale.undo(X), X)
    assert not Normalisation().needs_input


def test_layer_norm_uses_the_unbiased_deviation_and_its_epsilon_only_on_the_way_in() -> None:
    x = X.double().numpy()
    mean = x.mean(-1, keepdims=True)
    deviation = x.std(-1, ddof=1, keepdims=True)
    scale = Normalisation("layer_norm").measure(X)
    np.testing.assert_allclose(scale.apply(X).numpy(), (x - mean) / (deviation + 1e-5), rtol=1e-5)
    np.testing.assert_allclose(scale.undo(X).numpy(), x * deviation + mean, rtol=1e-5, atol=1e-6)


def test_constant_norm_scales_every_token_to_root_d_in() -> None:
    scale = Normalisation("constant_norm").measure(X)
    assert scale.apply(X).norm(dim=-1).numpy() == pytest.approx(5**0.5, rel=1e-6)
    torch.testing.assert_close(scale.undo(scale.apply(X)), X)


def test_constant_norm_leaves_a_token_of_zeros_at_zero() -> None:
    zeros = torch.zeros(1, 5)
    scale = Normalisation("constant_norm").measure(zeros)
    assert torch.equal(scale.apply(zeros), zeros)


def test_centring_subtracts_the_mean_over_d_in_and_brings_it_back() -> None:
    scale = Normalisation(centre=True).measure(X)
    np.testing.assert_allclose(scale.apply(X).mean(-1).numpy(), 0, atol=1e-6)
    torch.testing.assert_close(scale.undo(scale.apply(X)), X)


def test_centring_comes_before_the_constant_norm() -> None:
    x = X.double().numpy()
    centred = x - x.mean(-1, keepdims=True)
    expected = centred * 5**0.5 / np.linalg.norm(centred, axis=-1, keepdims=True)
    scale = Normalisation("constant_norm", centre=True).measure(X)
    np.testing.assert_allclose(scale.apply(X).numpy(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["layer_norm", "constant_norm", "none"])
def test_one_way_scales_the_input_and_leaves_the_output(kind: str) -> None:
    both = Normalisation(kind, centre=True)  # type: ignore[arg-type]
    one = Normalisation(kind, centre=True, one_way=True)  # type: ignore[arg-type]
    assert torch.equal(one.measure(X).apply(X), both.measure(X).apply(X))
    assert torch.equal(one.measure(X).undo(X), X)
    assert both.needs_input and not one.needs_input
