"""Tensors that a user gives beside the functions: matrices and thresholds.

Takes what an argument holds; gives float32 on the device, once shape and numbers were looked at.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from app.errors import AtlasError
from app.precompute.brought.asking import unusual


def matrix_of(
    name: str, given: Any, shape: Sequence[int], dimensions: str, device: torch.device
) -> Tensor:
    """The matrix an argument holds; `dimensions` is how its shape is written.

    Raises:
        AtlasError: it holds no finite real numbers, or has another shape.
    """
    found = _tensor_of(name, given, device)
    if list(found.shape) != list(shape):
        raise AtlasError(
            f"{name} has shape {list(found.shape)}, expected {dimensions} = {list(shape)}."
        )
    return found


def thresholds_of(given: Any, d_sae: int, device: torch.device) -> Tensor:
    """One threshold for each feature, of as many or of one for all.

    Raises:
        AtlasError: it holds no finite real numbers, or not as many.
    """
    found = _tensor_of("threshold", given, device).reshape(-1)
    if len(found) not in (1, d_sae):
        raise AtlasError(f"threshold has {len(found):,} numbers, expected 1 or {d_sae:,}.")
    return found.expand(d_sae).clone()


def _tensor_of(name: str, given: Any, device: torch.device) -> Tensor:
    try:
        found = torch.as_tensor(given).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise AtlasError(f"{name} is {type(given).__name__}, expected numbers.") from error
    kind = unusual(found)
    if kind:
        raise AtlasError(f"{name} is a {kind}, expected a dense one, real.")
    found = found.to(device, torch.float32)
    if not bool(torch.isfinite(found).all()):
        raise AtlasError(f"{name} holds NaN or infinity.")
    return found
