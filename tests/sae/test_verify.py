"""The check after a load: passes what fits, names the likely cause for what does not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

import app.sae.verify as verify_module
from app.errors import AtlasError
from app.sae.architectures import ReLU, TopK
from app.sae.dictionary import Dictionary
from app.sae.normalisation import Normalisation
from app.sae.verify import Verification, verify

Maker = Callable[..., Dictionary]
D_IN = 6


def tokens() -> Tensor:
    """Activations around a mean far from zero, as residual streams have it."""
    return torch.randn(300, D_IN, generator=torch.Generator().manual_seed(5)) + 4.0


def fitting(make_dictionary: Maker, **config: object) -> Dictionary:
    """Every direction and its opposite as features around the mean: x is reconstructed exactly."""
    both = torch.cat([torch.eye(D_IN), -torch.eye(D_IN)])
    mean = tokens().mean(dim=0)
    return replace(
        make_dictionary("relu", d_in=D_IN, d_sae=2 * D_IN, **config),
        W_enc=both.T.contiguous(),
        b_enc=torch.zeros(2 * D_IN),
        W_dec=both,
        b_dec=mean,
        b_pre=mean.clone(),
        activation=ReLU(),
    )


def test_figures_equal_brute_force(make_dictionary: Maker) -> None:
    dictionary = replace(fitting(make_dictionary), activation=TopK(3))
    x = tokens()
    acts = dictionary.encode(x).numpy()
    x_hat = acts @ dictionary.W_dec.numpy() + dictionary.b_dec.numpy()
    error = ((x.numpy() - x_hat) ** 2).sum()
    total = ((x.numpy() - x.numpy().mean(axis=0)) ** 2).sum()
    figures = verify(dictionary, x)
    assert figures.explained_variance == pytest.approx(1 - error / total, rel=1e-5)
    assert figures.l0 == pytest.approx((acts > 0).sum() / len(x))
    assert figures.flipped_explained_variance is not None
    assert figures.flipped_explained_variance < figures.explained_variance


def test_figures_do_not_depend_on_the_block_size(
    make_dictionary: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    dictionary = fitting(make_dictionary)
    whole = verify(dictionary, tokens())
    monkeypatch.setattr(verify_module, "ROW_BLOCK_ELEMENTS", 7 * 2 * D_IN)
    blocks = verify(dictionary, tokens())
    np.testing.assert_allclose(whole.explained_variance, blocks.explained_variance, rtol=1e-12)
    assert whole.l0 == blocks.l0


def test_without_a_pre_bias_nothing_is_flipped(make_dictionary: Maker) -> None:
    dictionary = replace(fitting(make_dictionary), b_pre=torch.zeros(D_IN), b_dec=torch.zeros(D_IN))
    assert verify(dictionary, tokens()).flipped_explained_variance is None


def test_a_dictionary_that_explains_nothing_names_the_likely_causes(
    make_dictionary: Maker,
) -> None:
    wrong = replace(fitting(make_dictionary), W_dec=-fitting(make_dictionary).W_dec)
    with pytest.raises(AtlasError) as caught:
        verify(wrong, tokens())
    sentence = str(caught.value)
    assert "explains nothing of the activations (explained variance -3.000 on 300" in sentence
    assert "wrong hook (blocks.1.hook_resid_post)" in sentence
    assert "wrong orientation" in sentence
    assert "missing normalisation (read as: input in the model's scale)" in sentence
    assert "norm_scaling_factor" not in sentence


def test_an_unsettled_input_scale_is_named_with_its_value(make_dictionary: Maker) -> None:
    fit = fitting(make_dictionary, input_scale_unsettled=True)
    wrong = replace(fit, W_dec=-fit.W_dec)
    factor = D_IN**0.5 / np.linalg.norm(tokens().numpy(), axis=1).mean()
    with pytest.raises(AtlasError, match=f"norm_scaling_factor = {factor:.4g}"):
        verify(wrong, tokens())


def test_a_pre_bias_that_does_harm_is_refused(make_dictionary: Maker) -> None:
    dictionary = replace(
        fitting(make_dictionary), b_pre=torch.full((D_IN,), 0.5), b_dec=torch.zeros(D_IN)
    )
    with pytest.raises(AtlasError, match=r"explains more without its pre-bias \(1\.000\)"):
        verify(dictionary, tokens())


def test_more_than_k_features_on_a_token_are_refused(make_dictionary: Maker) -> None:
    dictionary = fitting(make_dictionary, k=D_IN - 1)
    with pytest.raises(AtlasError, match=r"fires 6 features on one token .* its k = 5"):
        verify(dictionary, tokens())
    verify(fitting(make_dictionary, k=D_IN), tokens())


@pytest.mark.parametrize(("target", "accepted"), [(6.0, True), (4.9, True), (4.7, False)])
def test_l0_must_lie_near_a_declared_target(
    make_dictionary: Maker, target: float, accepted: bool
) -> None:
    dictionary = fitting(make_dictionary, target_l0=target)
    if accepted:
        assert verify(dictionary, tokens()).l0 == pytest.approx(6.0)
        return
    with pytest.raises(AtlasError, match=r"fires 6\.0 features per token, expected within 25% of"):
        verify(dictionary, tokens())


def test_per_token_normalisation_is_undone_before_anything_is_compared(
    make_dictionary: Maker,
) -> None:
    dictionary = replace(
        fitting(make_dictionary),
        normalisation=Normalisation("layer_norm"),
        b_pre=torch.zeros(D_IN),
        b_dec=torch.zeros(D_IN),
    )
    assert verify(dictionary, tokens()).explained_variance == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (torch.randn(4, D_IN + 1), "reads activations of width 6 but the hook gives 7"),
        (torch.full((4, D_IN), float("nan")), "at blocks.1.hook_resid_post hold NaN"),
        (torch.ones(4, D_IN), "can't be checked on 4 tokens without any variation"),
        (torch.ones(0, D_IN), "can't be checked on 0 tokens"),
    ],
    ids=["width", "nan", "constant", "empty"],
)
def test_a_sample_that_can_show_nothing_is_refused(
    make_dictionary: Maker, x: Tensor, sentence: str
) -> None:
    with pytest.raises(AtlasError, match=sentence):
        verify(fitting(make_dictionary), x)


def transcoding(make_dictionary: Maker) -> tuple[Dictionary, Tensor]:
    """A dictionary that doubles what it reads and adds a constant, and what it predicts: as many
    numbers again."""
    dictionary = fitting(make_dictionary)
    W_dec = torch.cat([2 * dictionary.W_dec, -dictionary.W_dec], dim=1)
    b_dec = torch.cat([2 * dictionary.b_dec, -dictionary.b_dec]) + 3
    y = torch.cat([2 * tokens(), -tokens()], dim=1) + 3
    return replace(dictionary, W_dec=W_dec, b_dec=b_dec), y


def test_a_transcoder_is_judged_by_what_it_predicts(make_dictionary: Maker) -> None:
    dictionary, y = transcoding(make_dictionary)
    assert verify(dictionary, tokens(), y).explained_variance == pytest.approx(1.0, abs=1e-5)
    noisy = y + torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    error, total = (noisy - y).square().sum(), (noisy - noisy.mean(dim=0)).square().sum()
    found = verify(dictionary, tokens(), noisy).explained_variance
    assert found == pytest.approx(float(1 - error / total), abs=1e-5)
    with pytest.raises(AtlasError, match=r"a wrong hook \(in → out\)"):
        verify(dictionary, tokens(), y.flip(-1), ("in", "out"))
    with pytest.raises(AtlasError, match="writes activations of width 12 but out is 6 wide"):
        verify(dictionary, tokens(), y[:, :6], ("in", "out"))
    with pytest.raises(AtlasError, match="what out holds doesn't vary"):
        verify(dictionary, tokens(), torch.ones_like(y), ("in", "out"))
    with pytest.raises(AtlasError, match="activations at out hold NaN"):
        verify(dictionary, tokens(), y * float("nan"), ("in", "out"))


def test_the_figures_are_told_in_a_phrase() -> None:
    figures = Verification(0.91024, 35.29, None, 76)
    assert figures.told() == "explained variance 0.9102, L0 35.29 (at most 76 on a token)"
    flipped = replace(figures, flipped_explained_variance=0.5)
    assert "0.9102 (0.5000 without its pre-bias), L0" in flipped.told()
