"""Small dictionaries in the internal form, of every architecture, with unequal widths."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from app.sae.architectures import Activation, Gated, GroupMax, JumpReLU, ReLU, TopK
from app.sae.dictionary import Dictionary, DictionaryConfig
from app.sae.normalisation import Normalisation

DictionaryMaker = Callable[..., Dictionary]


def build(
    kind: str = "relu",
    d_in: int = 5,
    d_sae: int = 8,
    normalisation: Normalisation | None = None,
    seed: int = 0,
    **config: object,
) -> Dictionary:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    activations: dict[str, Activation] = {
        "relu": ReLU(),
        "jumprelu": JumpReLU(draw(d_sae).abs()),
        "gated": Gated(draw(d_sae), draw(d_sae), draw(d_sae) * 0.3),
        "topk": TopK(3),
        "groupmax": GroupMax(d_sae // 2),
    }
    values: dict[str, object] = {
        "format": "test",
        "architecture": kind,
        "hook_name": "blocks.1.hook_resid_post",
        "d_in": d_in,
        "d_sae": d_sae,
        "prepend_bos": None,
        "context_size": None,
        "model_name": None,
        "convention": "",
        "path": Path("some-dictionary"),
    }
    return Dictionary(
        W_enc=draw(d_in, d_sae),
        b_enc=draw(d_sae),
        W_dec=draw(d_sae, d_in),
        b_dec=draw(d_in),
        b_pre=draw(d_in),
        activation=activations[kind],
        normalisation=normalisation or Normalisation(),
        config=DictionaryConfig(**(values | config)),  # type: ignore[arg-type]
    )


@pytest.fixture
def make_dictionary() -> DictionaryMaker:
    return build
