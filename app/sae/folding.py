"""Constant scales moved into the weights, so that the internal form needs no second scale.

Takes a dictionary, gives one that reconstructs the same. Also puts into words which scale its
activations are in. Knows no file format: readers decide what is to be folded.
"""

from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from app.sae.dictionary import Dictionary
from app.sae.normalisation import Normalisation


def fold_decoder_norm(dictionary: Dictionary) -> Dictionary:
    """Unit decoder rows, with every row's norm multiplied into that feature's encoder column.

    `hidden_pre` and activations are multiplied by ‖W_dec[f]‖ and the reconstruction stays the same.
    The activation's own parameters are left alone: thresholds must already be in the folded units.
    A feature whose decoder row is zero never fires afterwards.
    """
    norm = dictionary.decoder_norm()
    return replace(
        dictionary,
        W_enc=dictionary.W_enc * norm,
        b_enc=dictionary.b_enc * norm,
        W_dec=dictionary.W_dec / norm.where(norm > 0, 1.0)[:, None],
    )


def fold_input_scale(dictionary: Dictionary, scale: float) -> Dictionary:
    """A dictionary for `scale · x` made into one for `x`, with the same activations.

    W_dec is then in the model's scale per unit of activation, which is what a logit lens needs.
    """
    return replace(
        dictionary,
        W_enc=dictionary.W_enc * scale,
        W_dec=dictionary.W_dec / scale,
        b_dec=dictionary.b_dec / scale,
        b_pre=dictionary.b_pre / scale,
    )


def describe_convention(
    normalisation: Normalisation, W_dec: Float[Tensor, "d_sae d_out"], notes: Sequence[str] = ()
) -> str:
    """`DictionaryConfig.convention`: input scaling, the reader's notes, decoder norms."""
    norm = W_dec.norm(dim=-1)
    low, high = norm.min().item(), norm.max().item()
    if max(abs(low - 1), abs(high - 1)) < 1e-3:
        decoder = "decoder rows of norm 1"
    else:
        decoder = f"decoder norms {low:.3g} to {high:.3g}, not folded into the activations"
    return "; ".join([normalisation.describe(), *notes, decoder])
