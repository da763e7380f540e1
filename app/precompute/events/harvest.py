"""What one shard of contexts gives for one dictionary: its events and its sums, batch by batch.

Takes activations of its hooks and the corpus that says which tokens count; leaves a shard as
`app.stats.events` reads it, and beside it what quality, position 0 and thresholds need. Whatever is
long runs on the device of the activations, and only what fires comes back. Knows no model.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from app.durable import replacing
from app.errors import AtlasError
from app.precompute.events.finder import finder
from app.precompute.events.selecting import append_runs
from app.precompute.target import Target
from app.stats.arrays import offsets
from app.stats.corpus import Corpus
from app.stats.event_writer import write_ordered_shard
from app.stats.hidden_pre import sums_path, write_hidden_pre
from app.stats.quality import QualitySums, residual_squared
from app.stats.reconstruction import ErrorSums

ROWS_AT_ONCE = {"cpu": 1024, "cuda": 16384, "mps": 16384}
"""Most tokens encoded at a time."""


@dataclass
class PositionZeroSums:
    """Firings at position 0, kept apart from every count: [d_sae] each."""

    n_active: Int64[np.ndarray, " d_sae"]
    total: Float64[np.ndarray, " d_sae"]
    max: Float32[np.ndarray, " d_sae"]

    @classmethod
    def zeros(cls, d_sae: int) -> "PositionZeroSums":
        """Sums of nothing."""
        return cls(np.zeros(d_sae, np.int64), np.zeros(d_sae), np.zeros(d_sae, np.float32))

    def add(self, feature: Int64[np.ndarray, " n"], activation: Float32[np.ndarray, " n"]) -> None:
        """Takes in the firings at position 0 of some contexts."""
        d_sae = len(self.n_active)
        self.n_active += np.bincount(feature, minlength=d_sae)
        self.total += np.bincount(feature, activation.astype(np.float64), minlength=d_sae)
        np.maximum.at(self.max, feature, activation)

    def merge(self, other: "PositionZeroSums") -> None:
        """Adds the sums of other contexts."""
        self.n_active += other.n_active
        self.total += other.total
        self.max = np.maximum(self.max, other.max)


class Harvest:
    """Takes in the batches of one shard in the order of the contexts, then writes it.

    Memory: 6 to 8 bytes an event, twice while it is written, and 4 bytes a feature for every batch.
    """

    def __init__(
        self, target: Target, corpus: Corpus, start: int, n_contexts: int, tile_features: int
    ) -> None:
        self.target = target
        self._corpus = corpus
        self._start = start
        self._finder = finder(target.dictionary, tile_features)
        self._small = n_contexts * corpus.context_size <= 2**16
        self._events: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._quality = QualitySums.empty(target.d_out)
        self._errors = ErrorSums(n_contexts, corpus.context_size)
        self._position_zero: list[Tensor] = []
        self._sample: list[tuple[np.ndarray, np.ndarray]] = []

    def add(
        self,
        first: int,
        x: Float[Tensor, "batch pos d_in"],
        y: Float[Tensor, "batch pos d_out"],
        sample: Bool[np.ndarray, " batch"],
    ) -> None:
        """Takes in the contexts from `first` on: `x` is what is encoded, `y` what is reconstructed
        (of an autoencoder the same). Of the contexts in `sample` all `hidden_pre` is kept.
        """
        counted = np.array(self._corpus.counted[first : first + len(x)])  # a copy of the map
        chosen = np.flatnonzero(counted)
        places = chosen + (first - self._start) * self._corpus.context_size
        sampled = np.repeat(sample, counted.sum(axis=1))
        rows, outputs = x.flatten(0, 1), y.flatten(0, 1)
        at_once = ROWS_AT_ONCE[x.device.type]
        for begin in range(0, len(chosen), at_once):
            tile = slice(begin, begin + at_once)
            index = torch.from_numpy(chosen[tile]).to(x.device, non_blocking=True)
            own = rows[index].float()
            wanted = own if y is x else outputs[index].float()
            self._add_rows(own, wanted, places[tile], sampled[tile])
        self._add_uncounted(outputs, np.flatnonzero(~counted), first - self._start)
        self._position_zero.append(x[:, 0].float())

    def write(self, index: int) -> None:
        """Puts the shard on disk: the sums first, so that a shard that exists has them."""
        self._write_sums(index)
        self._errors.write(self.target.folder, index)
        counts = np.zeros(self.target.dictionary.config.d_sae, np.int64)
        for block_counts, _, _ in self._events:
            counts += block_counts
        indptr = offsets(counts)
        token = np.empty(indptr[-1], np.uint16 if self._small else np.uint32)
        activation = np.empty(indptr[-1], np.float32)
        following = indptr[:-1].copy()
        for block_counts, block_token, block_activation in self._events:
            append_runs(block_counts, block_token, block_activation, following, token, activation)
        write_ordered_shard(self.target.folder, index, indptr, token, activation)

    def _add_rows(
        self,
        x: Float[Tensor, "n d_in"],
        y: Float[Tensor, "n d_out"],
        places: Int64[np.ndarray, " n"],
        sampled: Bool[np.ndarray, " n"],
    ) -> None:
        dictionary = self.target.dictionary
        kept = torch.from_numpy(np.flatnonzero(sampled)).to(x.device) if sampled.any() else None
        firings, hidden_pre = self._finder.find(x, kept)
        y_hat = firings.decode(dictionary, x)
        sum_y, products = _products(y, y_hat)
        feature, row, activation, sum_y, products = on_host(
            firings.feature, firings.row, firings.activation.float(), sum_y, products
        )
        if not np.isfinite(products).all():
            hooks = " or ".join(dict.fromkeys(self.target.hooks))
            raise AtlasError(
                f"The activations at {hooks} hold NaN or infinity; "
                "run the model in float32, or choose another hook."
            )
        # Rows came in the order of places, so each feature's tokens ascend.
        self._events.append(
            (
                np.bincount(feature, minlength=dictionary.config.d_sae).astype(np.int32),
                places.astype(np.uint16 if self._small else np.uint32)[row],
                activation,
            )
        )
        self._quality.merge(QualitySums.of_products(sum_y, products, len(row)))
        self._errors.add_squares(places, residual_squared(products), products[0], products[2])
        if kept is not None:
            offset = self._start * self._corpus.context_size
            (half,) = on_host(hidden_pre.half())
            self._sample.append((places[sampled].astype(np.int64) + offset, half))

    def _add_uncounted(
        self, rows: Float[Tensor, "n d_out"], chosen: Int64[np.ndarray, " m"], context: int
    ) -> None:
        """Position 0 and special tokens are not encoded; how long they are is kept all the same.

        `context`: which of the shard's is the first of these rows.
        """
        if not len(chosen):
            return
        x = rows[torch.from_numpy(chosen).to(rows.device)].to(_best(rows))
        (squared,) = on_host(torch.linalg.vecdot(x, x))
        self._errors.add_uncounted(chosen + context * self._corpus.context_size, squared)

    def _write_sums(self, index: int) -> None:
        d_sae = self.target.dictionary.config.d_sae
        zero = PositionZeroSums.zeros(d_sae)
        for x in torch.cat(self._position_zero).split(ROWS_AT_ONCE["cpu"]):
            firings, _ = self._finder.find(x)
            zero.add(*on_host(firings.feature, firings.activation.float()))
        place = np.concatenate([np.zeros(0, np.int64), *(part for part, _ in self._sample)])
        write_hidden_pre(self.target.folder, index, [rows for _, rows in self._sample])
        write_sums(self.target.folder, index, zero, place, self._quality)


def write_sums(
    folder: Path,
    index: int,
    zero: PositionZeroSums,
    sample_place: Int64[np.ndarray, " n"],
    quality: QualitySums,
) -> None:
    """The sums of a shard, beside it, whole or not at all; `sample_place`: the tokens whose
    `hidden_pre` is kept."""
    with replacing(sums_path(folder, index)) as file:
        np.savez(
            file,
            zero_n_active=zero.n_active,
            zero_total=zero.total,
            zero_max=zero.max,
            sample_place=sample_place,
            quality=json.dumps(quality.state()),
        )


def on_host(*tensors: Tensor) -> list[np.ndarray]:
    """The tensors as arrays; from another device through pinned memory, waiting once for all."""
    found = [tensor.to("cpu", non_blocking=True) for tensor in tensors]
    for tensor in tensors[:1]:
        if tensor.device.type == "cuda":
            torch.cuda.current_stream(tensor.device).synchronize()
        elif tensor.device.type == "mps":
            torch.mps.synchronize()
    return [tensor.numpy() for tensor in found]


def _products(
    y: Float[Tensor, "n d_out"], y_hat: Float[Tensor, "n d_out"]
) -> tuple[Float[Tensor, " d_out"], Float[Tensor, "three n"]]:
    """(Σy; |y|², y·ŷ and |ŷ|² of every row) in float64, or the device's best."""
    y, y_hat = y.to(_best(y)), y_hat.to(_best(y))
    pairs = ((y, y), (y, y_hat), (y_hat, y_hat))
    return y.sum(dim=0), torch.stack([torch.linalg.vecdot(a, b) for a, b in pairs])


def _best(x: Tensor) -> torch.dtype:
    """The dtype that sums are taken in."""
    return torch.float32 if x.device.type == "mps" else torch.float64
