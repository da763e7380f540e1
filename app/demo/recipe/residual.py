"""Reading and editing the residual stream of the demo's model after one of its blocks.

What leaves block `layer` (the hook `blocks.<layer>.hook_resid_post`) goes through a function of the
caller, whose result goes on through the model. It knows no dictionary and judges nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Float16, Int64
from torch import Tensor, nn
from transformers import GPTNeoXForCausalLM

Edit = Callable[[Float[Tensor, "batch n_ctx d_in"]], Float[Tensor, "batch n_ctx d_in"]]


@contextmanager
def edited_residual(model: GPTNeoXForCausalLM, layer: int, edit: Edit) -> Iterator[None]:
    """Within the block, the residual stream after block `layer` is what `edit` makes of it."""

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (edit(output[0]), *output[1:])
        return edit(output)

    handle = model.gpt_neox.layers[layer].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def collect_activations(
    model: GPTNeoXForCausalLM,
    contexts: Int64[Tensor, "n_contexts n_ctx"],
    layer: int,
    batch_contexts: int = 64,
) -> Float16[Tensor, "n_tokens d_in"]:
    """The residual stream after block `layer` at every position but the first.

    Kept in float16: 384 bytes a token at d_in = 192. The separator at position 0 is an attention
    sink of outlier norm that no feature should be spent on.
    """
    kept: list[Tensor] = []

    def keep(residual: Float[Tensor, "batch n_ctx d_in"]) -> Float[Tensor, "batch n_ctx d_in"]:
        kept.append(residual[:, 1:].flatten(0, 1).to(torch.float16))
        return residual

    with edited_residual(model, layer, keep):
        for batch in contexts.split(batch_contexts):
            model.gpt_neox(input_ids=batch, use_cache=False)
    return torch.cat(kept)
