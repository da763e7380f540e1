"""The activation functions of dictionaries: what turns the encoder's linear output into features.

Takes `linear = x_in @ W_enc + b_enc` and gives `(hidden_pre, feature_acts)`, both in the same
units: `hidden_pre` is the value just before the last non-linearity, `feature_acts` the value after
it, so that `feature_acts` equals `hidden_pre` wherever the feature fires and 0 elsewhere. NaN
stays NaN. Knows nothing of inputs, decoders or files.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Activation(ABC):
    """One activation function; its tensor fields hold one value per feature, in feature order."""

    #: The architecture's name as the atlas shows it.
    name: ClassVar[str]
    #: Whether a feature's activation depends on other features (then the whole row is needed).
    selects_across_features: ClassVar[bool] = False
    #: Whether a feature that fires has `linear` itself as its activation.
    passes_linear: ClassVar[bool] = False

    @abstractmethod
    def __call__(
        self, linear: Float[Tensor, "*batch n_features"]
    ) -> tuple[Float[Tensor, "*batch n_features"], Float[Tensor, "*batch n_features"]]:
        """`(hidden_pre, feature_acts)` of the encoder's linear output."""

    @abstractmethod
    def firing_threshold(self, d_sae: int) -> Float[Tensor, " d_sae"] | None:
        """The `hidden_pre` to exceed before a feature fires; None if others have a say."""

    def linear_threshold(self, d_sae: int) -> Float[Tensor, " d_sae"] | None:
        """The same for `linear`."""
        return self.firing_threshold(d_sae)

    def tensors(self) -> dict[str, Float[Tensor, " d_sae"]]:
        """The parameters by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def settings(self) -> dict[str, int | float]:
        """What else fixes the function, by name (the k of top-k)."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if not isinstance(value, Tensor)}

    def take(self, feature_index: Int[Tensor, " n"]) -> "Activation":
        """The same function for these features only, in this order (repeats allowed)."""
        return self._map(lambda tensor: tensor[feature_index])

    def to(self, device: torch.device | str | None, dtype: torch.dtype | None) -> "Activation":
        return self._map(lambda tensor: tensor.to(device=device, dtype=dtype))

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Activation":
        return replace(self, **{name: change(tensor) for name, tensor in self.tensors().items()})


@dataclass(frozen=True, eq=False)
class ReLU(Activation):
    """`feature_acts = max(0, hidden_pre)`."""

    name: ClassVar[str] = "relu"
    passes_linear: ClassVar[bool] = True

    def __call__(
        self, linear: Float[Tensor, "*batch n_features"]
    ) -> tuple[Float[Tensor, "*batch n_features"], Float[Tensor, "*batch n_features"]]:
        return linear, linear.relu()

    def firing_threshold(self, d_sae: int) -> Float[Tensor, " d_sae"]:
        return torch.zeros(d_sae)


@dataclass(frozen=True, eq=False)
class JumpReLU(Activation):
    """`feature_acts = hidden_pre` where it exceeds both the feature's threshold and 0, else 0.

    Rajamanoharan et al. 2024, "Jumping Ahead" (section 3). A batch-top-k dictionary is read as one
    of these at inference, with the same learned threshold for every feature (Bussmann et al. 2024,
    "BatchTopK Sparse Autoencoders", section 3).
    """

    threshold: Float[Tensor, " d_sae"]
    name: ClassVar[str] = "jumprelu"
    passes_linear: ClassVar[bool] = True

    def __call__(
        self, linear: Float[Tensor, "*batch n_features"]
    ) -> tuple[Float[Tensor, "*batch n_features"], Float[Tensor, "*batch n_features"]]:
        # "not above" rather than "above": a NaN is above nothing and must not turn into a silent 0.
        return linear, linear.masked_fill(linear <= self.threshold.clamp(min=0), 0.0)

    def firing_threshold(self, d_sae: int) -> Float[Tensor, " d_sae"]:
        return self.threshold.clamp(min=0)


