"""Tiny models loaded, small dictionaries in memory, and one whole atlas beside what it must hold.

What the atlas must hold is computed without the job: the plain Hugging Face model, one context at a
time, with PyTorch hooks of our own; dictionaries in numpy from the files' tensors.
"""

import io
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.numpy import load, load_file
from sqlalchemy import Connection

from app.db.catalog import Sae, find_sae
from app.db.engine import open_atlas
from app.db.examples import get_groups
from app.db.features import get_feature, get_panels
from app.db.records import GROUPS, AblationGroup
from app.db.stored.ablations import unpack_ablations
from app.db.stored.examples import unpack_examples
from app.db.stored.panels import unpack_panels
from app.db.stored.rankings import unpack_fires, unpack_rate, unpack_scores
from app.db.stored.study import unpack_plain
from app.db.tokens import get_rankings
from app.precompute.model.language_model import LanguageModel
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.sae.architectures import Activation, JumpReLU, ReLU, TopK
from app.sae.dictionary import Dictionary, DictionaryConfig
from app.sae.normalisation import Normalisation


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny tensors gain nothing from a second one, and a job before may have asked for more."""
    torch.set_num_threads(1)


NEOX_HOOKS = {
    "blocks.0.hook_resid_post": "gpt_neox.layers.0",
    "blocks.1.hook_mlp_out": "gpt_neox.layers.1.mlp",
}
"""Where two hooks sit in the plain GPT-NeoX module: each the output of a submodule."""


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


@dataclass(frozen=True)
class JudgedSae:
    """A dictionary in the atlas, and what it does on every token."""

    stored: Sae
    tensors: dict[str, np.ndarray]
    """float64"""
    x: np.ndarray
    """[n_contexts, context_size, d_in], from the plain model"""
    hidden_pre: np.ndarray
    """[n_contexts, context_size, d_sae], float64"""
    acts: np.ndarray
    """the same of the activations"""
    dense: np.ndarray
    """[n_contexts, context_size, d_sae], float32: the shipped events as they are"""


@dataclass(frozen=True)
class Judged:
    """An atlas, the corpus it was made from, and its dictionaries."""

    settings: PrecomputeSettings
    connection: Connection
    plain: Any
    tokens: np.ndarray
    counted: np.ndarray
    document_ids: np.ndarray
    documents: list[str]
    saes: tuple[JudgedSae, ...]

    def feature(self, which: int, index: int) -> Any:
        """The record of a feature of one of the dictionaries."""
        return get_feature(self.connection, self.saes[which].stored.sae_id, index)

    def panels(self, which: int, index: int) -> Any:
        """Its panels."""
        return get_panels(self.connection, self.saes[which].stored.sae_id, index)

    def groups(self, which: int, index: int) -> Any:
        """Its examples and their ablations, by group."""
        return get_groups(self.connection, self.saes[which].stored.sae_id, index)

    def rankings(self, which: int, mode: Any) -> Any:
        """Every token's features under one ranking."""
        ids = range(self.saes[which].stored.model.d_vocab)
        return get_rankings(self.connection, self.saes[which].stored.sae_id, mode, ids)


@pytest.fixture(scope="session")
def plain_neox(model_folder: Callable[[str], Path]) -> Any:
    """The Hugging Face module of the GPT-NeoX model."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model_folder("neox")).eval()


@pytest.fixture(scope="session")
def read_hooks(plain_neox: Any) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Activations at `NEOX_HOOKS` of one text: name -> [pos, d_in]."""
    return partial(hooks_of, plain_neox)


