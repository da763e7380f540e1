"""An input scale that the files announce and don't hold: the activations decide."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from app.sae.architectures import ReLU
from app.sae.dictionary import Dictionary
from app.sae.expected_average import settle_input_scale
from app.sae.folding import fold_input_scale
from app.sae.verify import verify

Maker = Callable[..., Dictionary]
D_IN = 6


def tokens() -> Tensor:
    return torch.randn(300, D_IN, generator=torch.Generator().manual_seed(5)) * 20 + 30.0


def factor() -> float:
    return D_IN**0.5 / tokens().norm(dim=-1).mean().item()


def trained_on_scaled_activations(make_dictionary: Maker, unsettled: bool = True) -> Dictionary:
    """Exact within 3 of the scaled mean; further out a second set of features cuts it off."""
    both = torch.cat([torch.eye(D_IN), -torch.eye(D_IN)])
    mean = (tokens() * factor()).mean(dim=0)
    offset = -(both @ mean)
    return replace(
        make_dictionary(d_in=D_IN, d_sae=4 * D_IN, input_scale_unsettled=unsettled),
        W_enc=torch.cat([both, both]).T.contiguous(),
        b_enc=torch.cat([offset, offset - 3]),
        W_dec=torch.cat([both, -both]),
        b_dec=mean,
        b_pre=torch.zeros(D_IN),
        activation=ReLU(),
    )


def test_a_scale_that_was_never_folded_is_folded(make_dictionary: Maker) -> None:
    dictionary = trained_on_scaled_activations(make_dictionary)
    settled = settle_input_scale(dictionary, tokens())
    assert not settled.config.input_scale_unsettled
    assert f"input scaled by {factor():.4g}" in settled.config.convention
    torch.testing.assert_close(settled.encode(tokens()), dictionary.encode(tokens() * factor()))
    assert verify(settled, tokens()).explained_variance == pytest.approx(1.0, abs=1e-4)


def test_a_scale_already_in_the_weights_is_left_alone(make_dictionary: Maker) -> None:
    dictionary = fold_input_scale(trained_on_scaled_activations(make_dictionary), factor())
    settled = settle_input_scale(dictionary, tokens())
    assert settled.weights_hash() == dictionary.weights_hash()
    assert not settled.config.input_scale_unsettled
    assert "already in the weights" in settled.config.convention


def test_a_dictionary_whose_scale_is_no_question_comes_back_as_it_is(
    make_dictionary: Maker,
) -> None:
    dictionary = trained_on_scaled_activations(make_dictionary, unsettled=False)
    assert settle_input_scale(dictionary, tokens()) is dictionary
