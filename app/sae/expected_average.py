"""Settles a constant input scale that a dictionary's files announce but don't contain.

SAELens' `expected_average_only_in` divides activations by their average norm over √d_in. Finished
dictionaries have that factor folded into their weights, some still carry the word in their config,
and in some it was never folded. Only activations can tell: takes a dictionary and a sample of
them, gives the dictionary under the reading that reconstructs better. Knows no file.
"""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from app.sae.dictionary import Dictionary
from app.sae.folding import describe_convention, fold_input_scale
from app.sae.verify import reconstruction_figures


def settle_input_scale(
    dictionary: Dictionary, x: Float[Tensor, "n d_in"], y: Float[Tensor, "n d_out"] | None = None
) -> Dictionary:
    """The dictionary itself, or with the scale √d_in / mean‖x‖ folded in where that explains more.

    A dictionary whose scale is no question comes back as it is. On equal terms the weights are
    taken as they stand. `x` must be the same sample on every run: the factor is estimated from it.
    `y` is what a transcoder predicts; without it `x` is what is reconstructed.
    """
    if not dictionary.config.input_scale_unsettled:
        return dictionary
    factor = x.shape[-1] ** 0.5 / x.double().norm(dim=-1).mean().item()
    scaled = fold_input_scale(dictionary, factor)
    if reconstruction_figures(scaled, x, y)[0] > reconstruction_figures(dictionary, x, y)[0]:
        settled, note = scaled, f"input scaled by {factor:.4g} (√d_in / mean norm, estimated here)"
    else:
        settled, note = dictionary, "input scale expected_average_only_in already in the weights"
    convention = describe_convention(settled.normalisation, settled.W_dec, [note])
    config = replace(dictionary.config, convention=convention, input_scale_unsettled=False)
    return replace(settled, config=config)
