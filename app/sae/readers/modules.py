"""Which TransformerLens hooks stand for the input and the output of a Hugging Face module.

Takes a module's name as `named_modules()` has it, whole or without what is in front of the blocks
(`gpt_neox.layers.5.mlp`, `layers.5.mlp`, `h.5`), or a path whose folders are called so. Knows no
file format; whether a model has the hook, the job finds out.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_BLOCK = re.compile(r"(?:^|[._-])(?:layers|h|blocks)[._](\d+)(?:\.([a-z_0-9.]+))?$")
_EMBEDDINGS = ("embed_tokens", "embed_in", "wte", "word_embeddings")
#: By a module's name within its block, in the models of each name: (its input, its output).
_PLACES = {
    "": ("hook_resid_pre", "hook_resid_post"),
    **dict.fromkeys(
        ("attn", "attention", "self_attn", "self_attention"), ("attn.hook_in", "hook_attn_out")
    ),
    **dict.fromkeys(
        ("attn.c_proj", "attention.dense", "self_attn.o_proj", "self_attention.dense"),
        ("attn.hook_z", "hook_attn_out"),
    ),
    **dict.fromkeys(("mlp", "feed_forward"), ("mlp.hook_in", "hook_mlp_out")),
    **dict.fromkeys(
        ("mlp.c_proj", "mlp.dense_4h_to_h", "mlp.down_proj"), ("mlp.hook_post", "hook_mlp_out")
    ),
    **dict.fromkeys(("mlp.c_fc", "mlp.dense_h_to_4h"), ("mlp.hook_in", "mlp.hook_pre")),
    # Of a gated MLP the activation's output is not yet what the second matrix reads.
    "mlp.act": ("mlp.hook_pre", "mlp.hook_post"),
    "pre_feedforward_layernorm": ("hook_resid_mid", "mlp.hook_in"),
    "post_feedforward_layernorm": ("mlp.hook_out", "hook_mlp_out"),
}
#: In models with a norm behind attention and MLP, hook_attn_out and hook_mlp_out lie after it.
_BEHIND_A_NORM = {"hook_attn_out": "attn.hook_out", "hook_mlp_out": "mlp.hook_out"}
_NORMS_BEHIND = re.compile(r"gemma-?_?[23]", re.IGNORECASE)


@dataclass(frozen=True)
class ModuleHooks:
    """The activations on both sides of a module."""

    module: str
    """the name it was recognised by"""
    read: str | None
    """the hook at its input; None for the embedding, which reads tokens"""
    written: str
    """the hook at its output"""


def hooks_of_module(name: str, model_name: str | None = None) -> ModuleHooks | None:
    """The hooks of a module; None for a name that is none, or whose place has no hook.

    `model_name` matters where models differ in what follows a module.
    """
    if name.rsplit(".", 1)[-1] in _EMBEDDINGS:
        return ModuleHooks(name, None, "hook_embed")
    found = _BLOCK.search(name)
    inner = "" if found is None else found[2] or ""
    if found is None or inner not in _PLACES:
        return None
    read, written = _PLACES[inner]
    if not inner.endswith("layernorm") and _NORMS_BEHIND.search(model_name or ""):
        written = _BEHIND_A_NORM.get(written, written)
    return ModuleHooks(name, f"blocks.{found[1]}.{read}", f"blocks.{found[1]}.{written}")


def first_module(names: Iterable[str], model_name: str | None = None) -> ModuleHooks | None:
    """The hooks of the first of these names that is a module's."""
    return next((hooks for name in names if (hooks := hooks_of_module(name, model_name))), None)