def hooks_of(plain: Any, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """What the modules of a GPT-NeoX give at `NEOX_HOOKS` of one text: name -> [pos, d_in]."""
    found: dict[str, np.ndarray] = {}
    handles = []
    for name, path in NEOX_HOOKS.items():

        def keep(_module: Any, _args: Any, output: Any, name: str = name) -> None:
            value = output[0] if isinstance(output, tuple) else output
            found[name] = value[0].numpy().astype(np.float64)

        handles.append(plain.get_submodule(path).register_forward_hook(keep))
    with torch.no_grad():
        plain(input_ids=torch.from_numpy(np.asarray(tokens, dtype=np.int64))[None])
    for handle in handles:
        handle.remove()
    return found


def encode(x: np.ndarray, tensors: dict[str, np.ndarray], architecture: str) -> tuple[Any, Any]:
    """(hidden_pre, feature_acts) in float64."""
    hidden_pre = x @ tensors["W_enc"] + tensors["b_enc"]
    acts = np.maximum(hidden_pre, 0)
    if architecture == "topk":
        weakest = np.sort(acts, axis=-1)[..., -8:-7]
        acts = np.where(acts >= weakest, acts, 0)
    return hidden_pre, acts


@pytest.fixture(scope="session")
def numpy_encode() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """`encode`, for tests that change a text."""
    return encode


@pytest.fixture(scope="session")
def judged(
    tmp_path_factory: pytest.TempPathFactory,
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
    text_folder: Path,
    plain_neox: Any,
    read_hooks: Callable[[np.ndarray], dict[str, np.ndarray]],
) -> Iterator[Judged]:
    """Two dictionaries at two hooks, run by the whole job in several shards."""
    folder = tmp_path_factory.mktemp("judged")
    folders = [
        write_sae(folder / "resid"),
        write_sae(folder / "mlp", "topk", "blocks.1.hook_mlp_out", seed=1),
    ]
    settings = PrecomputeSettings(
        model=str(model_folder("neox")),
        sae=[str(folder) for folder in folders],
        name=["tiny/resid", "tiny/mlp"],
        corpus=str(text_folder),
        output=folder / "atlas.db",
        batch_contexts=7,
        contexts_per_shard=16,
        top_examples=6,
        silent_examples=4,
        interval_examples=3,
        quantile_examples=2,
        ablation_examples=2,
        ablation_window=4,
        hidden_pre_contexts=5,
        quality_contexts=12,
        pruning_contexts=6,
        pruning_thresholds=4,
        coactivation_tokens=500,
    )
    run(settings)
    events = folder / "atlas.events" / "tiny"
    (corpus,) = events.glob("corpus-*")
    tokens, counted, document_ids = (
        np.load(corpus / f"{name}.npy") for name in ("tokens", "counted", "document_ids")
    )
    contexts = [read_hooks(row) for row in tokens]
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        saes = []
        for path in folders:
            stored = find_sae(connection, "tiny", path.name)
            assert stored is not None
            weights = load_file(path / "sae_weights.safetensors")
            tensors = {name: value.astype(np.float64) for name, value in weights.items()}
            x = np.stack([found[stored.record.hook_name] for found in contexts])
            hidden_pre, acts = encode(x, tensors, stored.record.architecture)
            dense = dense_events(events / path.name)
            saes.append(JudgedSae(stored, tensors, x, hidden_pre, acts, dense))
        names = json.loads((corpus / "documents.json").read_text())
        yield Judged(
            settings, connection, plain_neox, tokens, counted, document_ids, names, tuple(saes)
        )
    atlas.close()


def dense_events(folder: Path) -> np.ndarray:
    """Shipped events as a dense array, read from the documented layout with numpy alone."""
    manifest = json.loads((folder / "events.json").read_text())
    n_contexts, size = manifest["n_contexts"], manifest["context_size"]
    dense = np.zeros((n_contexts * size, manifest["d_sae"]), np.float32)
    for index, first in enumerate(range(0, n_contexts, manifest["contexts_per_shard"])):
        shard = folder / f"shard-{index:05d}"
        indptr, token, activation = (
            np.load(shard / f"{name}.npy") for name in ("indptr", "token", "activation")
        )
        feature = np.repeat(np.arange(manifest["d_sae"]), np.diff(indptr))
        dense[first * size + token.astype(int), feature] = activation
    return dense.reshape(n_contexts, size, -1)


def atlas_content(path: Path) -> dict[str, Any]:
    """Everything an atlas holds but who made it and when, under names that don't depend on ids.

    Keys are `table/dictionary or corpus/the row's other keys`; blobs are opened.
    """
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    saes = {row["sae_id"]: row["sae"] for row in connection.execute("SELECT * FROM sae")}
    found: dict[str, Any] = {}
    tables = "model token corpus corpus_token document context sae feature feature_panel"
    tables += " feature_example token_ranking study feature_study"
    for table in tables.split():
        for row in connection.execute(f"SELECT * FROM {table}"):
            values = dict(row)
            owner = saes.get(values.get("sae_id", -1), "")
            keys = [
                str(values[name])
                for name in ("token_id", "document_id", "context_id", "feature_index")
                if name in values
            ]
            keys += [str(values[name]) for name in ("group", "mode", "study") if name in values]
            keys += [saes[values["other_id"]]] if values.get("other_id") else []
            for name, value in values.items():
                if not name.endswith("_id") or name == "ablation_token_id":
                    found["/".join([table, owner, *keys, name])] = opened(table, name, value)
    connection.close()
    return found


def _plain(records: dict[Any, Any]) -> dict[str, Any]:
    return {str(name): asdict(record) for name, record in records.items()}


def in_baselines(group: AblationGroup) -> AblationGroup:
    """The same with effects as shares of their example's baseline, whose whole steps they are: one
    tolerance holds for all of them."""
    size = np.maximum(np.abs(group.baseline), np.abs(group.hidden_pre_baseline))
    size = np.where(np.isfinite(size) & (size > 0), size, 1)
    shares = {
        f"{way}_{effect}": getattr(group, f"{way}_{effect}")
        / np.repeat(size, np.diff(getattr(group, f"{way}_indptr")))
        for way in ("delete", "replace")
        for effect in ("effect", "hidden_pre_effect")
    }
    return replace(group, **shares)


_READERS: dict[str, Callable[[bytes], dict[str, Any]]] = {
    "panels": lambda blob: asdict(unpack_panels(blob)),
    "examples": lambda blob: _plain(unpack_examples(blob, GROUPS)),
    "ablations": lambda blob: _plain(
        {name: in_baselines(group) for name, group in unpack_ablations(blob).items()}
    ),
    "firings": lambda blob: _plain({"fires": unpack_fires(blob), "rate": unpack_rate(blob)}),
    "promotes": lambda blob: asdict(unpack_scores(blob)),
    "suppresses": lambda blob: asdict(unpack_scores(blob)),
}
"""By column."""


def opened(table: str, name: str, value: Any) -> Any:
    """The content of one column."""
    if isinstance(value, bytes) and table == "context":
        return load(zlib.decompress(value))
    if isinstance(value, bytes) and name in _READERS:
        return _READERS[name](value)
    if table in ("study", "feature_study") and name == "record":
        return unpack_plain(value)
    if name != "record":
        return value
    record = json.loads(value)
    record.pop("recipe", None)
    return record


def same(found: Any, expected: Any, tolerance: float) -> bool:
    """Equal in everything but, within the tolerance, floating-point numbers."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            same(found[key], value, tolerance) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return len(found) == len(expected) and all(
            same(a, b, tolerance) for a, b in zip(found, expected, strict=True)
        )
    if isinstance(expected, float | np.ndarray) and found is not None:
        return np.shape(found) == np.shape(expected) and np.allclose(
            found, expected, rtol=tolerance, atol=tolerance, equal_nan=True
        )
    return found == expected


@pytest.fixture(scope="session")
def read_content() -> Callable[[Path], dict[str, Any]]:
    """`atlas_content`."""
    return atlas_content


@pytest.fixture(scope="session")
def differences() -> Callable[..., list[str]]:
    """The keys under which two contents differ; numbers may differ by `tolerance`."""

    def compare(
        found: dict[str, Any], expected: dict[str, Any], tolerance: float = 0.0
    ) -> list[str]:
        missing = found.keys() ^ expected.keys()
        return sorted(missing) + [
            key
            for key, value in expected.items()
            if key in found and not same(found[key], value, tolerance)
        ]

    return compare


@pytest.fixture(scope="session")
def quiet() -> Reporter:
    """A reporter that prints nowhere."""
    return Reporter(Console(file=io.StringIO()))


@pytest.fixture
def small(
    tmp_path: Path, model_folder: Callable[[str], Path], write_sae: Callable[..., Path]
) -> Callable[..., PrecomputeSettings]:
    """Settings of a job of a second over one dictionary and a short text."""
    text = tmp_path / "text.txt"
    words = np.random.default_rng(1).choice([" def", " first", " return", " the", " of"], 200)
    text.write_text("".join(words))
    sae = write_sae(tmp_path / "resid", "jumprelu")

    def settings(output: str = "atlas.db", **options: Any) -> PrecomputeSettings:
        defaults: dict[str, Any] = {
            "model": str(model_folder("neox")),
            "sae": [sae],
            "name": ["tiny/resid"],
            "corpus": str(text),
            "output": tmp_path / output,
            "ablation_examples": 1,
            "ablation_interval_examples": 0,
            "ablation_window": 2,
            "replacements": 1,
            "context_draws": 1,
            "quality_contexts": 3,
            "pruning_contexts": 2,
            "pruning_thresholds": 2,
            "pruning_draws": 1,
            "batch_contexts": 3,
            "contexts_per_shard": 2,
        }
        return PrecomputeSettings(**(defaults | options))

    return settings
