"""Dictionaries at every site of one model, run by the whole job, beside what they do by hand.

By hand means: the plain Hugging Face GPT-2, one context at a time, with PyTorch hooks of our own
where each activation stands in its code; dictionaries in numpy from the tensors in their files.
Decoders are fitted by least squares, so that every dictionary explains something.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from sqlalchemy import Connection

from app.db.catalog import Sae, find_sae
from app.db.engine import open_atlas
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import NAMES
from tests.precompute.conftest import dense_events

SITES = {
    "embed": ("hook_embed", "transformer.wte", "out"),
    "pre": ("blocks.1.hook_resid_pre", "transformer.h.1", "in"),
    "attn-in": ("blocks.1.attn.hook_in", "transformer.h.1.attn", "in"),
    "z": ("blocks.1.attn.hook_z", "transformer.h.1.attn.c_proj", "in"),
    "attn-out": ("blocks.1.hook_attn_out", "transformer.h.1.attn", "out"),
    "mid": ("blocks.0.hook_resid_mid", "transformer.h.0.ln_2", "in"),
    "mlp-pre": ("blocks.0.mlp.hook_pre", "transformer.h.0.mlp.c_fc", "out"),
    "mlp-post": ("blocks.0.mlp.hook_post", "transformer.h.0.mlp.c_proj", "in"),
    "mlp-out": ("blocks.0.hook_mlp_out", "transformer.h.0.mlp", "out"),
    "post": ("blocks.1.hook_resid_post", "transformer.h.1", "out"),
}
"""By the dictionary that reads and writes there: the hook, and where it stands in the model."""
NORMALIZED = "blocks.0.ln2.hook_normalized"
MLP_IN = "blocks.0.mlp.hook_in"
TRANSCODERS = {
    "transcoder": (NORMALIZED, "blocks.0.hook_mlp_out"),
    "skip": (MLP_IN, "blocks.0.mlp.hook_post"),
}
"""Where each reads and writes; the second has a linear part, and is four times as wide there."""
PLACES = {hook: (path, side) for hook, path, side in SITES.values()} | {
    MLP_IN: ("transformer.h.0.mlp", "in"),
    NORMALIZED: ("transformer.h.0.ln_2", "in"),
}
D_SAE = 24


def first(given: Any) -> Any:
    """What a module takes or gives, without what comes beside it."""
    return given[0] if isinstance(given, tuple) else given


@dataclass(frozen=True)
class ByHand:
    """The plain model, hooked by hand."""

    plain: Any

    def read(
        self, tokens: np.ndarray, hook: str | None = None, added: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """The activations of one text at all hooks, [pos, width] in float64; with `added` at one of
        them, if that is given."""
        found: dict[str, np.ndarray] = {}

        def keep(name: str) -> Callable[..., None]:
            def hook(_module: Any, args: Any, output: Any) -> None:
                given = first(args if PLACES[name][1] == "in" else output)
                found[name] = given[0].numpy().astype(np.float64)

            return hook

        reading = [(PLACES[name][0], "after", keep(name)) for name in PLACES]
        with self._hooked([*self._adding(hook, added), *reading]):
            self._run(tokens)
        norm = self.plain.get_submodule(PLACES[NORMALIZED][0])
        centred = found[NORMALIZED] - found[NORMALIZED].mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        found[NORMALIZED] = centred / np.sqrt(variance + norm.eps)
        return found

    def log_probs(
        self, tokens: np.ndarray, hook: str | None = None, added: np.ndarray | None = None
    ) -> np.ndarray:
        """[pos, d_vocab], with `added` [pos, width] at a hook if one is given."""
        with self._hooked(self._adding(hook, added)):
            logits = self._run(tokens)
        return logits.double().log_softmax(dim=-1).numpy()

    def _adding(self, hook: str | None, added: np.ndarray | None) -> list[tuple[str, str, Any]]:
        """The stream between attention and MLP is changed by what attention adds to it."""
        if hook is None:
            return []
        more = torch.from_numpy(np.asarray(added, np.float32))[None]
        path, side = PLACES[hook]
        if hook.endswith("hook_resid_mid"):
            path, side = path.replace("ln_2", "attn"), "out"

        def before(_module: Any, args: Any) -> Any:
            return (args[0] + more, *args[1:])

        def after(_module: Any, _args: Any, output: Any) -> Any:
            changed = first(output) + more
            return (changed, *output[1:]) if isinstance(output, tuple) else changed

        return [(path, "before", before) if side == "in" else (path, "after", after)]

    def _run(self, tokens: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            ids = torch.from_numpy(np.asarray(tokens, dtype=np.int64))[None]
            return self.plain(input_ids=ids, use_cache=False).logits[0]

    def _hooked(self, hooks: Iterable[tuple[str, str, Any]]) -> ExitStack:
        """Each at a path in the model, before or after what is there."""
        stack = ExitStack()
        for path, when, hook in hooks:
            module = self.plain.get_submodule(path)
            register = (
                module.register_forward_hook
                if when == "after"
                else module.register_forward_pre_hook
            )
            stack.callback(register(hook).remove)
        return stack


@dataclass(frozen=True)
class Placed:
    """A dictionary of the atlas, and what it does on every token."""

    connection: Connection
    by_hand: ByHand
    settings: PrecomputeSettings
    stored: Sae
    reads: str
    writes: str
    tensors: Mapping[str, np.ndarray]
    tokens: np.ndarray
    counted: np.ndarray
    x: np.ndarray
    """[n_contexts, context_size, d_in]: what it reads"""
    y: np.ndarray
    """what it reconstructs"""
    dense: np.ndarray
    """[n_contexts, context_size, d_sae]: the shipped events"""

    @property
    def acts(self) -> np.ndarray:
        """Of every feature on every token, by hand."""
        return np.maximum(self.x @ self.tensors["W_enc"] + self.tensors["b_enc"], 0)

    @property
    def y_hat(self) -> np.ndarray:
        """The reconstruction."""
        made = self.acts @ self.tensors["W_dec"] + self.tensors["b_dec"]
        return made + self.x @ self.tensors["W_skip"].T if "W_skip" in self.tensors else made

    def ce(self, log_probs: np.ndarray, context: int) -> np.ndarray:
        """−log p of the counted tokens of a context, each from the position before it."""
        target = np.flatnonzero(self.counted[context, 1:])
        return -log_probs[target, self.tokens[context, target + 1]]


def fitted(x: np.ndarray, y: np.ndarray, seed: int, skip: bool) -> dict[str, np.ndarray]:
    """Random features of x, the last of them dead, and the decoder that fits y best with them
    (and doesn't cancel large numbers against each other)."""
    rng = np.random.default_rng(seed)
    W_enc = rng.normal(size=(x.shape[1], D_SAE)) / (x.std() * np.sqrt(x.shape[1]))
    b_enc = 0.2 * rng.normal(size=D_SAE) - x.mean(axis=0) @ W_enc
    b_enc[-1] = -1000
    acts = np.maximum(x @ W_enc + b_enc, 0)
    parts = [acts, np.ones((len(x), 1)), *([x] if skip else [])]
    inputs = np.concatenate(parts, axis=1)
    found = np.linalg.solve(inputs.T @ inputs + 3 * np.eye(inputs.shape[1]), inputs.T @ y)
    W_dec = found[:D_SAE]
    W_dec[-1] = rng.normal(size=y.shape[1])
    tensors = {"W_enc": W_enc, "b_enc": b_enc, "W_dec": W_dec, "b_dec": found[D_SAE]}
    return tensors | ({"W_skip": found[D_SAE + 1 :].T} if skip else {})


def write(folder: Path, tensors: Mapping[str, np.ndarray], hook: str, out: str | None) -> Path:
    """A SAELens folder."""
    metadata = {"hook_name": hook, "prepend_bos": True, "context_size": 20}
    skip = "skip_" if "W_skip" in tensors else ""
    config = {
        "architecture": "standard" if out is None else f"{skip}transcoder",
        "d_in": len(tensors["W_enc"]),
        "d_sae": D_SAE,
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "hook_z" if hook.endswith("hook_z") else "none",
        "metadata": metadata | ({} if out is None else {"hook_name_out": out}),
    } | ({} if out is None else {"d_out": len(tensors["b_dec"])})
    folder.mkdir(parents=True)
    (folder / "cfg.json").write_text(json.dumps(config))
    save_file(
        {name: np.ascontiguousarray(value, np.float32) for name, value in tensors.items()},
        folder / "sae_weights.safetensors",
    )
    return folder


@pytest.fixture(scope="session")
def by_hand(model_folder: Callable[[str], Path]) -> ByHand:
    """The plain GPT-2 of the tests."""
    from transformers import AutoModelForCausalLM

    return ByHand(AutoModelForCausalLM.from_pretrained(model_folder("gpt2")).eval())


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory, by_hand: ByHand) -> dict[str, Path]:
    """Every dictionary on disk, by name."""
    folder = tmp_path_factory.mktemp("sites")
    texts = np.random.default_rng(9).integers(1, 280, size=(60, 20))
    seen = [by_hand.read(tokens) for tokens in texts]
    hooks = {name: (hook, None) for name, (hook, _, _) in SITES.items()} | TRANSCODERS
    found = {}
    for seed, (name, (reads, writes)) in enumerate(hooks.items()):
        hooked = (reads, writes or reads)
        x, y = (np.concatenate([one[hook][1:] for one in seen]) for hook in hooked)
        found[name] = write(folder / name, fitted(x, y, seed, skip=name == "skip"), reads, writes)
    return found


