"""A delphi cache read from files the test writes by the format's own definition; each wrong file is
one sentence that names it."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from app.errors import AtlasError
from app.exchange.delphi import split
from app.exchange.delphi.cache import open_cache

N, SIZE, D_SAE = 9, 5, 7


@pytest.fixture
def acts() -> np.ndarray:
    random = np.random.default_rng(0)
    fires = random.random((N, SIZE, D_SAE)) < 0.3
    return np.where(fires, random.normal(0, 1, fires.shape), 0).astype(np.float16)


@pytest.fixture
def tokens() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 50, (N, SIZE))


def write(
    folder: Path,
    acts: np.ndarray,
    tokens: np.ndarray,
    cuts: Any = (0, 3, 7),
    dtype: Any = np.uint16,
) -> Path:
    """`locations` are (sequence, position, feature − first) in that order."""
    folder.mkdir(parents=True)
    for first, stop in pairwise(cuts):
        part = acts[..., first:stop]
        places = np.argwhere(part)
        held = {
            "locations": np.ascontiguousarray(places, dtype=dtype),
            "activations": part[tuple(places.T)],
            "tokens": tokens,
        }
        save_file(held, folder / f"{first}_{stop - 1}.safetensors")
    (folder / "config.json").write_text(json.dumps({"cache_ctx_len": SIZE}))
    return folder


def dense(module: Any, start: int = 0, stop: int = N) -> np.ndarray:
    found = np.zeros((stop - start, SIZE, D_SAE), np.float32)
    for part in module.firings(start, stop):
        found[part.sequence - start, part.position, part.feature] += part.activation
    return found


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int64])
@pytest.mark.parametrize("at_once", [4, 1000])
def test_firings_are_the_values_that_are_not_zero(
    dtype: Any, at_once: int, tmp_path: Path, acts: np.ndarray, tokens: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(split, "ROWS_AT_ONCE", at_once)
    write(tmp_path / "cache" / "layers.3" / "mlp", acts, tokens, dtype=dtype)
    (module,) = open_cache(tmp_path / "cache")
    assert module.name == "layers.3/mlp"
    assert (module.d_sae, module.n_sequences, module.context_size) == (D_SAE, N, SIZE)
    assert (np.concatenate(list(module.tokens())) == tokens).all()
    assert (dense(module) == acts).all()
    assert (dense(module, 2, 5) == acts[2:5]).all()


def test_shuffled_firings_are_found_too(
    tmp_path: Path, acts: np.ndarray, tokens: np.ndarray
) -> None:
    folder = write(tmp_path / "m", acts, tokens, cuts=(0, 7))
    places = np.random.default_rng(0).permutation(np.argwhere(acts))
    held = {
        "locations": np.ascontiguousarray(places, np.uint16),
        "activations": acts[tuple(places.T)],
        "tokens": tokens,
    }
    save_file(held, folder / "0_6.safetensors")
    (module,) = open_cache(folder)
    assert not module.splits[0].is_ordered
    assert (dense(module, 3, 8) == acts[3:8]).all()


def spoiled(**changes: Any) -> Callable[[Path], None]:
    """Another file 0_2 with some arrays changed or, if None, left out."""

    def spoil(folder: Path) -> None:
        held = {
            "locations": np.array([[0, 1, 2], [1, 1, 0]], np.uint16),
            "activations": np.array([1, 2], np.float16),
            "tokens": np.zeros((N, SIZE), np.int64),
        } | changes
        kept = {name: array for name, array in held.items() if array is not None}
        save_file(kept, folder / "0_2.safetensors")

    return spoil


WRONG: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no tokens": (spoiled(tokens=None), "holds no tokens"),
    "no locations": (spoiled(locations=None), "expected locations, activations and tokens"),
    "width": (spoiled(locations=np.zeros((2, 2), np.uint16)), "expected [n, 3] and [n]"),
    "length": (spoiled(activations=np.ones(3, np.float16)), "expected [n, 3] and [n]"),
    "dtype": (spoiled(locations=np.zeros((2, 3), np.float32)), "locations as F32"),
    "sequence": (spoiled(locations=np.array([[0, 0, 0], [N, 0, 0]])), "sequence 9 is not below 9"),
    "position": (spoiled(locations=np.array([[0, 9, 0], [1, 0, 0]])), "position 9 is not below 5"),
    "feature": (spoiled(locations=np.array([[0, 0, 3], [1, 0, 0]])), "feature 3 is not below 3"),
    "token": (spoiled(tokens=np.full((N, SIZE), 2**40)), "0: 1099511627776 is no token's id"),
    "negative token": (spoiled(tokens=np.full((N, SIZE), -1)), "position 0: -1 is no token's id"),
    "infinity": (spoiled(activations=np.array([1, np.inf], np.float16)), "firing 1: the"),
    "other texts": (spoiled(tokens=np.zeros((N + 1, SIZE), np.int64)), "of different caches"),
    "truncated": (
        lambda folder: (folder / "0_2.safetensors").write_bytes(b"\x99" * 20), "can't be read",
    ),
    "missing": (lambda folder: (folder / "0_2.safetensors").unlink(), "no file holds feature 0"),
    "twice": (
        lambda folder: (folder / "0_2.safetensors").rename(folder / "0_4.safetensors"),
        "the file before it ends at 4",
    ),
    "config": (lambda folder: (folder / "config.json").write_text("{"), "is not valid JSON"),
    "half a character": (
        lambda folder: (folder / "config.json").write_text(r'{"dataset_repo": "\ud800"}'),
        "is not valid JSON",
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", WRONG)
def test_a_wrong_file_is_named(
    which: str, tmp_path: Path, acts: np.ndarray, tokens: np.ndarray
) -> None:
    folder = write(tmp_path / "m", acts, tokens)
    change, said = WRONG[which]
    change(folder)
    with pytest.raises(AtlasError) as caught:
        (module,) = open_cache(folder)
        list(module.tokens())
        module.check()
    assert said in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_folder_without_a_cache_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="is no delphi cache: expected MODULE/FIRST_LAST"):
        open_cache(tmp_path)
