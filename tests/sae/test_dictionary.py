"""The internal form: partial encodings equal the full one, decoding undoes what encoding did."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

import app.sae.dictionary as dictionary_module
from app.sae.architectures import TopK
from app.sae.dictionary import Dictionary
from app.sae.normalisation import Normalisation

KINDS = ["relu", "jumprelu", "gated", "topk", "groupmax"]
NORMALISATIONS = [
    Normalisation(),
    Normalisation("layer_norm"),
    Normalisation("constant_norm", centre=True),
]
Maker = Callable[..., Dictionary]


def tokens(n: int = 6, d_in: int = 5) -> torch.Tensor:
    return torch.randn(n, d_in, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalisation", NORMALISATIONS, ids=lambda n: n.kind)
def test_encoding_follows_the_definition(
    make_dictionary: Maker, kind: str, normalisation: Normalisation
) -> None:
    dictionary = make_dictionary(kind, normalisation=normalisation)
    x = tokens()
    x_in = normalisation.measure(x).apply(x) - dictionary.b_pre
    linear = torch.stack([dictionary.W_enc.T @ row + dictionary.b_enc for row in x_in])
    hidden_pre, feature_acts = dictionary.activation(linear)
    torch.testing.assert_close(dictionary.encode(x), feature_acts)
    torch.testing.assert_close(dictionary.hidden_pre(x), hidden_pre)


@pytest.mark.parametrize("kind", KINDS)
def test_batch_dimensions_are_free(make_dictionary: Maker, kind: str) -> None:
    dictionary = make_dictionary(kind, normalisation=Normalisation("layer_norm"))
    x = tokens()
    acts = dictionary.encode(x)
    torch.testing.assert_close(dictionary.encode(x.reshape(2, 3, 5)).reshape(6, 8), acts)
    torch.testing.assert_close(dictionary.encode(x[0]), acts[0])
    assert dictionary.decode(acts.reshape(2, 3, 8), x.reshape(2, 3, 5)).shape == (2, 3, 5)
    assert dictionary.encode(x[:0]).shape == (0, 8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_chosen_features_equal_columns_of_the_full_encoding(
    make_dictionary: Maker, kind: str, dtype: torch.dtype
) -> None:
    dictionary = make_dictionary(kind, normalisation=Normalisation("layer_norm"))
    chosen = torch.tensor([7, 2, 2, 0], dtype=dtype)
    hidden_pre, acts = dictionary.forward_encoder(tokens())
    some_acts, some_pre = dictionary.encode_features(tokens(), chosen)
    torch.testing.assert_close(some_acts, acts[:, chosen.long()])
    torch.testing.assert_close(some_pre, hidden_pre[:, chosen.long()])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [8, 17, 2**24], ids=["one-row", "two-rows", "all-rows"])
def test_pairs_equal_single_entries_of_the_full_encoding(
    make_dictionary: Maker, monkeypatch: pytest.MonkeyPatch, kind: str, block: int
) -> None:
    monkeypatch.setattr(dictionary_module, "ROW_BLOCK_ELEMENTS", block)
    dictionary = make_dictionary(kind)
    chosen = torch.tensor([0, 7, 3, 3, 1, 5])
    hidden_pre, acts = dictionary.forward_encoder(tokens())
    pair_acts, pair_pre = dictionary.encode_pairs(tokens(), chosen)
    torch.testing.assert_close(pair_acts, acts[torch.arange(6), chosen])
    torch.testing.assert_close(pair_pre, hidden_pre[torch.arange(6), chosen])


@pytest.mark.parametrize("normalisation", NORMALISATIONS, ids=lambda n: n.kind)
def test_decoding_is_in_the_models_scale(
    make_dictionary: Maker, normalisation: Normalisation
) -> None:
    dictionary = make_dictionary(normalisation=normalisation)
    x = tokens()
    acts = dictionary.encode(x)
    expected = normalisation.measure(x).undo(acts @ dictionary.W_dec + dictionary.b_dec)
    torch.testing.assert_close(dictionary.decode(acts, x), expected)


def test_a_per_token_normalisation_cannot_be_undone_without_the_token(
    make_dictionary: Maker,
) -> None:
    dictionary = make_dictionary(normalisation=Normalisation("layer_norm"))
    with pytest.raises(ValueError, match="decode needs x"):
        dictionary.decode(dictionary.encode(tokens()))


def test_fewer_features_than_dimensions(make_dictionary: Maker) -> None:
    dictionary = make_dictionary("topk", d_in=9, d_sae=4)
    acts = dictionary.encode(tokens(d_in=9))
    assert acts.shape == (6, 4)
    assert dictionary.decode(acts).shape == (6, 9)


def test_inputs_of_another_dtype_are_converted(make_dictionary: Maker) -> None:
    dictionary = make_dictionary()
    x = tokens().to(torch.bfloat16)
    assert torch.equal(dictionary.encode(x), dictionary.encode(x.float()))


@pytest.mark.parametrize("kind", KINDS)
def test_to_moves_every_tensor(make_dictionary: Maker, kind: str) -> None:
    moved = make_dictionary(kind).to(dtype=torch.float64)
    assert moved.encode(tokens()).dtype == torch.float64
    assert moved.decode(moved.encode(tokens())).dtype == torch.float64
    assert {t.dtype for t in moved.activation.tensors().values()} <= {torch.float64}


def test_decoder_norm_is_the_length_of_every_direction(make_dictionary: Maker) -> None:
    dictionary = make_dictionary()
    expected = [sum(v * v for v in row) ** 0.5 for row in dictionary.W_dec.tolist()]
    assert dictionary.decoder_norm().tolist() == pytest.approx(expected, rel=1e-6)


def test_the_hash_names_the_weights_and_nothing_else(make_dictionary: Maker) -> None:
    dictionary = make_dictionary("gated")
    same = make_dictionary("gated", hook_name="blocks.7.hook_mlp_out")
    assert dictionary.weights_hash() == same.weights_hash()
    assert len(dictionary.weights_hash()) == 64
    nudged = dictionary.b_enc.clone()
    nudged[3] += 1
    gate = replace(dictionary.activation, b_gate=nudged)
    others = [
        replace(dictionary, b_enc=nudged),
        replace(dictionary, activation=gate),
        replace(dictionary, activation=TopK(3)),
        replace(dictionary, activation=TopK(4)),
        replace(dictionary, normalisation=Normalisation("layer_norm")),
        dictionary.to(dtype=torch.bfloat16),
    ]
    assert len({d.weights_hash() for d in [dictionary, *others]}) == 7


def test_the_hash_does_not_depend_on_memory_layout(make_dictionary: Maker) -> None:
    dictionary = make_dictionary()
    transposed = replace(dictionary, W_enc=dictionary.W_enc.T.contiguous().T)
    assert transposed.weights_hash() == dictionary.weights_hash()


def test_firing_threshold_is_none_where_features_compete(make_dictionary: Maker) -> None:
    assert make_dictionary("topk").firing_threshold() is None
    threshold = make_dictionary("relu").firing_threshold()
    assert threshold is not None and threshold.tolist() == [0.0] * 8


def test_a_skip_transcoder_adds_the_linear_part_of_its_raw_input(make_dictionary: Maker) -> None:
    """Its decoder writes another space than its encoder reads, its skip leads from one to the
    other without normalisation."""
    plain = make_dictionary("relu", normalisation=Normalisation("layer_norm"))
    generator = torch.Generator().manual_seed(2)
    W_skip = torch.randn(5, 5, generator=generator)
    skipping = replace(plain, W_skip=W_skip)
    x = tokens()
    acts = skipping.encode(x)
    expected = plain.decode(acts, x) + torch.stack([W_skip.T @ row for row in x])
    torch.testing.assert_close(skipping.decode(acts, x), expected)
    row, feature = acts.nonzero(as_tuple=True)
    torch.testing.assert_close(
        skipping.decode_events(row, feature, acts[row, feature], x), expected
    )
    with pytest.raises(ValueError, match="W_skip"):
        replace(skipping, normalisation=Normalisation()).decode(acts)
    assert skipping.weights_hash() != plain.weights_hash()
    assert skipping.to(dtype=torch.float64).decode(acts, x.double()).dtype == torch.float64