@pytest.fixture(scope="session")
def run_at(
    tmp_path_factory: pytest.TempPathFactory,
    model_folder: Callable[[str], Path],
    text_folder: Path,
    folders: dict[str, Path],
    quiet: Reporter,
) -> Callable[..., PrecomputeSettings]:
    """Runs the whole job over some of the dictionaries."""

    def made(names: list[str], studies: tuple[str, ...], **options: Any) -> PrecomputeSettings:
        defaults = {
            "batch_contexts": 7,
            "contexts_per_shard": 16,
            "max_tokens": 500,
            "ablation_examples": 0,
            "ablation_interval_examples": 0,
            "quality_contexts": 1000,
            "effect_examples": 1,
            "effect_sampled": 1,
            "direction_map": "none",
            "skip": [name for name in NAMES if name not in studies],
        }
        settings = PrecomputeSettings(
            model=str(model_folder("gpt2")),
            sae=[str(folders[name]) for name in names],
            name=[f"tiny/{name}" for name in names],
            corpus=str(text_folder),
            output=tmp_path_factory.mktemp("run") / "atlas.db",
            **(defaults | options),
        )
        run(settings, reporter=quiet)
        return settings

    return made


def placed_in(
    connection: Connection, settings: PrecomputeSettings, by_hand: ByHand
) -> dict[str, Placed]:
    """The dictionaries of an atlas."""
    events = settings.output.with_suffix(".events") / "tiny"
    (corpus,) = events.glob("corpus-*")
    tokens, counted = (np.load(corpus / f"{name}.npy") for name in ("tokens", "counted"))
    seen = [by_hand.read(row) for row in tokens]
    hooks = {name: (hook, hook) for name, (hook, _, _) in SITES.items()} | TRANSCODERS
    found = {}
    for path in map(Path, settings.sae):
        stored = find_sae(connection, "tiny", path.name)
        assert stored is not None
        weights = load_file(path / "sae_weights.safetensors")
        x, y = (np.stack([one[hook] for one in seen]) for hook in hooks[path.name])
        found[path.name] = Placed(
            connection, by_hand, settings, stored, *hooks[path.name],
            {name: value.astype(np.float64) for name, value in weights.items()},
            tokens, counted, x, y, dense_events(events / path.name),
        )  # fmt: skip
    return found


