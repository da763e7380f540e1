"""Checks the tensors of a file by name, number and shape, and brings them to float32.

Takes the raw contents of a weights file; gives float32 tensors of known shapes that hold no NaN
and no infinity, or an AtlasError in one sentence. Keeps book of what was taken, so that what is
left over can be told, and refused where it would have changed the dictionary. Knows no format:
readers say which names and shapes they expect.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.errors import AtlasError
from app.sae.recognition import StoredTensor

#: Names that are parameters in one format or another: left over, they would change what is
#: computed. Statistics of training (how often a feature fired) have none of these names.
PARAMETER = re.compile(
    r"(^|[._])[Ww]_|^b_|bias|threshold|skip|gate|r_mag|encoder|decoder|attn|scaling_factor"
)


class Weights:
    """The named contents of one weights file."""

    def __init__(self, path: Path, contents: Mapping[str, Any]) -> None:
        self.path = path
        self._contents = contents
        self._read: set[str] = set()
        self._ignored: set[str] = set()

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
        value = self._take(name)
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
        self._refuse_nothing_behind(name, value)
        upcast = value.detach().to(torch.float32).contiguous()
        if not torch.isfinite(upcast).all():
            count = int((~torch.isfinite(upcast)).sum())
            values = "1 value that is" if count == 1 else f"{count} values that are"
            raise AtlasError(
                f"{name} in {self.path} holds {values} NaN or infinite; the file is damaged or "
                "training diverged, choose another checkpoint."
            )
        return upcast

    def _refuse_nothing_behind(self, name: str, value: Tensor) -> None:
        """Refuses a tensor whose numbers do not all stand in the file."""
        if value.layout != torch.strided or value.is_meta:
            kind = "without numbers" if value.is_meta else "sparse"
            raise AtlasError(f"{name} in {self.path} is {kind}, expected a dense tensor.")
        if value.untyped_storage().nbytes() < value.numel() * value.element_size():
            raise AtlasError(
                f"{name} in {self.path} is a view that repeats fewer numbers than its shape "
                f"{list(value.shape)} has; save a copy of it (.contiguous())."
            )

    def number(self, name: str) -> float:
        """A single number, stored as a tensor of one element or as it is."""
        value = self._take(name)
        if isinstance(value, Tensor) and value.numel() == 1:
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise AtlasError(f"{name} in {self.path} is not a single number, as its format has it.")
        return float(value)

    def integers(self, name: str) -> list[int]:
        """A list of whole numbers, stored as a tensor of one dimension or as it is."""
        value = self._take(name)
        value = value.tolist() if isinstance(value, Tensor) else value
        if not isinstance(value, list) or not all(isinstance(entry, int) for entry in value):
            raise AtlasError(f"{name} in {self.path} is no list of whole numbers.")
        return value

    def text(self, name: str) -> str:
        """A text."""
        value = self._take(name)
        if not isinstance(value, str):
            raise AtlasError(f"{name} in {self.path} is no text, as its format has it.")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """Settings by name; empty where there are none."""
        value = self._take(name) if name in self else {}
        if not isinstance(value, dict):
            raise AtlasError(f"{name} in {self.path} holds no settings, as its format has it.")
        return {str(key): entry for key, entry in value.items()}

    def is_false(self, name: str) -> bool:
        """Whether a flag is there and off."""
        return name in self and self._take(name) is False

    def ignore(self, *names: str) -> None:
        """These may be there and mean nothing for the dictionary, whatever they are called."""
        self._ignored |= set(names)

    def refuse_surplus(self, meaning: str) -> None:
        """AtlasError if a parameter is left over that `meaning` ("architecture relu") lacks."""
        left = sorted(set(self._contents) - self._read - self._ignored)
        parameters = [name for name in left if PARAMETER.search(name)]
        if parameters:
            raise AtlasError(
                f"{self.path} also holds {', '.join(parameters)}, which {meaning} doesn't have and "
                "which would change what it computes: its config, or --sae-format, names the wrong "
                "kind of dictionary."
            )

    def inventory(self) -> tuple[StoredTensor, ...]:
        """Everything the file holds, by name."""
        return tuple(
            StoredTensor(name, *_form(self._contents[name]), self.path.name, name in self._read)
            for name in self.names()
        )

    def shape(self, name: str) -> str:
        """A name with its shape, for a sentence: "threshold [16384]"."""
        return f"{name} {list(_form(self._contents[name])[0])}"

    def _take(self, name: str) -> Any:
        self._read.add(name)
        return self._contents[name]


def _form(value: Any) -> tuple[tuple[int, ...], str]:
    if isinstance(value, Tensor):
        return tuple(value.shape), str(value.dtype).removeprefix("torch.")
    return (), type(value).__name__


def require_k(k: float | None, d_sae: int, path: Path) -> int:
    """The k of per-token top-k as an integer from 1 to d_sae."""
    if k is None or not 1 <= k <= d_sae or k != int(k):
        stated = None if k is None else f"{k:g}"
        raise AtlasError(
            f"{path} has k = {stated}, expected a whole number from 1 "
            f"to d_sae = {d_sae} for a top-k dictionary."
        )
    return int(k)
