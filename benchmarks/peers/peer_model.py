# pyright: reportMissingImports=false, reportCallIssue=false, reportArgumentType=false
"""The given files as SAELens and TransformerLens 2 hold them; runs in the peers' environment.

Builds a hooked model from the Hugging Face folder without asking a hub, reads the dictionary, and
refuses to go on if activations or features differ from those our job computed.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sae_lens import SAE, HookedSAETransformer
from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_neox_weights
from transformers import GPTNeoXForCausalLM, PreTrainedTokenizerFast

TOLERANCE = 1e-4
"""Of the largest activation; float32 computed in another order."""


def load_model(folder: Path) -> Any:
    """The GPT-NeoX of `given/model`, weights as they are: no norm folded, nothing centred."""
    plain = GPTNeoXForCausalLM.from_pretrained(folder, attn_implementation="eager")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, add_bos_token=True)
    given = plain.config
    d_head = given.hidden_size // given.num_attention_heads
    config = HookedTransformerConfig(
        n_layers=given.num_hidden_layers,
        d_model=given.hidden_size,
        n_ctx=given.max_position_embeddings,
        d_head=d_head,
        n_heads=given.num_attention_heads,
        d_mlp=given.intermediate_size,
        act_fn=given.hidden_act,
        d_vocab=given.vocab_size,
        eps=given.layer_norm_eps,
        normalization_type="LN",
        positional_embedding_type="rotary",
        rotary_dim=int(d_head * given.rotary_pct),
        rotary_base=int(given.rotary_emb_base),
        rotary_adjacent_pairs=False,
        parallel_attn_mlp=given.use_parallel_residual,
        original_architecture="GPTNeoXForCausalLM",
        model_name="random-neox",
        tokenizer_prepends_bos=False,
        default_prepend_bos=True,
        device="cpu",
    )
    model = HookedSAETransformer(config, tokenizer)
    model.load_and_process_state_dict(
        convert_neox_weights(plain, config),
        fold_ln=False,
        center_writing_weights=False,
        center_unembed=False,
        fold_value_biases=False,
    )
    return model.eval().requires_grad_(False)


def load_dictionary(folder: Path) -> Any:
    """The dictionary of `given/dictionary`."""
    return SAE.load_from_pretrained(str(folder), device="cpu").eval().requires_grad_(False)


def load_tokens(path: Path) -> torch.Tensor:
    """Token ids [n_contexts, context_size]."""
    return torch.from_numpy(np.load(path).astype(np.int64))


@torch.no_grad()
def check_agreement(model: Any, dictionary: Any, given: Path) -> None:
    """Raises ValueError unless the first context gives the activations our job computed."""
    hook_name = dictionary.cfg.metadata.hook_name
    tokens = load_tokens(given / "tokens.npy")[:1]
    _, cache = model.run_with_cache(tokens, names_filter=hook_name)
    expected = np.load(given / "expected.npz")
    for name, found in (
        ("x", cache[hook_name][0]),
        ("feature_acts", dictionary.encode(cache[hook_name][0])),
    ):
        # A value at its feature's threshold may fall on either side: such a jump is no error.
        wrong = np.abs(found.numpy() - expected[name]) > TOLERANCE * np.abs(expected[name]).max()
        if wrong.mean() > (0 if name == "x" else 1e-4):
            raise ValueError(f"{name} is not what our job computed: {wrong.mean():.2%} differ.")


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """(result, {"cpu", "wall"} in seconds)."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