@pytest.fixture(scope="session")
def sites(
    run_at: Callable[..., PrecomputeSettings], by_hand: ByHand
) -> Iterator[dict[str, Placed]]:
    """An autoencoder at each site, in one job."""
    settings = run_at(list(SITES), ("effects",))
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        yield placed_in(connection, settings, by_hand)
    atlas.close()


@pytest.fixture(scope="session")
def transcoders(
    run_at: Callable[..., PrecomputeSettings], by_hand: ByHand
) -> Iterator[dict[str, Placed]]:
    """A transcoder, a skip transcoder and an autoencoder above them, with every study."""
    settings = run_at(
        [*TRANSCODERS, "post"],
        tuple(NAMES),
        ablation_examples=1,
        context_examples=1,
        context_draws=1,
        replacements=1,
        ablation_window=3,
        variant_contexts=1000,
        pruning_contexts=1000,
        pruning_thresholds=2,
        pruning_draws=1,
        connection_examples=2,
        connection_kept=30,
        connection_checks=4,
    )
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        yield placed_in(connection, settings, by_hand)
    atlas.close()


@pytest.fixture
def placed(request: pytest.FixtureRequest) -> Callable[[str], Placed]:
    """A dictionary by name, from the atlas it is in."""

    def find(name: str) -> Placed:
        atlas = "transcoders" if name in TRANSCODERS else "sites"
        return request.getfixturevalue(atlas)[name]

    return find
