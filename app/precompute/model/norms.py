"""What a normalisation layer does to a direction: its gain, and whether it centres.

Takes a layer of any model and finds out by running it, so that it makes no difference whether an
architecture stores w or w − 1, or has a weight at all. Knows nothing of where the layer stands.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

FIT = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 3e-2}
"""How well `gain · normalised + bias` must describe the layer, ‖difference‖ / ‖output‖."""


@dataclass(frozen=True, eq=False)
class Norm:
    """A LayerNorm or RMSNorm, `gain · (x − centre) / scale + bias`."""

    gain: Float[Tensor, " d_model"]
    """The factor on each component, in float32: 1 + w where w is what is stored."""
    centres: bool
    """True for LayerNorm, which subtracts the mean over d_model; False for RMSNorm."""
    bias: Float[Tensor, " d_model"]
    """What it adds, in float32: its answer to nothing."""

    def centred(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """What is divided, in float32."""
        x = x.float()
        return x - x.mean(dim=-1, keepdim=True) if self.centres else x

    @torch.no_grad()
    def over(
        self, x: Float[Tensor, "*batch d_model"], output: Float[Tensor, "*batch d_model"]
    ) -> Float[Tensor, "*batch 1"]:
        """1 / what the layer divided x by, epsilon included: read off what it gave."""
        direction = self.gain * self.centred(x)
        squared = direction.square().sum(dim=-1, keepdim=True)
        given = output.float() - self.bias
        return (direction * given).sum(dim=-1, keepdim=True) / squared.clamp_min(1e-30)

    def scale(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch"]:
        """What the layer divides x by (its epsilon, far below any activation's size, left out)."""
        x = x.float()
        if self.centres:
            x = x - x.mean(dim=-1, keepdim=True)
        return x.square().mean(dim=-1).sqrt()


def read_norm(layer: nn.Module, d_model: int) -> Norm | None:
    """The layer's gain and centring; None if it is neither a LayerNorm nor an RMSNorm.

    f(x) − f(−x) is twice gain · normalised(x), whatever the bias. It is compared with both
    normalisations; of the stored weight w and 1 + w the one that fits is taken as it is stored.
    """
    parameter = next(layer.parameters(), torch.zeros(()))
    generator = torch.Generator().manual_seed(0)
    # Large, so that no epsilon matters; off centre, so that centring does.
    x = 100 * (torch.randn(64, d_model, generator=generator) + 2)
    x = x.to(parameter.device, parameter.dtype)
    with torch.no_grad():
        odd = (layer(x).float() - layer(-x).float()) / 2
    x = x.float()
    for centres in (False, True):
        centred = x - x.mean(dim=-1, keepdim=True) if centres else x
        normalised = centred / centred.square().mean(dim=-1, keepdim=True).sqrt()
        gain = (odd * normalised).sum(dim=0) / normalised.square().sum(dim=0)
        misfit = (odd - gain * normalised).norm() / odd.norm()
        if misfit <= FIT[parameter.dtype]:
            with torch.no_grad():
                bias = layer(torch.zeros_like(x[:1], dtype=parameter.dtype))[0].float()
            return Norm(_as_stored(layer, gain), centres, bias)
    return None


def _as_stored(layer: nn.Module, gain: Float[Tensor, " d_model"]) -> Float[Tensor, " d_model"]:
    """The measured gain, or the stored numbers it is a measurement of."""
    for parameter in layer.parameters():
        for candidate in (parameter.detach().float(), 1 + parameter.detach().float()):
            if candidate.shape == gain.shape and torch.allclose(
                candidate, gain, rtol=1e-2, atol=1e-2
            ):
                return candidate
    return gain
