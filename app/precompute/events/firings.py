"""Where features fire on many tokens, found without ever holding a whole row of features.

Takes a dictionary and activations of its hook; gives every firing (feature, row, activation), equal
to the non-zero entries of `Dictionary.encode`. The encoder runs a tile of features at a time, small
enough to be searched while it lies in the cache; what is slow on few numbers (the bias, the
activation function) is left to the few that pass. Where features compete, `top_k_firings` and
`whole_row_firings` do the same. Knows no corpus and no file.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.precompute.coder import Coder
from app.precompute.events.selecting import order_by_row, select_above
from app.sae.dictionary import Dictionary

MARGIN = 8
"""Roundings by which a value may lie below its threshold and still be looked at: the bias is added
after the comparison, so that both sides of it are rounded. What doesn't fire is dropped then."""


@dataclass(frozen=True, eq=False)
class Firings:
    """All firings on some rows, by feature, then row."""

    feature: Int[Tensor, " n"]
    row: Int[Tensor, " n"]
    activation: Float[Tensor, " n"]
    n_rows: int

    @cached_property
    def by_row(self) -> Int[Tensor, " n"]:
        """Indices that order them by row, then feature."""
        if self.row.device.type != "cpu":
            return self.row.sort(stable=True).indices
        return torch.from_numpy(order_by_row(self.row.numpy(), self.n_rows))

    def decode(self, dictionary: Coder, x: Float[Tensor, "n d_in"]) -> Float[Tensor, "n d_out"]:
        """The reconstruction of the rows `x` that were searched."""
        order = self.by_row
        row, feature = self.row[order], self.feature[order]
        return dictionary.decode_events(row, feature, self.activation[order], x)


def is_compiled_for(W: Float[Tensor, "d_sae d_in"]) -> bool:
    """Whether the loops of `selecting` can search what these weights give."""
    return W.device.type == "cpu" and W.dtype == torch.float32


class FiringFinder(ABC):
    """Searches rows for one dictionary. May hold a buffer, so every thread needs its own."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary

    @abstractmethod
    def find(
        self, x: Float[Tensor, "n d_in"], kept: Int[Tensor, " m"] | None = None
    ) -> tuple[Firings, Float[Tensor, "m d_sae"]]:
        """(the firings on these rows, the `hidden_pre` of all features on the rows `kept`)."""


class TiledFinder(FiringFinder):
    """Searches a tile of features at a time; what a tile must exceed is the subclass' part."""

    def __init__(self, dictionary: Dictionary, tile_features: int) -> None:
        """`tile_features`: encoder columns multiplied at once; changes the speed only."""
        super().__init__(dictionary)
        self._W = dictionary.encoder_rows
        self._tile_features = min(tile_features, len(self._W))
        self._tile = self._W.new_empty(0)
        self._room = _Room() if is_compiled_for(self._W) else None
        self._added = self._W.new_zeros(len(self._W))
        """What a compiled search adds to a tile, by feature, before it compares."""

    @abstractmethod
    def _multiply(
        self, rows: slice, columns: Float[Tensor, "d_in n"], out: Float[Tensor, "tile n"]
    ) -> tuple[Float[Tensor, " tile"], Float[Tensor, " n"]]:
        """Fills a tile; returns the floor of each of its features and that of each row of `x`, of
        which one is zero everywhere. What doesn't exceed the floor surely doesn't fire.
        """

    def _search(
        self, x: Float[Tensor, "n d_in"], kept: Int[Tensor, " m"] | None
    ) -> tuple[Firings, Float[Tensor, "m d_sae"]]:
        """(what exceeds the floors, the rows kept), both as the tiles hold them.

        In memory the rows kept lie feature by feature, as in the tiles and in the file.
        """
        columns, n = self.dictionary.encoder_input(x).T, len(x)
        size = self._tile_features * n
        if self._tile.numel() < size:  # used again and again: fresh memory is slow
            self._tile = self._W.new_empty(size)
        columns_kept = self._W.new_empty(len(self._W), 0 if kept is None else len(kept))
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        for start in range(0, len(self._W), self._tile_features):
            rows = slice(start, min(start + self._tile_features, len(self._W)))
            shape = (rows.stop - start, n)
            tile = self._tile[: shape[0] * n].view(shape)
            floors = self._multiply(rows, columns, tile)
            if self._room is not None:
                self._room.take(tile, self._added[rows], floors, start)
            else:
                found.append(_above(tile, floors, start))
            if kept is not None:
                torch.index_select(tile, 1, kept, out=columns_kept[rows])
        if self._room is not None:
            found.append(self._room.empty())
        parts = zip(*found, strict=True)
        feature, row, value = (part[0] if len(part) == 1 else torch.cat(part) for part in parts)
        return Firings(feature, row, value, n), columns_kept.T


