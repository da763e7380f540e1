"""Where features fire under per-token top-k, without sorting whole rows.

A row's k-th largest value is bounded from below by what the first tile of features holds; only what
exceeds the bound is sorted. The bound is a guess: rows in which it let too few through, or far too
many, are encoded whole, and the guess follows what it sees. So the result never depends on it: it
is that of `Dictionary.encode`, ties at the border going to the lower feature index.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from app.precompute.events.firings import Firings, TiledFinder
from app.sae.architectures import TopK, keep_top_k
from app.sae.dictionary import Dictionary

MOST_WHOLE = 0.02
"""Share of rows encoded whole above which the guess becomes more careful."""


class TopKFinder(TiledFinder):
    """For dictionaries in which the k strongest features of a row fire."""

    def __init__(self, dictionary: Dictionary, tile_features: int) -> None:
        super().__init__(dictionary, tile_features)
        assert isinstance(dictionary.activation, TopK)
        self._k = dictionary.activation.k
        share = self._k * self._tile_features / len(self._W)
        self._rank = share + 2 * share**0.5 + 1
        """Which value of the first tile is the bound; k / n_tiles would let k through."""
        self._bound = self._W.new_zeros(0)

    def find(
        self, x: Float[Tensor, "n d_in"], kept: Int[Tensor, " m"] | None = None
    ) -> tuple[Firings, Float[Tensor, "m d_sae"]]:
        found, hidden_pre = self._search(x, kept)
        return self._strongest(found, x), hidden_pre

    def _multiply(
        self, rows: slice, columns: Float[Tensor, "d_in n"], out: Float[Tensor, "tile n"]
    ) -> tuple[Float[Tensor, " tile"], Float[Tensor, " n"]]:
        torch.addmm(self.dictionary.b_enc[rows, None], self._W[rows], columns, out=out)
        if rows.start == 0:
            rank = min(round(self._rank), len(out))
            # What is not positive never fires.
            self._bound = out.T.topk(rank, dim=1).values[:, -1].clamp(min=0)
        return out.new_zeros(len(out)), self._bound

    def _strongest(self, found: Firings, x: Float[Tensor, "n d_in"]) -> Firings:
        """Of those above the bound, the k strongest of each row."""
        per_row = torch.bincount(found.row, minlength=found.n_rows)
        # Above a bound of 0 there can't be too few.
        whole = ((per_row < self._k) & (self._bound > 0)) | (per_row > 16 * self._k)
        order = found.by_row
        row, value = found.row[order], found.activation[order]
        starts = per_row.cumsum(0) - per_row
        column = torch.arange(len(row), device=row.device) - starts[row]
        inside = ~whole[row]
        widest = per_row.masked_fill(whole, 0).max() if found.n_rows else 0
        padded = value.new_zeros(found.n_rows, max(1, int(widest)))
        padded[row[inside], column[inside]] = value[inside]
        kept = keep_top_k(padded, self._k)
        fires = torch.zeros_like(inside)
        fires[order[inside]] = kept[row[inside], column[inside]] > 0
        self._learn(whole, per_row)
        strongest = Firings(
            found.feature[fires], found.row[fires], found.activation[fires], found.n_rows
        )
        return self._with_whole(strongest, whole, x) if bool(whole.any()) else strongest

    def _learn(self, whole: Bool[Tensor, " n"], per_row: Int[Tensor, " n"]) -> None:
        """The next guess: lower where too many rows had to be encoded whole, else a little higher.

        Lower is a larger rank, with more to sort.
        """
        if not len(whole):
            return
        if float(whole.float().mean()) > MOST_WHOLE:
            self._rank = min(1.3 * self._rank, self._tile_features)
        elif float(per_row.float().mean()) > 2 * self._k:
            self._rank = max(0.98 * self._rank, 1.0)

    def _with_whole(
        self, strongest: Firings, whole: Bool[Tensor, " n"], x: Float[Tensor, "n d_in"]
    ) -> Firings:
        """With the rows that the bound was no good for."""
        rows = whole.nonzero()[:, 0]
        feature_acts = self.dictionary.encode(x[rows])
        row, feature = feature_acts.nonzero(as_tuple=True)
        both = torch.cat([strongest.feature, feature])
        rows = torch.cat([strongest.row, rows[row]])
        activation = torch.cat([strongest.activation, feature_acts[row, feature]])
        order = (both * max(strongest.n_rows, 1) + rows).argsort()
        return Firings(both[order], rows[order], activation[order], strongest.n_rows)
