"""A model and dictionaries with random weights, of the size of real ones: nothing is downloaded.

Costs depend on shapes and on how many features fire, not on what was learned. So thresholds are
set on the model's own activations: every dictionary fires `L0` features a token, as real ones do.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoTokenizer, GPTNeoXConfig, GPTNeoXForCausalLM

import app.demo
from app.precompute.model.language_model import LanguageModel
from app.sae.architectures import Activation, JumpReLU, TopK
from app.sae.dictionary import Dictionary, DictionaryConfig
from app.sae.normalisation import Normalisation
from app.stats.corpus import Corpus

L0 = 50
HOOK = "blocks.2.hook_resid_post"
"""The middle of six layers."""


def random_model(
    n_layers: int = 6, d_model: int = 256, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> LanguageModel:
    """A GPT-NeoX with the demo's tokenizer, heads of 32 or 64, and attention through SDPA."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(Path(app.demo.__file__).parent / "model")
    config = GPTNeoXConfig(
        vocab_size=len(tokenizer),
        hidden_size=d_model,
        intermediate_size=4 * d_model,
        num_hidden_layers=n_layers,
        num_attention_heads=8,
        max_position_embeddings=512,
    )
    config._attn_implementation = "sdpa"
    plain: Any = GPTNeoXForCausalLM(config).eval().requires_grad_(False)
    plain = plain.to(device, dtype)
    return LanguageModel("random GPT-NeoX", plain, tokenizer)


def random_corpus(n_tokens: int, context_size: int, d_vocab: int) -> Corpus:
    """Contexts of token ids as frequent as words are (the r-th id 1/r), BOS first."""
    rng = np.random.default_rng(0)
    n_contexts = -(-n_tokens // context_size)
    weight = 1 / np.arange(1, d_vocab)
    ids = 1 + rng.choice(d_vocab - 1, (n_contexts, context_size), p=weight / weight.sum())
    ids[:, 0] = 0
    counted = np.ones(ids.shape, np.bool_)
    counted[:, 0] = False
    documents = np.zeros(ids.shape, np.int32)
    return Corpus(ids.astype(np.uint16), counted, documents, d_vocab, ["random tokens"])


def random_dictionary(
    x: Float[Tensor, "n d_in"], d_sae: int, kind: str = "jumprelu", l0: int = L0
) -> Dictionary:
    """Random directions read off `x` minus its mean; `kind` is "jumprelu" or "topk".

    Thresholds lie between two values of the feature on `x`, so that all of them fire alike often.
    """
    generator = torch.Generator().manual_seed(1)
    d_in = x.shape[1]
    W_dec = torch.randn(d_sae, d_in, generator=generator)
    W_dec /= W_dec.norm(dim=1, keepdim=True)
    mean = x.float().cpu().mean(dim=0)
    b_enc = -(W_dec @ mean)
    activation: Activation = TopK(l0)
    if kind == "jumprelu":
        rank = round(len(x) * l0 / d_sae)
        threshold = torch.cat(
            [
                (x.float().cpu() @ rows.T + bias).topk(rank + 1, dim=0).values[-2:].mean(dim=0)
                for rows, bias in zip(W_dec.split(1024), b_enc.split(1024), strict=True)
            ]
        )
        activation = JumpReLU(threshold.clamp(min=0))
    dictionary = Dictionary(
        W_enc=W_dec.T.contiguous(),
        b_enc=b_enc,
        W_dec=W_dec,
        b_dec=mean,
        b_pre=torch.zeros(d_in),
        activation=activation,
        normalisation=Normalisation(),
        config=DictionaryConfig(
            format="random",
            architecture=kind,
            hook_name=HOOK,
            d_in=d_in,
            d_sae=d_sae,
            prepend_bos=True,
            context_size=None,
            model_name=None,
            convention="as is",
            path=Path(),
        ),
    )
    return dictionary.to(x.device)