@dataclass(frozen=True, eq=False)
class Gated(Activation):
    """A gate says whether a feature fires, a magnitude path of the same direction how much.

    `gate = linear + b_gate`, `hidden_pre = linear · exp(r_mag) + b_mag`, and `feature_acts` is
    max(0, hidden_pre) where gate > 0, else 0 (Rajamanoharan et al. 2024, "Improving Dictionary
    Learning with Gated Sparse Autoencoders", section 3.2). `hidden_pre` is the magnitude path's: it
    alone has the units of the activation. It can be positive at a token where the gate is shut.
    """

    b_gate: Float[Tensor, " d_sae"]
    b_mag: Float[Tensor, " d_sae"]
    r_mag: Float[Tensor, " d_sae"]
    name: ClassVar[str] = "gated"

    def __call__(
        self, linear: Float[Tensor, "*batch n_features"]
    ) -> tuple[Float[Tensor, "*batch n_features"], Float[Tensor, "*batch n_features"]]:
        hidden_pre = linear * self.r_mag.exp() + self.b_mag
        return hidden_pre, hidden_pre.relu().masked_fill(linear + self.b_gate <= 0, 0.0)

    def firing_threshold(self, d_sae: int) -> Float[Tensor, " d_sae"]:
        """The magnitude at which the gate opens (gate = 0 solved for `hidden_pre`), at least 0."""
        return (self.b_mag - self.r_mag.exp() * self.b_gate).clamp(min=0)

    def linear_threshold(self, d_sae: int) -> Float[Tensor, " d_sae"]:
        return torch.maximum(-self.b_gate, -self.b_mag * (-self.r_mag).exp())


@dataclass(frozen=True, eq=False)
class TopK(Activation):
    """Of a token's features the k with the largest `hidden_pre`, of those the positive ones.

    Gao et al. 2024, "Scaling and evaluating sparse autoencoders" (section 2.3). Ties at the border
    go to the lower feature index. Dictionaries that choose on `pre-activation · ‖W_dec‖` have that
    factor folded into the encoder when they are read, so that no second scale exists here.
    """

    k: int
    name: ClassVar[str] = "topk"
    selects_across_features: ClassVar[bool] = True

    def __call__(
        self, linear: Float[Tensor, "*batch n_features"]
    ) -> tuple[Float[Tensor, "*batch n_features"], Float[Tensor, "*batch n_features"]]:
        return linear, keep_top_k(linear, self.k)

    def firing_threshold(self, d_sae: int) -> None:
        return None


@dataclass(frozen=True, eq=False)
class GroupMax(Activation):
    """The strongest feature of each of k groups of neighbours, where it is positive.

    Group g holds the features g · d_sae/k to (g + 1) · d_sae/k - 1 (EleutherAI's sparsify, which
    calls it groupmax). Ties go to the lower feature index. k divides d_sae: readers see to it.
    """

    k: int
    name: ClassVar[str] = "groupmax"
    selects_across_features: ClassVar[bool] = True

    def __call__(
        self, linear: Float[Tensor, "*batch n_features"]
    ) -> tuple[Float[Tensor, "*batch n_features"], Float[Tensor, "*batch n_features"]]:
        return linear, keep_group_max(linear, self.k)

    def firing_threshold(self, d_sae: int) -> None:
        return None


def keep_group_max(
    hidden_pre: Float[Tensor, "*batch n_features"], k: int
) -> Float[Tensor, "*batch n_features"]:
    """Zero all but the largest value of each of k equal groups, then what is negative.

    Ties go to the lower index, and a group that holds a NaN keeps its first one.
    """
    groups = hidden_pre.unflatten(-1, (k, -1))
    strongest = groups.argmax(dim=-1, keepdim=True)
    kept = groups.gather(-1, strongest).relu()
    return torch.zeros_like(groups).scatter_(-1, strongest, kept).flatten(-2)


def keep_top_k(
    hidden_pre: Float[Tensor, "*batch n_features"], k: int
) -> Float[Tensor, "*batch n_features"]:
    """Zero all but each row's k largest values, then what is negative; ties to the lower index."""
    n_features = hidden_pre.shape[-1]
    rows = hidden_pre.reshape(-1, n_features)
    values, indices = rows.topk(min(k + 1, n_features), dim=-1)
    kept, chosen = values[:, :k], indices[:, :k]
    if k < n_features:
        # torch.topk promises nothing about ties; only rows where the border value is tied (and
        # positive: the others end at 0 either way) pay for a stable sort.
        tied = (values[:, k - 1] == values[:, k]) & (values[:, k] > 0)
        if tied.any():
            chosen[tied] = rows[tied].sort(dim=-1, descending=True, stable=True).indices[:, :k]
    return torch.zeros_like(rows).scatter_(-1, chosen, kept.relu()).reshape(hidden_pre.shape)
