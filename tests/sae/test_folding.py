"""Folding a constant scale changes the weights and nothing that comes out of them."""

from collections.abc import Callable
from dataclasses import replace

import torch

from app.sae.dictionary import Dictionary
from app.sae.folding import describe_convention, fold_decoder_norm, fold_input_scale
from app.sae.normalisation import Normalisation

X = torch.randn(7, 5, generator=torch.Generator().manual_seed(4))
Maker = Callable[..., Dictionary]


def test_folding_the_decoder_norm_moves_it_into_the_activations(make_dictionary: Maker) -> None:
    dictionary = make_dictionary()
    folded = fold_decoder_norm(dictionary)
    torch.testing.assert_close(folded.decoder_norm(), torch.ones(8))
    torch.testing.assert_close(folded.encode(X), dictionary.encode(X) * dictionary.decoder_norm())
    torch.testing.assert_close(
        folded.decode(folded.encode(X)), dictionary.decode(dictionary.encode(X))
    )


def test_a_feature_without_a_direction_is_silent_after_folding(make_dictionary: Maker) -> None:
    dictionary = make_dictionary()
    W_dec = dictionary.W_dec.clone()
    W_dec[2] = 0
    folded = fold_decoder_norm(replace(dictionary, W_dec=W_dec))
    assert not folded.encode(X)[:, 2].any()
    assert torch.isfinite(folded.W_dec).all()


def test_folding_an_input_scale_lets_the_dictionary_take_raw_activations(
    make_dictionary: Maker,
) -> None:
    dictionary = make_dictionary("jumprelu")
    folded = fold_input_scale(dictionary, 0.25)
    acts = dictionary.encode(X * 0.25)
    torch.testing.assert_close(folded.encode(X), acts)
    torch.testing.assert_close(folded.decode(acts), dictionary.decode(acts) / 0.25)


def test_the_convention_names_scaling_notes_and_decoder_norms() -> None:
    W_dec = torch.tensor([[0.6, 0.8], [0.0, 2.0]])
    assert describe_convention(Normalisation(), W_dec, ["a note"]) == (
        "input in the model's scale; a note; decoder norms 1 to 2, not folded into the activations"
    )
    text = describe_convention(Normalisation("layer_norm"), W_dec[:1])
    assert text.startswith("input layer-normalised per token")
    assert text.endswith("; decoder rows of norm 1")
    assert "\n" not in text
