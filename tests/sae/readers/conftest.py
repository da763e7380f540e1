"""What the tests of formats share: numbers as float32 keeps them, and the comparison at the end.

The references stay in the tests, one for each format, written from its definition.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from app.sae.dictionary import Dictionary

Array = NDArray[np.float64]

STATE = {
    "encoder.weight": torch.ones(4, 3),
    "encoder.bias": torch.zeros(4),
    "decoder.weight": torch.ones(3, 4),
    "bias": torch.zeros(3),
}
"""What a plain dictionary_learning file holds."""


def draw(seed: int, *shape: int, scale: float = 1.0) -> Array:
    """Normal numbers that float32 keeps, so that file and reference agree on every threshold."""
    values = np.random.default_rng(seed).normal(size=shape) * scale
    return values.astype(np.float32).astype(np.float64)


@pytest.fixture(scope="session")
def numbers() -> Callable[..., Array]:
    return draw


@pytest.fixture(scope="session")
def tokens() -> Callable[[int], Array]:
    """Forty activations of a width, away from zero."""
    return lambda d_in: draw(42, 40, d_in, scale=2.0) + 0.5


@pytest.fixture(scope="session")
def agrees() -> Callable[[Dictionary, Array, Array, Array], None]:
    """Fails unless a dictionary encodes and decodes `x` to these activations and outputs."""

    def check(dictionary: Dictionary, x: Array, acts: Array, out: Array) -> None:
        assert 0 < (acts > 0).mean() < 1
        assert dictionary.b_enc.any() or dictionary.config.architecture == "TopKLearnedDict"
        given = torch.from_numpy(x).float()
        found = dictionary.encode(given)
        np.testing.assert_allclose(found.numpy(), acts, atol=5e-5, rtol=1e-4)
        np.testing.assert_allclose(dictionary.decode(found, given).numpy(), out, atol=5e-4)
        row, feature = found.nonzero(as_tuple=True)
        by_events = dictionary.decode_events(row, feature, found[row, feature], given)
        np.testing.assert_allclose(by_events.numpy(), out, atol=5e-4)

    return check
