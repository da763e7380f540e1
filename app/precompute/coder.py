"""What a job needs of whatever encodes: a dictionary read from files, a user's own functions, or
only the knowledge that there was one.

Stages that count and measure take a `Coder`; those that look at its matrices take a `Dictionary`.
Knows no implementation.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.sae.dictionary import DictionaryConfig


@runtime_checkable
class Coder(Protocol):
    """Encodes rows of activations into features and back."""

    @property
    def config(self) -> DictionaryConfig: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def d_out(self) -> int:
        """Width of what it writes; 0 where that isn't known."""
        ...

    @property
    def directions(self) -> Float[Tensor, "d_sae d_out"] | None:
        """What each feature adds for one unit of activation; None where that isn't known."""
        ...

    @property
    def gives_hidden_pre(self) -> bool:
        """Whether the values before ReLU, threshold or top-k are known; NaN where not."""
        ...

    @property
    def selects_across_features(self) -> bool:
        """Whether it is known that features compete (per-token top-k)."""
        ...

    def forward_encoder(
        self, x: Float[Tensor, "*batch d_in"]
    ) -> tuple[Float[Tensor, "*batch d_sae"], Float[Tensor, "*batch d_sae"]]: ...

    def encode(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_sae"]: ...

    def encode_pairs(
        self, x: Float[Tensor, "n d_in"], feature_index: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]: ...

    def decode(
        self,
        feature_acts: Float[Tensor, "*batch d_sae"],
        x: Float[Tensor, "*batch d_in"] | None = None,
    ) -> Float[Tensor, "*batch d_out"]: ...

    def decode_events(
        self,
        row: Int[Tensor, " n_events"],
        feature_index: Int[Tensor, " n_events"],
        activation: Float[Tensor, " n_events"],
        x: Float[Tensor, "n d_in"],
    ) -> Float[Tensor, "n d_out"]: ...

    def decoder_norm(self) -> Float[Tensor, " d_sae"] | None: ...

    def firing_threshold(self) -> Float[Tensor, " d_sae"] | None: ...

    def weights_hash(self) -> str: ...
