"""Weights and tokenizer of a Hugging Face model, from a folder on this machine.

Every way in which that can fail is one sentence. Asks nothing of a network and runs no code that
lies beside the weights. Knows nothing of hooks or bridges.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from app.errors import AtlasError

_HERE = {"local_files_only": True, "trust_remote_code": False}


def load_pretrained(
    folder: Path, dtype: torch.dtype, device: str, named: str = ""
) -> tuple[nn.Module, Any]:
    """`(causal language model in evaluation mode, tokenizer)`; `named` is what sentences say.

    Attention runs through PyTorch's fused kernel where the architecture has it. AtlasError if the
    folder is missing, holds no causal language model or no tokenizer, the device is not there, or a
    parameter is not finite.
    """
    name = named or str(folder)
    _check_folder(folder, name)
    tokenizer = _load_tokenizer(folder, name)
    model = _load_weights(folder, name, dtype)
    for parameter_name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise AtlasError(
                f"The model {name} holds NaN or infinity in {parameter_name}; "
                "download or save its weights again."
            )
    try:
        model = model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise AtlasError(
            f"The model cannot be put on the device {device!r} ({_first_line(error)}); "
            "choose cpu, or cuda or mps where the machine has it."
        ) from error
    return model.eval().requires_grad_(False), tokenizer


def load_tokenizer(folder: Path, named: str = "") -> Any:
    """A tokenizer alone; `named` is what sentences say. AtlasError if there is none."""
    return _load_tokenizer(folder, named or str(folder))


def _check_folder(folder: Path, name: str) -> None:
    if not folder.is_dir():
        raise AtlasError(
            f"The model folder {name} does not exist; name a folder with config.json, weights and "
            "tokenizer, or a model on the Hugging Face hub."
        )
    if not (folder / "config.json").is_file():
        raise AtlasError(
            f"{name} is not a Hugging Face model: it has no config.json; "
            "name the folder that save_pretrained wrote."
        )


def _load_tokenizer(folder: Path, name: str) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **_HERE)
    except Exception as error:
        raise AtlasError(_cannot_load(name, "tokenizer", error)) from error
    # Without its files some architectures get an empty tokenizer that knows special tokens only.
    if len(tokenizer) <= len(tokenizer.added_tokens_decoder):
        raise AtlasError(_cannot_load(name, "tokenizer", ValueError("its vocabulary is empty")))
    return tokenizer


def _load_weights(folder: Path, name: str, dtype: torch.dtype) -> nn.Module:
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(folder, **_HERE)
        options: dict[str, Any] = {"config": config, "dtype": dtype, **_HERE}
        try:
            return AutoModelForCausalLM.from_pretrained(
                folder, attn_implementation="sdpa", **options
            )
        except (ValueError, ImportError):  # an architecture without the fused kernel
            return AutoModelForCausalLM.from_pretrained(folder, **options)
    except Exception as error:
        raise AtlasError(_cannot_load(name, "causal language model", error)) from error
    finally:
        if bars:
            transformers_logging.enable_progress_bar()


def _cannot_load(name: str, what: str, error: Exception) -> str:
    return (
        f"No {what} could be loaded from {name}: {_first_line(error)}; name a folder written by "
        "save_pretrained, or a model on the Hugging Face hub."
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
