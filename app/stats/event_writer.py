"""Writes event shards so that a kill at any moment leaves whole shards or none.

Takes the events of one block of contexts in any order, gives a folder as described in `events`:
sorted, written under another name, forced to disk, then renamed. Knows no model, no dictionary.
"""

import json
import shutil
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64, Integer, UInt

from app import durable
from app.errors import AtlasError
from app.stats.arrays import offsets, radix_argsort
from app.stats.events import shard_name


def write_manifest(
    folder: Path, *, d_sae: int, context_size: int, contexts_per_shard: int, n_contexts: int
) -> None:
    """Write events.json: what every shard of the folder agrees on. Atomic, like the shards."""
    manifest = {
        "d_sae": d_sae,
        "context_size": context_size,
        "contexts_per_shard": contexts_per_shard,
        "n_contexts": n_contexts,
    }
    try:
        durable.write(folder / "events.json", json.dumps(manifest, indent=2).encode())
    except OSError as error:
        raise _cannot_write(folder, error) from error


def write_shard(
    folder: Path,
    index: int,
    feature: Integer[np.ndarray, " n"],
    token: Integer[np.ndarray, " n"],
    activation: Float32[np.ndarray, " n"],
    d_sae: int,
) -> None:
    """Sort events by (feature, token) and publish them as shard `index`, replacing an older one.

    `token` is local context * context_size + position within the shard. ValueError for a feature
    outside [0, d_sae) or an activation that is not a positive finite number: both would be bugs of
    the caller that no later stage could notice. Memory: about 30 bytes an event while sorting.
    """
    if feature.size and not 0 <= int(feature.min()) <= int(feature.max()) < d_sae:
        raise ValueError(f"feature indices must lie in [0, {d_sae})")
    counts = np.bincount(feature, minlength=d_sae).astype(np.int64)
    order = _feature_token_order(feature, token)
    small = token.size == 0 or int(token.max()) < 2**16
    ordered = token[order].astype(np.uint16 if small else np.uint32)
    write_ordered_shard(folder, index, offsets(counts), ordered, activation[order])


def write_ordered_shard(
    folder: Path,
    index: int,
    indptr: Int64[np.ndarray, " d_sae_plus_one"],
    token: UInt[np.ndarray, " n"],
    activation: Float32[np.ndarray, " n"],
) -> None:
    """Publish events that are in order as shard `index`, replacing an older one.

    ValueError for an activation that is not a positive finite number.
    """
    if activation.size and not (activation.min() > 0 and np.isfinite(activation.max())):
        raise ValueError("events hold positive finite activations only")
    arrays = {"indptr": indptr, "token": token, "activation": activation}
    try:
        _publish(folder, shard_name(index), arrays)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _feature_token_order(
    feature: Integer[np.ndarray, " n"], token: Integer[np.ndarray, " n"]
) -> np.ndarray:
    """Stable order by (feature, token); the token pass is skipped where they come ascending."""
    features = feature.astype(np.uint32)
    if bool(np.all(token[1:] >= token[:-1])):
        return radix_argsort(features)
    by_token = radix_argsort(token.astype(np.uint32))
    return by_token[radix_argsort(features[by_token])]


def _publish(folder: Path, name: str, arrays: dict[str, np.ndarray]) -> None:
    partial, final = folder / f"{name}.partial", folder / name
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for key, array in arrays.items():
        np.save(partial / f"{key}.npy", array)
    durable.put(partial, final)


def _cannot_write(folder: Path, error: OSError) -> AtlasError:
    return AtlasError(
        f"Could not write events to {folder}: {error.strerror or error}. Finished shards are kept; "
        "free some space or check the permissions, then run the same command again to resume."
    )
