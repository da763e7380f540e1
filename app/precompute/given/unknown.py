"""A model and a dictionary of which only the traces are at hand: names, a width, firings.

Every question that needs the thing itself is a bug of the caller (ValueError).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.precompute.model.forward import Visitor
from app.precompute.model.narrow import Places
from app.sae.dictionary import DictionaryConfig

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class UnknownModel:
    """A `Model` that can't be run."""

    name: str
    d_vocab: int
    n_ctx: int
    dtype: torch.dtype = torch.float32
    tolerance: float = 0.0
    runs: bool = False
    takes_masks: bool = False
    fill: int = 0
    one_at_a_time: bool = True

    @property
    def device(self) -> torch.device:
        """Where nothing is computed."""
        return _CPU

    def way(self, hook_names: Iterable[str]) -> str:
        """It was run by somebody else."""
        return "nothing here: the firings were given"

    def ways(self, hook_names: Iterable[str]) -> list[str]:
        """Nothing to say."""
        return []

    def twin(self) -> "UnknownModel":
        """Itself."""
        return self

    def hook_width(self, hook_name: str) -> int:
        """Nothing is known of any hook."""
        return 0

    def activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        hook_names: Iterable[str],
        attention_mask: Tensor | None = None,
        position_ids: Int[Tensor, "batch pos"] | None = None,
    ) -> dict[str, Float[Tensor, "batch pos _d_in"]]:
        """There are none."""
        self._refuse()

    def activations_at(
        self,
        places: Places,
        tokens: Int[Tensor, "batch pos"],
        hook_names: Iterable[str],
        attention_mask: Tensor | None = None,
        position_ids: Int[Tensor, "batch pos"] | None = None,
    ) -> dict[str, Float[Tensor, "n_places _d_in"]]:
        """There are none."""
        self._refuse()

    def logits(
        self, tokens: Int[Tensor, "batch pos"], changes: Mapping[str, Visitor] | None = None
    ) -> Float[Tensor, "batch pos d_vocab"]:
        """There are none."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError(f"{self.name} is only known by name")


@dataclass(frozen=True, eq=False)
class UnknownCoder:
    """A `Coder` that can't encode."""

    config: DictionaryConfig
    directions: Float[Tensor, "d_sae d_out"] | None = None
    d_out: int = 0
    gives_hidden_pre: bool = False
    selects_across_features: bool = False

    @property
    def device(self) -> torch.device:
        """Where nothing is computed."""
        return _CPU

    def forward_encoder(
        self, x: Float[Tensor, "*batch d_in"]
    ) -> tuple[Float[Tensor, "*batch d_sae"], Float[Tensor, "*batch d_sae"]]:
        """There is nothing to encode with."""
        self._refuse()

    def encode(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_sae"]:
        """There is nothing to encode with."""
        self._refuse()

    def encode_pairs(
        self, x: Float[Tensor, "n d_in"], feature_index: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """There is nothing to encode with."""
        self._refuse()

    def decode(
        self,
        feature_acts: Float[Tensor, "*batch d_sae"],
        x: Float[Tensor, "*batch d_in"] | None = None,
    ) -> Float[Tensor, "*batch d_out"]:
        """There is nothing to decode with."""
        self._refuse()

    def decode_events(
        self,
        row: Int[Tensor, " n_events"],
        feature_index: Int[Tensor, " n_events"],
        activation: Float[Tensor, " n_events"],
        x: Float[Tensor, "n d_in"],
    ) -> Float[Tensor, "n d_out"]:
        """There is nothing to decode with."""
        self._refuse()

    def decoder_norm(self) -> None:
        """Not known."""
        return None

    def firing_threshold(self) -> None:
        """Not known."""
        return None

    def weights_hash(self) -> str:
        """Not known."""
        return ""

    def _refuse(self) -> NoReturn:
        raise ValueError(f"{self.config.path} is only known by its firings")
