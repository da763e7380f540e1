"""Modules and their hooks: every place that is named is one that dictionaries can sit at."""

import pytest

from app.precompute.model.heights import PLACES, height
from app.sae.readers.modules import hooks_of_module

INNER = (
    "", "attn", "attention", "self_attn", "self_attention", "attn.c_proj", "attention.dense",
    "self_attn.o_proj", "self_attention.dense", "mlp", "feed_forward", "mlp.c_proj",
    "mlp.dense_4h_to_h", "mlp.down_proj", "mlp.c_fc", "mlp.dense_h_to_4h", "mlp.act",
    "pre_feedforward_layernorm", "post_feedforward_layernorm",
)  # fmt: skip


@pytest.mark.parametrize("model_name", ["pythia-70m", "gemma-2-2b"])
@pytest.mark.parametrize("inner", INNER)
def test_both_hooks_are_known_and_the_input_lies_below(inner: str, model_name: str) -> None:
    found = hooks_of_module(f"model.layers.7.{inner}".rstrip("."), model_name)
    assert found is not None and found.read is not None
    assert {name.removeprefix("blocks.7.") for name in (found.read, found.written)} <= set(PLACES)
    assert height(found.read) < height(found.written)


@pytest.mark.parametrize("name", ["layers.7.self_attn.q_proj", "lm_head", "layers.7.mlp.other"])
def test_other_modules_have_no_hook(name: str) -> None:
    assert hooks_of_module(name) is None


def test_the_embedding_reads_tokens() -> None:
    found = hooks_of_module("model.embed_tokens")
    assert found is not None and (found.read, found.written) == (None, "hook_embed")