class ThresholdFinder(TiledFinder):
    """For dictionaries in which every feature fires by itself."""

    def __init__(self, dictionary: Dictionary, tile_features: int) -> None:
        super().__init__(dictionary, tile_features)
        threshold = dictionary.activation.linear_threshold(len(self._W))
        if threshold is None:
            raise ValueError(f"{dictionary.activation.name} has no thresholds")
        threshold, bias = threshold.to(self._W), dictionary.b_enc
        self._is_exact = self._room is not None and dictionary.activation.passes_linear
        """Whether what a search finds are the firings themselves."""
        if self._is_exact:
            self._added, self._floor = bias, torch.nan_to_num(threshold, nan=0.0)
            return
        margin = MARGIN * torch.finfo(self._W.dtype).eps * (threshold.abs() + bias.abs())
        # A threshold that can't be computed lets everything through to the activation itself.
        self._floor = torch.nan_to_num(threshold - bias - margin, nan=-torch.inf)

    def find(
        self, x: Float[Tensor, "n d_in"], kept: Int[Tensor, " m"] | None = None
    ) -> tuple[Firings, Float[Tensor, "m d_sae"]]:
        bias, activation = self.dictionary.b_enc, self.dictionary.activation
        found, products = self._search(x, kept)
        linear = products.add_(bias)
        if self._is_exact:
            return found, linear
        hidden_pre = activation(linear)[0]
        acts = activation.take(found.feature)(found.activation + bias[found.feature])[1]
        fires = acts > 0
        if bool(fires.all()):
            return Firings(found.feature, found.row, acts, found.n_rows), hidden_pre
        chosen = (found.feature[fires], found.row[fires], acts[fires])
        return Firings(*chosen, found.n_rows), hidden_pre

    def _multiply(
        self, rows: slice, columns: Float[Tensor, "d_in n"], out: Float[Tensor, "tile n"]
    ) -> tuple[Float[Tensor, " tile"], Float[Tensor, " n"]]:
        torch.mm(self._W[rows], columns, out=out)
        return self._floor[rows], out.new_zeros(out.shape[1])


class _Room:
    """Growing arrays that a search on the CPU writes into, used again by the next one."""

    def __init__(self) -> None:
        self._arrays = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
        self._used = 0

    def take(
        self, tile: Tensor, added: Tensor, floors: tuple[Tensor, Tensor], first_feature: int
    ) -> None:
        """Takes in what exceeds the floors once `added`, by feature, is in it."""
        needed = self._used + tile.numel()
        if len(self._arrays[0]) < needed:
            # What is never written costs no memory, so twice the room is no waste.
            larger = tuple(np.empty(2 * needed, array.dtype) for array in self._arrays)
            for new, old in zip(larger, self._arrays, strict=True):
                new[: self._used] = old[: self._used]
            self._arrays = larger
        feature_floor, row_floor = (floor.numpy() for floor in floors)
        self._used = select_above(
            tile.numpy(), added.numpy(), feature_floor, row_floor, first_feature,
            *self._arrays, self._used,
        )  # fmt: skip

    def empty(self) -> tuple[Tensor, Tensor, Tensor]:
        """(feature, row, value) of all that was taken in; the room is free again."""
        used, self._used = self._used, 0
        feature, row, value = (torch.from_numpy(array[:used].copy()) for array in self._arrays)
        return feature, row, value


def _above(
    tile: Float[Tensor, "tile n"],
    floors: tuple[Float[Tensor, " tile"], Float[Tensor, " n"]],
    first_feature: int,
) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"], Float[Tensor, " m"]]:
    """The same on other devices; the device waits once for each tile, so tiles are large there."""
    feature, row = (tile - floors[1] > floors[0][:, None]).nonzero(as_tuple=True)
    return feature + first_feature, row, tile[feature, row]
