"""The classes of the library dictionary_learning: which tensors each stores and what they mean.

Takes the tensors of a state dict, gives their parts in the internal form's orientation (linear
layers are stored as [out, in] and are transposed here). Doesn't know how a class is chosen.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from app.errors import AtlasError
from app.sae.architectures import Activation, Gated, JumpReLU, ReLU, TopK
from app.sae.readers.dictionary_learning_config import LibraryConfig
from app.sae.readers.weights import Weights, require_k

LINEAR = ("encoder.weight", "decoder.weight")
PLAIN = ("W_enc", "b_enc", "W_dec", "b_dec")


@dataclass(frozen=True)
class Parts:
    """What a class of the library holds, in the internal form's orientation."""

    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor
    b_pre: Tensor
    activation: Activation
    k: int | None = None
    target_l0: float | None = None


def _linear(weights: Weights) -> tuple[Tensor, Tensor]:
    """(W_enc, W_dec) of two linear layers."""
    encoder = weights.tensor("encoder.weight", None, None)
    decoder = weights.tensor("decoder.weight", encoder.shape[1], encoder.shape[0])
    return encoder.T.contiguous(), decoder.T.contiguous()


def _auto_encoder(weights: Weights, config: LibraryConfig) -> Parts:
    W_enc, W_dec = _linear(weights)
    bias = weights.tensor("bias", W_enc.shape[0])
    b_enc = weights.tensor("encoder.bias", W_enc.shape[1])
    return Parts(W_enc, b_enc, W_dec, bias, bias.clone(), ReLU())


def _auto_encoder_new(weights: Weights, config: LibraryConfig) -> Parts:
    W_enc, W_dec = _linear(weights)
    b_dec = weights.tensor("decoder.bias", W_enc.shape[0])
    b_enc = weights.tensor("encoder.bias", W_enc.shape[1])
    return Parts(W_enc, b_enc, W_dec, b_dec, torch.zeros_like(b_dec), ReLU())


def _gated(weights: Weights, config: LibraryConfig) -> Parts:
    W_enc, W_dec = _linear(weights)
    d_in, d_sae = W_enc.shape
    bias = weights.tensor("decoder_bias", d_in)
    activation = Gated(
        b_gate=weights.tensor("gate_bias", d_sae),
        b_mag=weights.tensor("mag_bias", d_sae),
        r_mag=weights.tensor("r_mag", d_sae),
    )
    return Parts(W_enc, torch.zeros(d_sae), W_dec, bias, bias.clone(), activation)


def _top_k(weights: Weights, config: LibraryConfig) -> Parts:
    W_enc, W_dec = _linear(weights)
    d_in, d_sae = W_enc.shape
    b_dec = weights.tensor("b_dec", d_in)
    k = require_k(_k(weights, config), d_sae, weights.path)
    b_enc = weights.tensor("encoder.bias", d_sae)
    return Parts(W_enc, b_enc, W_dec, b_dec, b_dec.clone(), TopK(k), k=k)


def _batch_top_k(weights: Weights, config: LibraryConfig) -> Parts:
    W_enc, W_dec = _linear(weights)
    d_in, d_sae = W_enc.shape
    b_dec = weights.tensor("b_dec", d_in)
    b_enc = weights.tensor("encoder.bias", d_sae)
    activation = JumpReLU(torch.full((d_sae,), _set_threshold(weights)))
    target = _k(weights, config)
    return Parts(W_enc, b_enc, W_dec, b_dec, b_dec.clone(), activation, target_l0=target)


def _matryoshka(weights: Weights, config: LibraryConfig) -> Parts:
    W_enc, b_enc, W_dec, b_dec = _plain(weights)
    sizes = weights.integers("group_sizes")
    if sum(sizes) != W_enc.shape[1]:
        raise AtlasError(
            f"group_sizes in {weights.path} add up to {sum(sizes)}, expected d_sae = "
            f"{W_enc.shape[1]}."
        )
    activation = JumpReLU(torch.full_like(b_enc, _set_threshold(weights)))
    target = _k(weights, config)
    return Parts(W_enc, b_enc, W_dec, b_dec, b_dec.clone(), activation, target_l0=target)


def _jump_relu(weights: Weights, config: LibraryConfig) -> Parts:
    W_enc, b_enc, W_dec, b_dec = _plain(weights)
    activation = JumpReLU(weights.tensor("threshold", W_enc.shape[1]))
    b_pre = torch.zeros_like(b_dec)
    return Parts(W_enc, b_enc, W_dec, b_dec, b_pre, activation, target_l0=config.target_l0)


def _plain(weights: Weights) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(W_enc, b_enc, W_dec, b_dec) of the classes that store them in the internal orientation."""
    W_enc = weights.tensor("W_enc", None, None)
    d_in, d_sae = W_enc.shape
    W_dec = weights.tensor("W_dec", d_sae, d_in)
    return W_enc, weights.tensor("b_enc", d_sae), W_dec, weights.tensor("b_dec", d_in)


def _k(weights: Weights, config: LibraryConfig) -> float | None:
    return weights.number("k") if "k" in weights else config.k


def _set_threshold(weights: Weights) -> float:
    threshold = weights.number("threshold")
    if not 0 <= threshold < float("inf"):
        raise AtlasError(
            f"{weights.path} has threshold {threshold:g}, which means that training never set it, "
            "so batch-top-k can't be applied token by token; choose a checkpoint from later in "
            "training."
        )
    return threshold


#: Names that must be there and what builds the parts; more telling classes before those whose names
#: are among theirs, since without a config the first that fits is taken.
CLASSES: dict[str, tuple[tuple[str, ...], Callable[[Weights, LibraryConfig], Parts]]] = {
    "GatedAutoEncoder": (
        (*LINEAR, "decoder_bias", "r_mag", "gate_bias", "mag_bias"),
        _gated,
    ),
    "MatryoshkaBatchTopKSAE": ((*PLAIN, "threshold", "group_sizes"), _matryoshka),
    "JumpReluAutoEncoder": ((*PLAIN, "threshold"), _jump_relu),
    "BatchTopKSAE": ((*LINEAR, "encoder.bias", "b_dec", "threshold"), _batch_top_k),
    "AutoEncoderTopK": ((*LINEAR, "encoder.bias", "b_dec"), _top_k),
    "AutoEncoder": ((*LINEAR, "encoder.bias", "bias"), _auto_encoder),
    "AutoEncoderNew": ((*LINEAR, "encoder.bias", "decoder.bias"), _auto_encoder_new),
}
