"""Checks the tensors of a file by name, number and shape, and brings them to float32.

Takes the raw contents of a weights file; gives float32 tensors of known shapes that hold no NaN
and no infinity, or an AtlasError in one sentence. Knows no format: readers say which names and
shapes they expect.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.errors import AtlasError


class Weights:
    """The named contents of one weights file."""

    def __init__(self, path: Path, contents: Mapping[str, Any]) -> None:
        self.path = path
        self._contents = contents

    def __contains__(self, name: str) -> bool:
        return name in self._contents

    def names(self) -> list[str]:
        return sorted(self._contents)

    def require(self, names: Iterable[str], meaning: str) -> None:
        """AtlasError unless all these names are there; `meaning` says for what they are needed."""
        missing = sorted(set(names) - set(self._contents))
        if missing:
            raise AtlasError(
                f"{self.path} lacks {', '.join(missing)}, expected for {meaning}; it holds "
                f"{', '.join(self.names()) or 'nothing'}."
            )

    def tensor(self, name: str, *shape: int | None) -> Tensor:
        """A tensor in float32 of this shape; None leaves a dimension open."""
        value = self._contents[name]
        if not isinstance(value, Tensor) or not value.is_floating_point():
            kind = str(value.dtype) if isinstance(value, Tensor) else type(value).__name__
            raise AtlasError(f"{name} in {self.path} is {kind}, expected a floating-point tensor.")
        found = tuple(value.shape)
        if len(found) != len(shape) or any(
            want not in (None, have) for have, want in zip(found, shape, strict=True)
        ):
            expected = ", ".join("any" if want is None else str(want) for want in shape)
            raise AtlasError(
                f"{name} in {self.path} has shape {list(found)}, expected [{expected}]: the "
                "weights don't fit each other or the config, or are transposed."
            )
        if value.numel() == 0:
            raise AtlasError(f"{name} in {self.path} is empty, with shape {list(found)}.")
        upcast = value.detach().to(torch.float32).contiguous()
        if not torch.isfinite(upcast).all():
            count = int((~torch.isfinite(upcast)).sum())
            raise AtlasError(
                f"{name} in {self.path} holds {count} values that are NaN or infinite; the file is "
                "damaged or training diverged, choose another checkpoint."
            )
        return upcast

    def number(self, name: str) -> float:
        """A single number, stored as a tensor of one element or as it is."""
        value = self._contents[name]
        if isinstance(value, Tensor) and value.numel() == 1:
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise AtlasError(f"{name} in {self.path} is not a single number, as its format has it.")
        return float(value)

    def integers(self, name: str) -> list[int]:
        """A list of whole numbers, stored as a tensor of one dimension or as it is."""
        value = self._contents[name]
        value = value.tolist() if isinstance(value, Tensor) else value
        if not isinstance(value, list) or not all(isinstance(entry, int) for entry in value):
            raise AtlasError(f"{name} in {self.path} is no list of whole numbers.")
        return value


def require_k(k: float | None, d_sae: int, path: Path) -> int:
    """The k of per-token top-k as an integer from 1 to d_sae."""
    if k is None or not 1 <= k <= d_sae or k != int(k):
        stated = None if k is None else f"{k:g}"
        raise AtlasError(
            f"{path} has k = {stated}, expected a whole number from 1 "
            f"to d_sae = {d_sae} for a top-k dictionary."
        )
    return int(k)
