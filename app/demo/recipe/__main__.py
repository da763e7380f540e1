"""`python -m app.demo.recipe`: train the demo's model and dictionaries, judge them, save them.

The stage `model` writes `<output>/model`, the stage `dictionaries` reads it and writes
`<output>/dictionaries/<name>`; each folder carries the log of its own training. This file alone
knows the order of things and the folders; the work is in its neighbours.
"""

import argparse
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
import transformers
from jaxtyping import Float16, Int64
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoTokenizer, GPTNeoXForCausalLM

from app.demo.corpus import Document, split, stdlib_documents
from app.demo.recipe.evaluate import (
    bits_per_byte,
    cross_entropy,
    evaluate_dictionary,
    load_dictionary,
)
from app.demo.recipe.log import Log
from app.demo.recipe.residual import collect_activations
from app.demo.recipe.settings import DictionarySettings, RecipeSettings
from app.demo.recipe.tokenizer import cut_contexts, encode_documents, train_tokenizer
from app.demo.recipe.train_dictionary import train_dictionary
from app.demo.recipe.train_model import build_model, load_model, save_model, train_model

REPORT_CONTEXTS = 64
"""Held-out contexts measured at every report during training."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stages asked for with the settings that ship."""
    parser = argparse.ArgumentParser(prog="python -m app.demo.recipe", description=__doc__)
    parser.add_argument("--stage", choices=["model", "dictionaries", "all"], default="all")
    parser.add_argument("--output", type=Path, required=True, help="folder for the weights")
    options = parser.parse_args(arguments)
    settings = RecipeSettings()
    documents = stdlib_documents()
    if options.stage in ("model", "all"):
        make_model(documents, settings, options.output / "model")
    if options.stage in ("dictionaries", "all"):
        make_dictionaries(documents, settings, options.output)


def make_model(documents: Sequence[Document], settings: RecipeSettings, folder: Path) -> None:
    """Tokenizer and model into `folder`; a stopped run goes on from the checkpoint beside it."""
    checkpoint = folder.with_name("checkpoint.pt")
    log = Log(folder, resumed=checkpoint.exists())
    _prepare(settings)
    train, held_out = split(documents, settings.seed, settings.held_out_share)
    tokenizer = train_tokenizer((d.text for d in train), settings.model.d_vocab)
    tokenizer.save_pretrained(folder)
    tokens, held_out_tokens = (encode_documents(tokenizer, part) for part in (train, held_out))
    n_bytes = sum(len(document.text.encode()) for document in held_out)
    log.write("corpus", **_corpus_figures(train, held_out, tokens, held_out_tokens))
    model = build_model(settings.model)
    log.write("settings", **_environment(), **asdict(settings.model), seed=settings.seed)
    contexts = torch.from_numpy(cut_contexts(held_out_tokens, settings.model.n_ctx))
    sample = contexts[:: max(1, len(contexts) // REPORT_CONTEXTS)]

    def measure(unfinished: GPTNeoXForCausalLM) -> float:
        return cross_entropy(unfinished.eval(), sample)

    train_model(model, tokens, settings.model, settings.seed, log, checkpoint, measure)
    save_model(model, folder)
    checkpoint.unlink()
    nats = cross_entropy(load_model(folder), contexts)
    log.write(
        "result",
        n_parameters=sum(p.numel() for p in model.parameters()),
        held_out_contexts=len(contexts),
        nats_per_token=nats,
        bits_per_byte=bits_per_byte(nats, len(held_out_tokens), n_bytes),
    )


def make_dictionaries(
    documents: Sequence[Document], settings: RecipeSettings, output: Path
) -> None:
    """Every dictionary of the settings, from the model in `output / "model"`."""
    model = load_model(output / "model")
    tokenizer = AutoTokenizer.from_pretrained(output / "model")
    train, held_out = split(documents, settings.seed, settings.held_out_share)
    contexts, held_out_contexts = (
        torch.from_numpy(cut_contexts(encode_documents(tokenizer, part), settings.context_size))
        for part in (train, held_out)
    )
    _prepare(settings)
    chosen = contexts[torch.randperm(len(contexts))[: settings.activation_contexts]]
    for layer, dictionaries in groupby(settings.dictionaries, key=lambda each: each.layer):
        activations = collect_activations(model, chosen, layer)
        for dictionary in dictionaries:
            folder = output / "dictionaries" / dictionary.name
            _make_dictionary(model, activations, held_out_contexts, settings, dictionary, folder)


def _make_dictionary(
    model: GPTNeoXForCausalLM,
    activations: Float16[Tensor, "n_tokens d_in"],
    held_out: Int64[Tensor, "n_contexts n_ctx"],
    settings: RecipeSettings,
    dictionary: DictionarySettings,
    folder: Path,
) -> None:
    """Train, save in half precision, read back and judge one dictionary."""
    log = Log(folder)
    _prepare(settings)
    log.write("settings", **_environment(), **asdict(dictionary), seed=settings.seed)
    log.write("activations", n_tokens=len(activations), d_in=activations.shape[1])
    tensors = train_dictionary(activations, dictionary, log)
    half = {name: tensor.to(torch.float16) for name, tensor in tensors.items()}
    save_file(half, folder / "sae_weights.safetensors")
    config = _saelens_config(activations.shape[1], settings, dictionary)
    (folder / "cfg.json").write_text(json.dumps(config, indent=2) + "\n")
    figures = evaluate_dictionary(model, load_dictionary(folder), dictionary.layer, held_out)
    log.write("result", **asdict(figures))


def _saelens_config(
    d_in: int, settings: RecipeSettings, dictionary: DictionarySettings
) -> dict[str, object]:
    """`cfg.json` as SAELens 6 writes it for inference; the weights are read as float32."""
    return {
        "architecture": "jumprelu",
        "d_in": d_in,
        "d_sae": dictionary.d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "model_name": settings.model_name,
            "hook_name": f"blocks.{dictionary.layer}.hook_resid_post",
            "prepend_bos": True,
            "context_size": settings.context_size,
        },
    }


def _prepare(settings: RecipeSettings) -> None:
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.n_threads)


def _environment() -> dict[str, str]:
    """Versions that can change the result; nothing about the machine."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _corpus_figures(
    train: Sequence[Document],
    held_out: Sequence[Document],
    train_tokens: Int64[np.ndarray, " n_tokens"],
    held_out_tokens: Int64[np.ndarray, " n_held_out"],
) -> dict[str, int]:
    """Files, bytes and tokens of both sides of the split."""
    return {
        "train_files": len(train),
        "train_bytes": sum(len(document.text.encode()) for document in train),
        "train_tokens": len(train_tokens),
        "held_out_files": len(held_out),
        "held_out_bytes": sum(len(document.text.encode()) for document in held_out),
        "held_out_tokens": len(held_out_tokens),
    }


if __name__ == "__main__":
    main()
