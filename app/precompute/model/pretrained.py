"""Weights and tokenizer of a Hugging Face model, from a local folder or by name.

Every way in which that can fail is one sentence. Knows nothing of hooks or bridges.
"""

import os
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from app.errors import AtlasError

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def load_pretrained(name: str, dtype: torch.dtype, device: str) -> tuple[nn.Module, Any]:
    """`(causal language model in evaluation mode, tokenizer)`; a folder is read without a network.

    Attention runs through PyTorch's fused kernel where the architecture has it. AtlasError if the
    folder is missing, holds no causal language model or no tokenizer, the device is not there, or a
    parameter is not finite.
    """
    _check_location(name)
    local = Path(name).is_dir()
    tokenizer = _load_tokenizer(name, local)
    model = _load_weights(name, dtype, local)
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


def load_tokenizer(name: str) -> Any:
    """A tokenizer alone, from a folder (offline) or by name. AtlasError if there is none."""
    return _load_tokenizer(name, Path(name).is_dir())


def _check_location(name: str) -> None:
    path = Path(name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise AtlasError(
                f"{name} is not a Hugging Face model: it has no config.json; "
                "name the folder that save_pretrained wrote."
            )
    elif path.exists() or not _HUB_NAME.fullmatch(name) or name.startswith("."):
        raise AtlasError(
            f"The model folder {name} does not exist; name a folder with config.json, weights and "
            "tokenizer, or a model on the Hugging Face hub."
        )


def _load_tokenizer(name: str, local: bool) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local)
    except Exception as error:
        raise AtlasError(_cannot_load(name, "tokenizer", error)) from error
    # Without its files some architectures get an empty tokenizer that knows special tokens only.
    if len(tokenizer) <= len(tokenizer.added_tokens_decoder):
        raise AtlasError(_cannot_load(name, "tokenizer", ValueError("its vocabulary is empty")))
    return tokenizer


def _load_weights(name: str, dtype: torch.dtype, local: bool) -> nn.Module:
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(name, local_files_only=local)
        options = {"config": config, "dtype": dtype, "local_files_only": local}
        try:
            return AutoModelForCausalLM.from_pretrained(name, attn_implementation="sdpa", **options)
        except (ValueError, ImportError):  # an architecture without the fused kernel
            return AutoModelForCausalLM.from_pretrained(name, **options)
    except Exception as error:
        raise AtlasError(_cannot_load(name, "causal language model", error)) from error
    finally:
        if bars:
            transformers_logging.enable_progress_bar()


def _cannot_load(name: str, what: str, error: Exception) -> str:
    where = f"the folder {name}" if os.path.isdir(name) else f"{name} (no such folder)"
    return (
        f"No {what} could be loaded from {where}: {_first_line(error)}; name a folder written by "
        "save_pretrained, or a model on the Hugging Face hub that this machine can reach."
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
