"""The random model, dictionary and tokens of `made`, as the files a user of the job would have.

Leaves a folder with `model/` (Hugging Face), `dictionary/` (SAELens) and `tokens.npy`, and the
activations of the first context in `expected.npz`, so that another program can show that it reads
the same. Takes sizes only.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from app.sae.architectures import JumpReLU
from app.sae.dictionary import Dictionary
from benchmarks.made import HOOK, L0, random_corpus, random_dictionary, random_model

CONTEXT_SIZE = 128
MEASURED_CONTEXTS = 256
"""Contexts the thresholds are set on."""
UNEMBEDDING_SCALE = 20.0
"""Brings random logit effects above 0.3, below which SAEDashboard's histograms have no bins."""
SAELENS_VERSION = "6.0.0"
"""Whose configuration is written; without one SAELens takes it for an older kind."""


@dataclass(frozen=True)
class Given:
    """Where the files lie."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def dictionary(self) -> Path:
        return self.folder / "dictionary"

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens.npy"


@torch.no_grad()
def write_given(
    folder: Path,
    n_tokens: int,
    d_sae: int,
    *,
    n_layers: int = 6,
    d_model: int = 256,
    l0: int = L0,
    hook_name: str = HOOK,
) -> Given:
    """Writes them; the same sizes give the same files."""
    given = Given(folder)
    model = random_model(n_layers, d_model)
    model.W_U.mul_(UNEMBEDDING_SCALE)
    model.plain.save_pretrained(given.model)  # pyright: ignore[reportCallIssue]
    model.tokenizer.save_pretrained(given.model)
    tokens = random_corpus(n_tokens, CONTEXT_SIZE, model.d_vocab).tokens
    np.save(given.tokens, tokens)
    first = torch.from_numpy(tokens[:MEASURED_CONTEXTS].astype(np.int64))
    x = model.activations(first, [hook_name])[hook_name]
    dictionary = random_dictionary(x[:, 1:].flatten(0, 1), d_sae, l0=l0)
    _save_dictionary(given.dictionary, dictionary, hook_name)
    np.savez(folder / "expected.npz", x=x[0].numpy(), feature_acts=dictionary.encode(x[0]).numpy())
    return given


def _save_dictionary(folder: Path, dictionary: Dictionary, hook_name: str) -> None:
    folder.mkdir()
    assert isinstance(dictionary.activation, JumpReLU)
    tensors = {
        "W_enc": dictionary.W_enc,
        "b_enc": dictionary.b_enc,
        "W_dec": dictionary.W_dec,
        "b_dec": dictionary.b_dec,
        "threshold": dictionary.activation.threshold,
    }
    save_file(
        {name: tensor.float().contiguous() for name, tensor in tensors.items()},
        folder / "sae_weights.safetensors",
    )
    config = {
        "architecture": "jumprelu",
        "d_in": dictionary.config.d_in,
        "d_sae": dictionary.config.d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "model_name": "random-neox",
            "hook_name": hook_name,
            "prepend_bos": True,
            "context_size": CONTEXT_SIZE,
            "sae_lens_version": SAELENS_VERSION,
        },
    }
    (folder / "cfg.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
