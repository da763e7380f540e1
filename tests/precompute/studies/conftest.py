"""An atlas whose model shouts at one token: its activations are many times as long as all others.

Beside it what the plain model and the dictionaries' own tensors say of every token.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sqlalchemy import Connection

from app.db.catalog import Sae, find_sae
from app.db.engine import open_atlas
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import NAMES
from tests.precompute.conftest import NEOX_HOOKS, dense_events, encode, hooks_of

LOUDER = 40
HOOK_NAMES = tuple(NEOX_HOOKS)
ABOUT_TOKENS = ("reconstruction", "norms", "variants")
"""The studies that this atlas is for; it has no others."""


@dataclass(frozen=True)
class LoudSae:
    """One dictionary on every token."""

    stored: Sae
    x: np.ndarray
    """[n_contexts, context_size, d_in], float64, from the plain model"""
    x_hat: np.ndarray
    dense: np.ndarray
    """[n_contexts, context_size, d_sae]: the shipped events"""


@dataclass(frozen=True)
class Loud:
    """The atlas and what was planted."""

    settings: PrecomputeSettings
    connection: Connection
    plain: Any
    tokens: np.ndarray
    counted: np.ndarray
    loud_id: int
    saes: Mapping[str, LoudSae]

    def log_probs(
        self, context: int, hook: str | None = None, value: np.ndarray | None = None
    ) -> np.ndarray:
        """[context_size, d_vocab] of the plain model, with `value` at a hook if one is given."""
        tokens = torch.from_numpy(self.tokens[context].astype(np.int64))[None]
        handles = []
        if hook is not None:

            def put(_module: Any, _args: Any, output: Any) -> Any:
                new = torch.from_numpy(np.asarray(value, np.float32))[None]
                return (new, *output[1:]) if isinstance(output, tuple) else new

            module = self.plain.get_submodule(NEOX_HOOKS[hook])
            handles.append(module.register_forward_hook(put))
        with torch.no_grad():
            logits = self.plain(input_ids=tokens).logits[0]
        for handle in handles:
            handle.remove()
        return logits.double().log_softmax(dim=-1).numpy()


@pytest.fixture(scope="session")
def loud(
    tmp_path_factory: pytest.TempPathFactory,
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
    text_folder: Path,
    quiet: Reporter,
) -> Iterator[Loud]:
    """Two dictionaries at two hooks, run by the whole job in several shards."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("loud")
    model = shutil.copytree(model_folder("neox"), folder / "loud-neox")
    tokenizer = AutoTokenizer.from_pretrained(model)
    text = "".join(path.read_text("utf-8") for path in sorted(text_folder.iterdir()))
    ids, counts = np.unique(tokenizer(text)["input_ids"], return_counts=True)
    loud_id = int(ids[np.argmin(np.abs(counts / counts.sum() - 0.04))])
    plain: Any = AutoModelForCausalLM.from_pretrained(model).eval()
    with torch.no_grad():
        plain.gpt_neox.embed_in.weight[loud_id] *= LOUDER
    plain.save_pretrained(model)
    folders = [
        write_sae(folder / "resid"),
        write_sae(folder / "mlp", "topk", HOOK_NAMES[1], seed=1),
    ]
    settings = PrecomputeSettings(
        model=str(model),
        sae=[str(folder) for folder in folders],
        name=["loud/resid", "loud/mlp"],
        corpus=str(text_folder),
        output=folder / "atlas.db",
        batch_contexts=7,
        contexts_per_shard=16,
        quality_contexts=12,
        variant_contexts=12,
        ablation_examples=0,
        ablation_interval_examples=0,
        context_examples=0,
        coactivation_tokens=0,
        near_misses=0,
        silent_examples=0,
        direction_map="none",
        skip=[name for name in NAMES if name not in ABOUT_TOKENS],
    )
    run(settings, reporter=quiet)
    events = folder / "atlas.events" / "loud"
    (corpus,) = events.glob("corpus-*")
    tokens, counted = (np.load(corpus / f"{name}.npy") for name in ("tokens", "counted"))
    xs = [hooks_of(plain, row) for row in tokens]
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        saes = {}
        for path in folders:
            stored = find_sae(connection, "loud", path.name)
            assert stored is not None
            weights = load_file(path / "sae_weights.safetensors")
            tensors = {name: value.astype(np.float64) for name, value in weights.items()}
            x = np.stack([found[stored.record.hook_name] for found in xs])
            _, acts = encode(x, tensors, stored.record.architecture)
            x_hat = acts @ tensors["W_dec"] + tensors["b_dec"]
            saes[path.name] = LoudSae(stored, x, x_hat, dense_events(events / path.name))
        yield Loud(settings, connection, plain, tokens, counted, loud_id, saes)
    atlas.close()
