"""The scale of the final norm is the spread of the last residual stream, as its norm has it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from app.precompute.model.language_model import LanguageModel
from app.precompute.weights.norm_scale import mean_final_norm_scale

LAST = "blocks.1.hook_resid_post"


@pytest.mark.parametrize("architecture", ["neox", "llama"])
def test_mean_final_norm_scale(
    tiny_model: Callable[[str], LanguageModel], architecture: str
) -> None:
    model = tiny_model(architecture)
    tokens = np.random.default_rng(0).integers(1, 290, (5, 12))
    counted = np.random.default_rng(1).random((5, 12)) < 0.5
    x = model.activations(torch.from_numpy(tokens), [LAST])[LAST].double().numpy()
    scale = x.std(axis=-1) if architecture == "neox" else np.sqrt((x**2).mean(axis=-1))
    found = mean_final_norm_scale(model, tokens, counted, rows=2)
    assert found == pytest.approx(scale[counted].mean(), rel=1e-4)
