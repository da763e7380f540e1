"""The check after every load: does the dictionary explain the activations it is about to read?

Takes a dictionary and a sample of real activations (about 2,000 tokens of the hook, without
position 0 and special tokens); gives its figures, or raises an `AtlasError` that names the likely
causes. It catches nearly every wiring mistake: wrong hook, transposed weights, a missing
normalisation, a pre-bias applied or forgotten. Doesn't know where the activations come from.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from app.errors import AtlasError
from app.sae.dictionary import ROW_BLOCK_ELEMENTS, Dictionary

#: How far the average number of firing features may lie from a declared target, as a share of it.
L0_TOLERANCE = 0.25
#: A flipped pre-bias must explain this much more before it counts as the better reading.
FLIP_MARGIN = 1e-3


@dataclass(frozen=True)
class Verification:
    """Figures of a dictionary on the sample it was checked with."""

    #: 1 - Σ‖x-x̂‖² / Σ‖x-x̄‖², pooled over the sample; 1 is perfect, 0 no better than the mean.
    explained_variance: float
    #: Mean number of firing features per token.
    l0: float
    #: Explained variance without the pre-bias; None where the dictionary has none.
    flipped_explained_variance: float | None


def verify(dictionary: Dictionary, x: Float[Tensor, "n d_in"]) -> Verification:
    """The figures of `dictionary` on `x`; AtlasError if they show that it is wired wrongly."""
    _require_variation(dictionary, x)
    explained, l0, most = reconstruction_figures(dictionary, x)
    flipped = None
    if dictionary.b_pre.any():
        without = replace(dictionary, b_pre=torch.zeros_like(dictionary.b_pre))
        flipped = reconstruction_figures(without, x)[0]
    _refuse_unexplained(dictionary, x, explained)
    _refuse_flipped(dictionary, explained, flipped)
    _refuse_l0(dictionary, l0, most)
    return Verification(explained, l0, flipped)


def reconstruction_figures(
    dictionary: Dictionary, x: Float[Tensor, "n d_in"]
) -> tuple[float, float, int]:
    """(explained variance, mean firing features per token, most on one token), sums in float64."""
    mean = x.double().mean(dim=0)
    error = total = 0.0
    fired = most = 0
    for rows in x.split(max(1, ROW_BLOCK_ELEMENTS // dictionary.W_enc.shape[1])):
        feature_acts = dictionary.encode(rows)
        x_hat = dictionary.decode(feature_acts, rows).double()
        error += (rows.double() - x_hat).square().sum().item()
        total += (rows.double() - mean).square().sum().item()
        per_token = (feature_acts > 0).sum(dim=-1)
        fired += int(per_token.sum())
        most = max(most, int(per_token.max()))
    return 1 - error / total, fired / len(x), most


def _require_variation(dictionary: Dictionary, x: Float[Tensor, "n d_in"]) -> None:
    if x.shape[-1] != dictionary.W_enc.shape[0]:
        raise AtlasError(
            f"{dictionary.config.path} reads activations of width {dictionary.W_enc.shape[0]} but "
            f"the hook gives {x.shape[-1]}; choose the hook it was trained on."
        )
    if not torch.isfinite(x).all():
        raise AtlasError(
            f"The activations at {dictionary.config.hook_name or 'the hook'} hold NaN or infinity; "
            "run the model in float32, or choose another hook."
        )
    if len(x) == 0 or bool((x == x[0]).all()):
        raise AtlasError(
            f"{dictionary.config.path} can't be checked on {len(x)} tokens without any variation; "
            "use a longer corpus, or --no-verify."
        )


def _refuse_unexplained(
    dictionary: Dictionary, x: Float[Tensor, "n d_in"], explained: float
) -> None:
    if explained > 0:
        return
    causes = [
        f"a wrong hook ({dictionary.config.hook_name or 'none is named in its files'})",
        "weights in the wrong orientation",
        f"a missing normalisation (read as: {dictionary.normalisation.describe()})",
    ]
    if dictionary.config.input_scale_unsettled:
        factor = x.shape[-1] ** 0.5 / x.double().norm(dim=-1).mean().item()
        causes.append(
            "an input scale that its files announce (expected_average_only_in) but don't hold; "
            f"for these activations it would be norm_scaling_factor = {factor:.4g}"
        )
    raise AtlasError(
        f"{dictionary.config.path} explains nothing of the activations (explained variance "
        f"{explained:.3f} on {len(x)} tokens, expected above 0): likely {'; or '.join(causes)}; "
        "--no-verify skips this check."
    )


def _refuse_flipped(dictionary: Dictionary, explained: float, flipped: float | None) -> None:
    if flipped is not None and flipped > explained + FLIP_MARGIN:
        raise AtlasError(
            f"{dictionary.config.path} explains more without its pre-bias ({flipped:.3f}) than "
            f"with it ({explained:.3f}): likely its files are wrong about subtracting the decoder "
            "bias from the input (apply_b_dec_to_input), or the hook is another; --no-verify skips "
            "this check."
        )


def _refuse_l0(dictionary: Dictionary, l0: float, most: int) -> None:
    k, target = dictionary.config.k, dictionary.config.target_l0
    if k is not None and most > k:
        raise AtlasError(
            f"{dictionary.config.path} fires {most} features on one token (mean {l0:.1f}), "
            f"expected at most its k = {k}: its activation function is not the one it was trained "
            "with."
        )
    if target is not None and abs(l0 - target) > L0_TOLERANCE * target:
        raise AtlasError(
            f"{dictionary.config.path} fires {l0:.1f} features per token, expected within "
            f"{L0_TOLERANCE:.0%} of its declared {target:g}: likely a wrong hook, a missing "
            "normalisation or a threshold that was never set; --no-verify skips this check."
        )
