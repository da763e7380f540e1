"""Real tiny models with random weights, one of each kind of architecture, and small dictionaries.

Written to disk by transformers and loaded as a user's would be. Weights are drawn wide, so that
attention and norms matter.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BloomConfig,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from app.precompute.model import LanguageModel
from app.sae.architectures import Activation, JumpReLU, ReLU, TopK
from app.sae.dictionary import Dictionary, DictionaryConfig
from app.sae.normalisation import Normalisation

TEXT = "def first(items):\n    return items[0]  # the first of the items\n" * 4
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
CONFIGS: dict[str, Callable[[], Any]] = {
    "neox": lambda: GPTNeoXConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        **SIZE,
    ),
    "gpt2": lambda: GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=32, **SIZE),
    "llama": lambda: LlamaConfig(**LLAMA_SIZE),
    # RMSNorm stored as w − 1, norms behind attention and MLP, soft caps.
    "gemma2": lambda: Gemma2Config(**LLAMA_SIZE, head_dim=4, sliding_window=32),
    # Tokens further back than the window are not seen, whatever the caller's mask says.
    "sliding": lambda: MistralConfig(**LLAMA_SIZE, sliding_window=6),
    # ALiBi: distances are counted in the row, position ids are not taken.
    "bloom": lambda: BloomConfig(hidden_size=16, n_layer=2, n_head=2, **SIZE),
}


def save_tokenizer(folder: Path) -> None:
    """A byte-level BPE trained on `TEXT`; fewer tokens than the models have logits."""
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
    config = CONFIGS[architecture]()
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
def tiny_model(model_folder: Callable[[str], Path]) -> Callable[[str], LanguageModel]:
    """A model by architecture, loaded once."""
    loaded: dict[str, LanguageModel] = {}

    def model(architecture: str) -> LanguageModel:
        if architecture not in loaded:
            loaded[architecture] = LanguageModel.load(model_folder(architecture))
        return loaded[architecture]

    return model


@pytest.fixture
def tiny_dictionary() -> Callable[..., Dictionary]:
    """A random dictionary: width, number of features, and "relu", "jumprelu" or "topk"."""

    def dictionary(d_in: int, d_sae: int = 24, kind: str = "relu", seed: int = 0) -> Dictionary:
        generator = torch.Generator().manual_seed(seed)
        W_dec = torch.randn(d_sae, d_in, generator=generator)
        W_dec /= W_dec.norm(dim=1, keepdim=True)
        activations: dict[str, Activation] = {
            "relu": ReLU(),
            "jumprelu": JumpReLU(torch.full((d_sae,), 0.2)),
            "topk": TopK(4),
        }
        return Dictionary(
            W_enc=W_dec.T.clone(),
            b_enc=0.1 * torch.randn(d_sae, generator=generator),
            W_dec=W_dec,
            b_dec=0.1 * torch.randn(d_in, generator=generator),
            b_pre=torch.zeros(d_in),
            activation=activations[kind],
            normalisation=Normalisation(),
            config=DictionaryConfig(
                format="test",
                architecture=kind,
                hook_name=None,
                d_in=d_in,
                d_sae=d_sae,
                prepend_bos=True,
                context_size=None,
                model_name=None,
                convention="as is",
                path=Path(),
            ),
        )

    return dictionary
