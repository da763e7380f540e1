"""What tests of imports share: the command line in-process, and sources made by hand."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from app.exchange.foreign import (
    ForeignDictionary,
    ForeignExample,
    ForeignFeature,
    ForeignSource,
)

MakeSource = Callable[..., ForeignSource]


def example(
    tokens: Sequence[str],
    activations: Sequence[float],
    position: int,
    group: str = "top",
    **more: object,
) -> ForeignExample:
    values = np.array(activations, np.float32)
    return ForeignExample(group, tokens, values, position, **more)  # type: ignore[arg-type]


@pytest.fixture
def source() -> MakeSource:
    """A source of some features, which can be read again and again."""

    def make(*features: ForeignFeature, **more: object) -> ForeignSource:
        named = {"model": "Some/GPT-2", "sae": "8-Res_JB"} | more
        return ForeignSource(ForeignDictionary(**named), lambda: iter(features))  # type: ignore[arg-type]

    return make


@pytest.fixture
def atlas(tmp_path: Path) -> Path:
    return tmp_path / "atlas.db"
