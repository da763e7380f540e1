"""Spilled events and sums are the dense activations, however cut; a shard can be done again."""

import json
import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.errors import AtlasError
from app.precompute.events.batching import BATCHES, try_sizes
from app.precompute.events.events import (
    contexts_per_shard,
    extract_shard,
    read_sums,
    sampled_contexts,
    write_manifests,
)
from app.precompute.events.harvest import ROWS_AT_ONCE, PositionZeroSums
from app.precompute.events.kept_activations import KeptActivations
from app.precompute.model.language_model import LanguageModel
from app.precompute.target import Target
from app.sae.dictionary import Dictionary
from app.stats.corpus import Corpus
from app.stats.events import EventStore
from app.stats.hidden_pre import HiddenPreSample
from app.stats.reconstruction import read_squares

Models = Callable[[str], LanguageModel]
Dictionaries = Callable[..., Dictionary]
HOOKS = ("blocks.0.hook_resid_post", "blocks.1.hook_mlp_out", "blocks.0.hook_resid_post")
KINDS = ("relu", "topk", "jumprelu")
N_CONTEXTS, SIZE, D_SAE = 11, 16, 24
NAMES = (("errors", "npy"), ("sums", "npz"), ("hidden-pre", "npy"))


def some_corpus() -> Corpus:
    """Contexts with a BOS, separators inside and padding at some ends; one counts nowhere."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 290, (N_CONTEXTS, SIZE)).astype(np.uint16)
    tokens[:, 0] = 0
    counted = rng.random(tokens.shape) < 0.9
    counted[3, 9:] = False
    counted[5] = False
    counted[:, 0] = False
    return Corpus(tokens, counted, np.zeros(tokens.shape, np.int32), 300, ["all"])


CORPUS = some_corpus()


@pytest.fixture
def make_targets(
    tiny_model: Models, tiny_dictionary: Dictionaries
) -> Callable[[Path], list[Target]]:
    """Three dictionaries at two hooks of one model."""

    def make(folder: Path) -> list[Target]:
        return [
            Target(kind, tiny_dictionary(16, D_SAE, kind, seed), hook, folder / kind)
            for seed, (kind, hook) in enumerate(zip(KINDS, HOOKS, strict=True))
        ]

    return make


def keeping(targets: Sequence[Target], per_shard: int, keeps: bool = True) -> KeptActivations:
    """Activations kept beside the targets' folders."""
    folder = targets[0].folder.parent / "activations"
    return KeptActivations(folder, keeps, per_shard, SIZE, torch.float32)


