"""What a dictionary does to an activation before its own weights see it, and how that is undone.

Takes activations `[*batch, d_in]`; gives an `InputScale`, the per-token numbers that bring an
activation to the dictionary's scale and a reconstruction back to the model's. A constant factor for
all tokens is not here: readers fold it into the weights. Knows no weights and no file.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

#: Added to the standard deviation on the way in, and not on the way out, as SAELens does.
LAYER_NORM_EPSILON = 1e-5


@dataclass(frozen=True, eq=False)
class InputScale:
    """Per-token numbers: `apply(x) = (x - shift) / divisor`, `undo(y) = y * factor + added`.

    `factor` is `divisor` but for layer norm's epsilon, and `added` is `shift`, or both are None
    where nothing is undone. None is a step that has nothing to do.
    """

    shift: Float[Tensor, "*#batch 1"] | None = None
    divisor: Float[Tensor, "*#batch 1"] | None = None
    factor: Float[Tensor, "*#batch 1"] | None = None
    added: Float[Tensor, "*#batch 1"] | None = None

    def apply(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_in"]:
        """The activation in the dictionary's scale."""
        x = x if self.shift is None else x - self.shift
        return x if self.divisor is None else x / self.divisor

    def undo(self, y: Float[Tensor, "*batch d_out"]) -> Float[Tensor, "*batch d_out"]:
        """A reconstruction in the model's scale."""
        y = y if self.factor is None else y * self.factor
        return y if self.added is None else y + self.added


@dataclass(frozen=True)
class Normalisation:
    """The per-token normalisation of a dictionary's input.

    kind: "none"; "layer_norm": subtract the mean over d_in and divide by the unbiased standard
        deviation + 1e-5; "constant_norm": scale every token to Euclidean norm √d_in.
    centre: subtract the mean over d_in first (the dictionary was trained on a model whose writing
        weights were centred). Layer norm does so anyway.
    one_way: of the input alone: what the decoder writes is in the model's scale as it is (a
        transcoder's, whose output is another activation).
    """

    kind: Literal["none", "layer_norm", "constant_norm"] = "none"
    centre: bool = False
    one_way: bool = field(default=False, repr=False)  # the hash of weights reads the repr

    @property
    def needs_input(self) -> bool:
        """Whether undoing it takes the statistics of the input token."""
        return not self.one_way and (self.kind != "none" or self.centre)

    def measure(self, x: Float[Tensor, "*batch d_in"]) -> InputScale:
        """The scale of every token of `x`."""
        scale = self._scale(x)
        return replace(scale, factor=None, added=None) if self.one_way else scale

    def _scale(self, x: Float[Tensor, "*batch d_in"]) -> InputScale:
        centred = self.centre or self.kind == "layer_norm"
        shift = x.mean(dim=-1, keepdim=True) if centred else None
        x = x if shift is None else x - shift
        if self.kind == "layer_norm":
            # The mean is already gone; torch.std would warn about a batch without tokens.
            deviation = (x.square().sum(dim=-1, keepdim=True) / (x.shape[-1] - 1)).sqrt()
            return InputScale(shift, deviation + LAYER_NORM_EPSILON, deviation, shift)
        if self.kind == "constant_norm":
            # A token of all zeros has no direction to scale; it stays zero instead of becoming NaN.
            norm = x.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
            unit = norm / x.shape[-1] ** 0.5
            return InputScale(shift, unit, unit, shift)
        return InputScale(shift, added=shift)

    def describe(self) -> str:
        """One phrase for people."""
        centred = "input centred over d_in" if self.centre else "input"
        return {
            "none": centred if self.centre else "input in the model's scale",
            "layer_norm": "input layer-normalised per token, so activations are in units of the "
            "token's standard deviation",
            "constant_norm": f"{centred} scaled per token to norm √d_in, so activations are "
            "relative to the token's norm",
        }[self.kind]
