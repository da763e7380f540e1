"""The check after every load: does the dictionary explain the activations it is about to read?

Takes a dictionary and a sample of real activations (about 2,000 tokens of the hook, without
position 0 and special tokens; of a transcoder those of the hook it predicts as well); gives its
figures, or raises an `AtlasError` that names the likely causes. It catches nearly every wiring
mistake: wrong hook, transposed weights, a missing normalisation, a pre-bias applied or forgotten.
Doesn't know where the activations come from.
"""

from collections.abc import Sequence
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


class Doubtful(AtlasError):
    """What the check found, where a user who knows better may go on without it.

    Its sentence doesn't say how: that is for whoever asked for the check.
    """


@dataclass(frozen=True)
class Verification:
    """Figures of a dictionary on the sample it was checked with."""

    #: 1 - Σ‖y-ŷ‖² / Σ‖y-ȳ‖², pooled over the sample; 1 is perfect, 0 no better than the mean. y is
    #: what is reconstructed: the input, or of a transcoder the activations it predicts.
    explained_variance: float
    #: Mean number of firing features per token.
    l0: float
    #: Explained variance without the pre-bias; None where the dictionary has none.
    flipped_explained_variance: float | None
    #: Firing features on the token with the most.
    most: int

    def told(self) -> str:
        """The figures in one phrase."""
        without = self.flipped_explained_variance
        flipped = "" if without is None else f" ({without:.4f} without its pre-bias)"
        return (
            f"explained variance {self.explained_variance:.4f}{flipped}, "
            f"L0 {self.l0:.4g} (at most {self.most} on a token)"
        )


def verify(
    dictionary: Dictionary,
    x: Float[Tensor, "n d_in"],
    y: Float[Tensor, "n d_out"] | None = None,
    hooks: Sequence[str] = (),
) -> Verification:
    """The figures of `dictionary` on `x`; AtlasError if they show that it is wired wrongly.

    Args:
        y: what a transcoder predicts; without it `x` is what is reconstructed.
        hooks: where it is read and, last, where written, to be named; else those of its files.
    """
    hooks = hooks or _own_hooks(dictionary)
    figures = measured(dictionary, x, y, hooks)
    _refuse_unexplained(dictionary, x, figures.explained_variance, hooks)
    _refuse_flipped(dictionary, figures.explained_variance, figures.flipped_explained_variance)
    _refuse_l0(dictionary, figures.l0, figures.most)
    return figures


def measured(
    dictionary: Dictionary,
    x: Float[Tensor, "n d_in"],
    y: Float[Tensor, "n d_out"] | None = None,
    hooks: Sequence[str] = (),
) -> Verification:
    """The figures without a verdict; AtlasError only where the sample has none to give."""
    y = x if y is None else y
    hooks = hooks or _own_hooks(dictionary)
    _require_variation(dictionary, x, hooks[0] if hooks else "the hook")
    _require_output(dictionary, y, hooks[-1] if hooks else "the hook")
    explained, l0, most = reconstruction_figures(dictionary, x, y)
    flipped = None
    if dictionary.b_pre.any():
        without = replace(dictionary, b_pre=torch.zeros_like(dictionary.b_pre))
        flipped = reconstruction_figures(without, x, y)[0]
    return Verification(explained, l0, flipped, most)


def _own_hooks(dictionary: Dictionary) -> list[str]:
    own = dictionary.config
    return [name for name in (own.hook_name, own.hook_name_out) if name]


