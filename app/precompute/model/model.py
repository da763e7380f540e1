"""What a job needs of whatever gives activations: a language model read from files, a user's own
function, or nothing at all.

Stages that measure texts take a `Model`; those that look inside one (norms, blocks, gradients) take
a `LanguageModel`. Knows no implementation.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.precompute.model.forward import Visitor
from app.precompute.model.narrow import Places


@runtime_checkable
class Model(Protocol):
    """Gives activations at named hooks, and logits where it has any."""

    @property
    def name(self) -> str:
        """As the user wrote it."""
        ...

    @property
    def n_ctx(self) -> int:
        """most tokens one context may have"""
        ...

    @property
    def d_vocab(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype:
        """of its activations"""
        ...

    @property
    def tolerance(self) -> float:
        """How far two ways of computing one activation may differ."""
        ...

    @property
    def runs(self) -> bool:
        """Whether there is anything to run; False where only its name is known."""
        ...

    @property
    def takes_masks(self) -> bool:
        """Whether it may be given attention masks and positions."""
        ...

    @property
    def fill(self) -> int:
        """The id that fills rows to the right of shorter texts; what is read does not see it."""
        ...

    @property
    def one_at_a_time(self) -> bool:
        """Whether several threads must not run it side by side, on twins."""
        ...

    def way(self, hook_names: Iterable[str]) -> str:
        """What a pass that reads these hooks runs through, in words."""
        ...

    def ways(self, hook_names: Iterable[str]) -> list[str]:
        """How such a pass is run and what was seen of it, in sentences."""
        ...

    def twin(self) -> "Model":
        """The same for another thread."""
        ...

    def hook_width(self, hook_name: str) -> int: ...

    def activations(
        self,
        tokens: Int[Tensor, "batch pos"],
        hook_names: Iterable[str],
        attention_mask: Tensor | None = None,
        position_ids: Int[Tensor, "batch pos"] | None = None,
    ) -> dict[str, Float[Tensor, "batch pos _d_in"]]: ...

    def activations_at(
        self,
        places: Places,
        tokens: Int[Tensor, "batch pos"],
        hook_names: Iterable[str],
        attention_mask: Tensor | None = None,
        position_ids: Int[Tensor, "batch pos"] | None = None,
    ) -> dict[str, Float[Tensor, "n_places _d_in"]]: ...

    def logits(
        self,
        tokens: Int[Tensor, "batch pos"],
        changes: Mapping[str, Visitor] | None = None,
    ) -> Float[Tensor, "batch pos d_vocab"]: ...
