"""What is read is what was written, bit for bit; a missing file is no zero."""

from pathlib import Path

import numpy as np
import pytest
import torch

from app.precompute.events.kept_activations import KeptActivations, has_room

N_CONTEXTS, SIZE, PER_SHARD = 7, 5, 3
WIDTHS = {"blocks.0.hook_resid_post": 4, "blocks.1.attn.hook_z": 6}


def written(
    folder: Path, dtype: torch.dtype, keeps: bool = True
) -> tuple[KeptActivations, dict[str, torch.Tensor]]:
    """Three shards of two hooks, in batches of two contexts, and what was put in."""
    generator = torch.Generator().manual_seed(0)
    whole = {
        name: torch.randn(N_CONTEXTS, SIZE, d_in, generator=generator).to(dtype)
        for name, d_in in WIDTHS.items()
    }
    kept = KeptActivations(folder, keeps, PER_SHARD, SIZE, dtype)
    for shard, start in enumerate(range(0, N_CONTEXTS, PER_SHARD)):
        with kept.writing(WIDTHS, shard) as writing:
            for first in range(start, min(start + PER_SHARD, N_CONTEXTS), 2):
                batch = slice(first, min(first + 2, start + PER_SHARD))
                writing.add({name: x[batch] for name, x in whole.items()})
    return kept, whole


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_are_what_was_written(tmp_path: Path, dtype: torch.dtype) -> None:
    kept, whole = written(tmp_path, dtype)
    rng = np.random.default_rng(1)
    context_id, position = rng.integers(0, N_CONTEXTS, 40), rng.integers(0, SIZE, 40)
    for name, d_in in WIDTHS.items():
        found = kept.rows(name, d_in, context_id, position)
        assert found is not None and found.dtype == dtype
        expected = whole[name][torch.from_numpy(context_id), torch.from_numpy(position)]
        assert torch.equal(found, expected)


def test_a_missing_shard_is_missing(tmp_path: Path) -> None:
    kept, _ = written(tmp_path, torch.float32)
    name, d_in = next(iter(WIDTHS.items()))
    kept.path(name, 1).unlink()
    first, second = np.array([0, 2]), np.array([0, 3])
    assert kept.rows(name, d_in, first, first) is not None
    assert kept.rows(name, d_in, second, first) is None
    assert kept.files(WIDTHS, 1) == [kept.path("blocks.1.attn.hook_z", 1)]


def test_where_nothing_is_kept_older_files_go(tmp_path: Path) -> None:
    written(tmp_path, torch.float32)
    kept, _ = written(tmp_path, torch.float32, keeps=False)
    assert [path for shard in range(3) for path in kept.files(WIDTHS, shard)] == []


def test_room_is_that_of_all_hooks(tmp_path: Path) -> None:
    n_bytes = N_CONTEXTS * SIZE * 4
    needed = sum(WIDTHS.values()) * n_bytes / 1e9
    assert has_room(tmp_path, needed, WIDTHS, n_bytes)
    assert not has_room(tmp_path, needed * 0.99, WIDTHS, n_bytes)
    assert not has_room(tmp_path, 1e12, WIDTHS, 10**15)