def reconstruction_figures(
    dictionary: Dictionary, x: Float[Tensor, "n d_in"], y: Float[Tensor, "n d_out"] | None = None
) -> tuple[float, float, int]:
    """(explained variance of y, mean firing features per token, most on one token).

    Sums are float64. Without `y`, x itself is what is reconstructed.
    """
    y = x if y is None else y
    mean = y.double().mean(dim=0)
    error = total = 0.0
    fired = most = 0
    at_once = max(1, ROW_BLOCK_ELEMENTS // dictionary.W_enc.shape[1])
    for rows, wanted in zip(x.split(at_once), y.split(at_once), strict=True):
        feature_acts = dictionary.encode(rows)
        y_hat = dictionary.decode(feature_acts, rows).double()
        error += (wanted.double() - y_hat).square().sum().item()
        total += (wanted.double() - mean).square().sum().item()
        per_token = (feature_acts > 0).sum(dim=-1)
        fired += int(per_token.sum())
        most = max(most, int(per_token.max()))
    return 1 - error / total, fired / len(x), most


def _require_variation(dictionary: Dictionary, x: Float[Tensor, "n d_in"], hook_name: str) -> None:
    if x.shape[-1] != dictionary.W_enc.shape[0]:
        raise AtlasError(
            f"{dictionary.config.path} reads activations of width {dictionary.W_enc.shape[0]} but "
            f"the hook gives {x.shape[-1]}; choose the hook it was trained on."
        )
    _require_finite(x, hook_name)
    if len(x) == 0 or bool((x == x[0]).all()):
        raise Doubtful(
            f"{dictionary.config.path} can't be checked on {len(x)} tokens without any variation; "
            "use a longer corpus."
        )


def _require_output(dictionary: Dictionary, y: Float[Tensor, "n d_out"], hook_name: str) -> None:
    width = dictionary.W_dec.shape[1]
    if y.shape[-1] != width:
        raise AtlasError(
            f"{dictionary.config.path} writes activations of width {width} but {hook_name} is "
            f"{y.shape[-1]} wide; choose the hook it was trained to predict."
        )
    _require_finite(y, hook_name)
    if bool((y == y[0]).all()):
        raise Doubtful(
            f"{dictionary.config.path} can't be checked, as what {hook_name} holds doesn't vary "
            f"on {len(y)} tokens; use a longer corpus."
        )


def _require_finite(x: Float[Tensor, "n _width"], hook_name: str) -> None:
    if not torch.isfinite(x).all():
        raise AtlasError(
            f"The activations at {hook_name} hold NaN or infinity; run the model in float32, or "
            "choose another hook."
        )


def _refuse_unexplained(
    dictionary: Dictionary, x: Float[Tensor, "n d_in"], explained: float, hooks: Sequence[str]
) -> None:
    if explained > 0:
        return
    named = " → ".join(dict.fromkeys(hooks)) or "none is named in its files"
    causes = [
        f"a wrong hook ({named})",
        "weights in the wrong orientation",
        f"a missing normalisation (read as: {dictionary.normalisation.describe()})",
    ]
    if dictionary.config.input_scale_unsettled:
        factor = x.shape[-1] ** 0.5 / x.double().norm(dim=-1).mean().item()
        causes.append(
            "an input scale that its files announce (expected_average_only_in) but don't hold; "
            f"for these activations it would be norm_scaling_factor = {factor:.4g}"
        )
    raise Doubtful(
        f"{dictionary.config.path} explains nothing of the activations (explained variance "
        f"{explained:.3f} on {len(x)} tokens, expected above 0): likely {'; or '.join(causes)}."
    )


def _refuse_flipped(dictionary: Dictionary, explained: float, flipped: float | None) -> None:
    if flipped is not None and flipped > explained + FLIP_MARGIN:
        raise Doubtful(
            f"{dictionary.config.path} explains more without its pre-bias ({flipped:.3f}) than "
            f"with it ({explained:.3f}): likely its files are wrong about subtracting the decoder "
            "bias from the input (apply_b_dec_to_input), or the hook is another."
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
        raise Doubtful(
            f"{dictionary.config.path} fires {l0:.1f} features per token, expected within "
            f"{L0_TOLERANCE:.0%} of its declared {target:g}: likely a wrong hook, a missing "
            "normalisation or a threshold that was never set."
        )