def extract(model: LanguageModel, targets: Sequence[Target], **options: Any) -> None:
    """Runs the stage, shard after shard."""
    use: dict[str, Any] = {
        "per_shard": 4,
        "batch_contexts": 3,
        "tile_features": 1024,
        "sample": sampled_contexts(N_CONTEXTS, 4, 0),
    }
    use |= options
    use.setdefault("kept", keeping(targets, use["per_shard"], keeps=False))
    write_manifests(targets, CORPUS, use["per_shard"])
    for index in range(-(-N_CONTEXTS // use["per_shard"])):
        extract_shard(model, targets, CORPUS, index, **use)


def dense_of(model: LanguageModel, target: Target) -> tuple[np.ndarray, ...]:
    """(x, x̂, hidden_pre, activations) of every token, each context run alone."""
    parts: list[tuple[torch.Tensor, ...]] = []
    for row in CORPUS.tokens:
        tokens = torch.from_numpy(row.astype(np.int64))[None]
        x = model.activations(tokens, [target.hook_name])[target.hook_name][0]
        hidden_pre, acts = target.dictionary.forward_encoder(x)
        parts.append((x, target.dictionary.decode(acts, x), hidden_pre, acts))
    return tuple(torch.stack(column).numpy() for column in zip(*parts, strict=True))


def check(model: LanguageModel, target: Target) -> None:
    """Everything on disk against the dense activations."""
    x, x_hat, hidden_pre, acts = dense_of(model, target)
    store = EventStore.open(target.folder)
    found = np.zeros((N_CONTEXTS, SIZE, D_SAE), np.float32)
    for feature in store.features(0, D_SAE):
        found[feature.context_id, feature.position, feature.feature_index] = feature.activation
    expected = np.where(CORPUS.counted[:, :, None], acts, 0)
    assert ((found > 0) == (expected > 0)).all()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

    quality, zero = read_sums(target, len(store.shards))
    of_counted, hat_counted = x[CORPUS.counted], x_hat[CORPUS.counted]
    assert (quality.n_tokens, quality.n_active) == (CORPUS.counted.sum(), (expected > 0).sum())
    np.testing.assert_allclose(quality.sum_x, of_counted.sum(axis=0), rtol=1e-4, atol=1e-3)
    residual = ((of_counted - hat_counted) ** 2).sum()
    assert quality.residual_squared == pytest.approx(residual, rel=1e-4)
    assert quality.x_squared == pytest.approx((of_counted**2).sum(), rel=1e-4)

    assert zero.n_active.tolist() == (acts[:, 0] > 0).sum(axis=0).tolist()
    np.testing.assert_allclose(zero.total, acts[:, 0].sum(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(zero.max, acts[:, 0].max(axis=0), rtol=1e-4, atol=1e-5)

    squares = [read_squares(target.folder, i, store.contexts_per_shard) for i in range(N_CONTEXTS)]
    wanted = np.stack([(part**2).sum(axis=-1) for part in (x - x_hat, x, x_hat)], axis=-1)
    wanted[..., [0, 2]] = np.where(CORPUS.counted[..., None], wanted[..., [0, 2]], np.nan)
    np.testing.assert_allclose(np.array(squares), wanted, rtol=1e-3, atol=1e-4)

    sample = HiddenPreSample.open(target.folder, len(store.shards))
    chosen = CORPUS.counted & sampled_contexts(N_CONTEXTS, 4, 0)[:, None]
    assert sample.places.tolist() == np.flatnonzero(chosen).tolist()
    values = np.concatenate([sample.features(0, 5), sample.features(5, D_SAE)])
    np.testing.assert_allclose(values.T, hidden_pre[chosen], rtol=2e-3, atol=2e-3)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(per_shard=1, batch_contexts=2, rows=5, tile_features=7)
@given(
    per_shard=st.integers(1, 12),
    batch_contexts=st.integers(1, 12),
    rows=st.sampled_from([5, 512]),
    tile_features=st.sampled_from([1, 7, 24, 1000]),
)
def test_equal_to_dense_activations(
    tiny_model: Models,
    make_targets: Callable[[Path], list[Target]],
    tmp_path_factory: pytest.TempPathFactory,
    per_shard: int,
    batch_contexts: int,
    rows: int,
    tile_features: int,
) -> None:
    """Whatever the sizes of shards, batches and the tiles that are encoded at once."""
    model = tiny_model("neox")
    targets = make_targets(tmp_path_factory.mktemp("events"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ROWS_AT_ONCE, "cpu", rows)
        extract(
            model,
            targets,
            per_shard=per_shard,
            batch_contexts=batch_contexts,
            tile_features=tile_features,
        )
    for target in targets:
        check(model, target)


def test_the_model_sees_each_context_once(
    tiny_model: Models,
    make_targets: Callable[[Path], list[Target]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_model("neox")
    seen: list[list[int]] = []
    run = LanguageModel.activations

    def watched(self: LanguageModel, tokens: torch.Tensor, *rest: Any, **options: Any) -> Any:
        seen.extend(tokens.tolist())
        return run(self, tokens, *rest, **options)

    monkeypatch.setattr(LanguageModel, "activations", watched)
    extract(model, make_targets(tmp_path))
    assert sorted(seen) == sorted(CORPUS.tokens.tolist())


def files_of(folder: Path) -> dict[str, Any]:
    """Every file's content; of archives their arrays, as they carry the time of writing."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                found |= {f"{path.name} {name}": arrays[name].tolist() for name in arrays}
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


class Killed(BaseException):
    """Ends a run the way a signal would: at a moment nobody chose."""


@pytest.mark.parametrize("n_batches", [0, 1, 2, 4])
def test_shards_that_were_cut_short_are_made_again(
    tiny_model: Models,
    make_targets: Callable[[Path], list[Target]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_batches: int,
) -> None:
    model = tiny_model("neox")
    whole, cut = make_targets(tmp_path / "whole"), make_targets(tmp_path / "cut")
    extract(model, whole)
    left, run = n_batches, LanguageModel.activations

    def killed(self: LanguageModel, *rest: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return run(self, *rest, **options)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(LanguageModel, "activations", killed)
        extract(model, cut)
    extract(model, cut)
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "cut")


def test_a_shard_of_one_dictionary_is_the_one_of_all(
    tiny_model: Models, make_targets: Callable[[Path], list[Target]], tmp_path: Path
) -> None:
    """What one dictionary lacks is run for it alone, over what a kill has left there."""
    model = tiny_model("neox")
    targets = make_targets(tmp_path)
    extract(model, targets)
    before = files_of(tmp_path)
    shutil.rmtree(targets[1].folder / "shard-00001")
    (targets[1].folder / "shard-00001.partial").mkdir()  # a kill while it was being written
    with pytest.raises(AtlasError, match="run precompute again, it resumes"):
        EventStore.open(targets[1].folder)
    extract(model, targets[1:2])
    assert files_of(tmp_path) == before


def test_the_layout_on_disk_is_the_documented_one(
    tiny_model: Models, make_targets: Callable[[Path], list[Target]], tmp_path: Path
) -> None:
    targets = make_targets(tmp_path)
    extract(tiny_model("neox"), targets)
    folder = targets[0].folder
    assert json.loads((folder / "events.json").read_text()) == {
        "d_sae": D_SAE,
        "context_size": SIZE,
        "contexts_per_shard": 4,
        "n_contexts": N_CONTEXTS,
    }
    names = sorted(path.name for path in folder.iterdir())
    shards = [f"shard-0000{i}" for i in range(3)]
    beside = [f"{n}-0000{i}.{e}" for i in range(3) for n, e in NAMES]
    assert names == sorted(["events.json", *shards, *beside])
    for shard in shards:
        indptr, token, activation = (
            np.load(folder / shard / f"{name}.npy") for name in ("indptr", "token", "activation")
        )
        assert (indptr.dtype, token.dtype, activation.dtype) == (np.int64, np.uint16, np.float32)
        for start, stop in pairwise(indptr.tolist()):
            assert (np.diff(token[start:stop].astype(int)) > 0).all()


def test_shards_keep_places_in_16_bits() -> None:
    assert contexts_per_shard(128) * 128 == 2**16
    assert contexts_per_shard(100_000) == 1


def test_samples_of_contexts_are_seeded_and_of_the_size_asked_for() -> None:
    assert sampled_contexts(100, 7, 0).sum() == 7
    assert sampled_contexts(5, 7, 0).all()
    assert (sampled_contexts(100, 7, 0) == sampled_contexts(100, 7, 0)).all()
    assert (sampled_contexts(100, 7, 0) != sampled_contexts(100, 7, 1)).any()
    assert (sampled_contexts(100, 7, 0) != sampled_contexts(100, 7, 0, stream=1)).any()
    # Nested: a larger sample holds the smaller one.
    assert sampled_contexts(100, 9, 0)[sampled_contexts(100, 7, 0)].all()


def test_position_zero_sums_merge() -> None:
    rng = np.random.default_rng(0)
    feature, activation = rng.integers(0, 5, 20), rng.random(20).astype(np.float32)
    whole, first, second = (PositionZeroSums.zeros(5) for _ in range(3))
    whole.add(feature, activation)
    first.add(feature[:9], activation[:9])
    second.add(feature[9:], activation[9:])
    first.merge(second)
    assert (first.n_active == whole.n_active).all()
    assert (first.max == whole.max).all()
    np.testing.assert_allclose(first.total, whole.total)


def test_activations_that_are_no_numbers_are_refused(
    tiny_model: Models,
    make_targets: Callable[[Path], list[Target]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """NaN exceeds no threshold: without a check it would pass for silence."""
    model = tiny_model("neox")
    run = LanguageModel.activations

    def broken(self: LanguageModel, *rest: Any, **options: Any) -> dict[str, torch.Tensor]:
        return {name: x * torch.nan for name, x in run(self, *rest, **options).items()}

    monkeypatch.setattr(LanguageModel, "activations", broken)
    with pytest.raises(AtlasError, match="hold NaN or infinity"):
        extract(model, make_targets(tmp_path))


def test_the_trial_chooses_among_its_candidates(
    tiny_model: Models, make_targets: Callable[[Path], list[Target]], tmp_path: Path
) -> None:
    sizes = try_sizes(tiny_model("neox"), make_targets(tmp_path), CORPUS).sizes
    assert sizes.batch_contexts in [n for n in BATCHES["cpu"] if n <= N_CONTEXTS]
    assert sizes.tile_features == D_SAE  # narrower than any tile
    extract(tiny_model("neox"), make_targets(tmp_path), **vars(sizes))
