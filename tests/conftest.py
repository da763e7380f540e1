"""What tests of the job and of its command line share: tiny models and dictionaries on disk.

Models are written by transformers with random weights, one of each kind of architecture, and loaded
as a user's would be. Weights are drawn wide, so that attention and norms matter. Dictionaries are
written from the format's definition. Heavy libraries are imported when a test first asks.
"""

import json
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

os.environ["HF_HUB_OFFLINE"] = "1"  # a name that is no folder is looked for on no hub
os.environ.setdefault("OMP_NUM_THREADS", "1")  # files run beside each other, one a core

TEXT = "def first(items):\n    return items[0]  # the first of the items\n" * 4
WORDS = [" def", " first", " (items)", " return", " items[0]", "  # the", " of", "\n", " xyz"]
D_VOCAB = 300
SIZE: dict[str, Any] = {"vocab_size": D_VOCAB, "initializer_range": 0.25}
LLAMA_SIZE: dict[str, Any] = {
    **SIZE,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
}


def model_config(architecture: str) -> Any:
    """A small model of that architecture, by transformers' own configuration class."""
    import transformers

    match architecture:
        case "neox":
            return transformers.GPTNeoXConfig(
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=32,
                **SIZE,
            )
        case "gpt2":
            return transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=32, **SIZE)
        case "llama":
            return transformers.LlamaConfig(**LLAMA_SIZE)
        case "gemma2":  # RMSNorm stored as w − 1, norms behind attention and MLP, soft caps
            return transformers.Gemma2Config(**LLAMA_SIZE, head_dim=4, sliding_window=32)
        case "sliding":  # tokens further back than the window are not seen, whatever the mask says
            return transformers.MistralConfig(**LLAMA_SIZE, sliding_window=6)
        case "bloom":  # ALiBi: distances are counted in the row, position ids are not taken
            return transformers.BloomConfig(hidden_size=16, n_layer=2, n_head=2, **SIZE)
    raise ValueError(architecture)


def save_tokenizer(folder: Path) -> None:
    """A byte-level BPE trained on `TEXT`; fewer tokens than the models have logits."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=D_VOCAB - 8,
        special_tokens=["<|bos|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|bos|>", eos_token="<|bos|>"
    ).save_pretrained(folder)


def save_model(architecture: str, folder: Path) -> Path:
    """Random weights, norm gains and biases of that architecture, with a tokenizer."""
    import torch
    from transformers.models.auto.modeling_auto import AutoModelForCausalLM

    config = model_config(architecture)
    config.bos_token_id = config.eos_token_id = 0
    config.pad_token_id = None
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:  # norms and biases, which start as ones and zeros
                parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a model by architecture, written once."""
    folders: dict[str, Path] = {}

    def folder(architecture: str) -> Path:
        if architecture not in folders:
            folders[architecture] = save_model(architecture, tmp_path_factory.mktemp(architecture))
        return folders[architecture]

    return folder


@pytest.fixture(scope="session")
def write_sae() -> Callable[..., Path]:
    """Writes a SAELens v6 folder of 24 features that explain most of any activations, one dead.

    Twelve directions and their opposites, a little off so that encoder and decoder differ.
    """

    def write(
        folder: Path,
        architecture: str = "standard",
        hook_name: str | None = "blocks.0.hook_resid_post",
        d_in: int = 16,
        seed: int = 0,
        **metadata: Any,
    ) -> Path:
        rng = np.random.default_rng(seed)
        directions = np.linalg.qr(rng.normal(size=(d_in, d_in)))[0][:, :12]
        W_enc = np.concatenate([directions, -directions], axis=1)
        b_enc = 0.1 * rng.normal(size=24)
        b_enc[23] = -1000  # never fires
        tensors = {
            "W_enc": W_enc + 0.05 * rng.normal(size=W_enc.shape),
            "b_enc": b_enc,
            "W_dec": W_enc.T.copy(),
            "b_dec": 0.05 * rng.normal(size=d_in),
        }
        if architecture == "jumprelu":
            tensors["threshold"] = np.full(24, 0.3)
        if architecture == "gated":
            tensors |= {"b_gate": tensors.pop("b_enc"), "b_mag": np.full(24, 0.1)}
            tensors["r_mag"] = 0.1 * rng.normal(size=24)
        said = {"hook_name": hook_name, "prepend_bos": True, "context_size": 20}
        config = {
            "architecture": architecture,
            "d_in": d_in,
            "d_sae": 24,
            "apply_b_dec_to_input": False,
            "normalize_activations": "none",
            "metadata": {
                key: value for key, value in (said | metadata).items() if value is not None
            },
        } | ({"k": 8} if architecture == "topk" else {})
        folder.mkdir(parents=True)
        (folder / "cfg.json").write_text(json.dumps(config))
        save_file(
            {name: value.astype(np.float32) for name, value in tensors.items()},
            folder / "sae_weights.safetensors",
        )
        return folder

    return write


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five documents of the tokenizer's words in random order: about 900 tokens."""
    folder = tmp_path_factory.mktemp("corpus") / "texts"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(5):
        words = rng.choice(WORDS, size=60 + 10 * i)
        (folder / f"{i}.txt").write_text("".join(words), "utf-8")
    return folder


@pytest.fixture
def largest_file() -> Iterator[Callable[[int], None]]:
    """Sets how many bytes a file may grow to: past that every write fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda n_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
