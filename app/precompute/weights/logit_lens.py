"""Logit lens: which tokens a feature promotes and suppresses directly, per unit of activation.

Takes rows of W_dec and gives their effect on every logit, as most tools show it (raw) and adjusted
for norms, tokens that are never produced and what all logits share, with moments, histogram and the
strongest tokens. Effects through later layers are not in it. Knows nothing of activations or texts.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

from app.errors import AtlasError
from app.precompute.weights.lens_ground import LensGround
from app.stats.norms import norm_outliers

N_TOKENS = 10
"""Strongest tokens kept at either end."""

N_BINS = 50
"""Bins of the histogram over the vocabulary."""

BLOCK_ELEMENTS = 2**22
"""Logits held at once in float64; `features_per_block` follows from it."""


@dataclass(frozen=True, slots=True)
class StrongestTokens:
    """Logits per unit of activation; ties to the lower token id."""

    promoted_ids: Integer[np.ndarray, "n_features n_tokens"]
    promoted: Float[np.ndarray, "n_features n_tokens"]
    """Descending."""
    suppressed_ids: Integer[np.ndarray, "n_features n_tokens"]
    suppressed: Float[np.ndarray, "n_features n_tokens"]
    """Ascending: the most suppressed first."""


@dataclass(frozen=True, slots=True)
class LensSummary:
    """A block of features. All but `raw` are adjusted and over the remaining vocabulary."""

    raw: StrongestTokens
    """Over the whole vocabulary."""
    adjusted: StrongestTokens
    mean: Float[np.ndarray, " n_features"]
    """Before it was subtracted; it is 0 afterwards."""
    std: Float[np.ndarray, " n_features"]
    """Of the population."""
    skewness: Float[np.ndarray, " n_features"]
    """Third standardised moment; NaN where all logits are equal."""
    kurtosis: Float[np.ndarray, " n_features"]
    """Fourth standardised moment, 3 for a normal; NaN where all logits are equal."""
    histogram_edges: Float[np.ndarray, "n_features n_edges"]
    """Equal widths from the least to the largest; a bin holds its lower edge, the last both."""
    histogram_counts: Integer[np.ndarray, "n_features n_bins"]


@dataclass(frozen=True)
class LensFacts:
    """What holds for the lens of every feature."""

    linear_path: str | None
    """how the hook reaches the residual stream; None where it has no linear path"""
    n_unproducible: int
    """tokens left out: the tokenizer can't produce them"""
    n_outlier: int
    """tokens left out: the norm of their unembedding is an outlier"""


class LogitLens:
    """The lens of one hook; everything that does not depend on the feature is computed once."""

    def __init__(self, ground: LensGround, producible: Bool[np.ndarray, " d_vocab"]) -> None:
        """`producible`: which ids survive id -> text -> id (`Vocabulary.producible`).

        A hook without a linear path gives a lens whose blocks can't be asked for (ValueError).
        AtlasError if no token is left.
        """
        path = ground.path
        self.linear_path = None if isinstance(path, str) else path.description
        """"directly", "through W_O", "through W_out"; None if there is no linear path."""
        self.no_path_reason = path if isinstance(path, str) else None
        """A sentence for the page where there is no linear path."""
        self._path = None if isinstance(path, str) else path
        self._norm = ground.norm
        self._W_U = ground.W_U
        outlier = norm_outliers(self._W_U.norm(dim=0).cpu().numpy(), producible)
        self.kept = producible & ~outlier
        """The remaining vocabulary, `[d_vocab]`."""
        self.unproducible_ids = np.flatnonzero(~producible)
        """Left out: no round trip of id -> text -> id."""
        self.norm_outlier_ids = np.flatnonzero(outlier)
        """Left out: an unembedding norm far above the median."""
        if not self.kept.any():
            raise AtlasError(
                f"No token of {ground.name} survives id -> text -> id: its tokenizer belongs to "
                "another model; put the right one into its folder."
            )
        self._kept = torch.from_numpy(self.kept).to(self._W_U.device)

    @property
    def facts(self) -> LensFacts:
        """What pages say of the lens."""
        return LensFacts(self.linear_path, len(self.unproducible_ids), len(self.norm_outlier_ids))

    @property
    def features_per_block(self) -> int:
        """Rows of W_dec to hand over at once so that memory stays bounded."""
        return max(1, BLOCK_ELEMENTS // self._W_U.shape[1])

    def raw_block(
        self, W_dec: Float[Tensor, "n_features d_out"]
    ) -> Float[Tensor, "n_features d_vocab"]:
        """`W_dec · W_U`, through W_O or W_out where the hook is before one."""
        return self._written(W_dec) @ self._W_U

    def block(
        self, W_dec: Float[Tensor, "n_features d_out"]
    ) -> Float[Tensor, "n_features d_vocab"]:
        """The adjusted logits: mean 0 over the remaining vocabulary, NaN at tokens left out."""
        logits = self._adjusted(W_dec)
        result = logits.new_full((len(W_dec), len(self.kept)), torch.nan)
        result[:, self._kept] = logits - logits.mean(dim=1, keepdim=True)
        return result

    def summary(self, W_dec: Float[Tensor, "n_features d_out"]) -> LensSummary:
        """Everything a page shows of these features; see `features_per_block`."""
        raw = strongest(self.raw_block(W_dec), torch.arange(len(self.kept)))
        logits = self._adjusted(W_dec)
        logits = (logits.cpu() if logits.device.type == "mps" else logits).double()
        mean = logits.mean(dim=1, keepdim=True)
        logits -= mean
        variance = logits.square().mean(dim=1)
        edges, counts = histogram(logits)
        return LensSummary(
            raw=raw,
            adjusted=strongest(logits, torch.from_numpy(np.flatnonzero(self.kept))),
            mean=_numpy(mean[:, 0]),
            std=_numpy(variance.sqrt()),
            skewness=_numpy(logits.pow(3).mean(dim=1) / variance.pow(1.5)),
            kurtosis=_numpy(logits.pow(4).mean(dim=1) / variance.square()),
            histogram_edges=_numpy(edges),
            histogram_counts=_numpy(counts),
        )

    def _written(
        self, W_dec: Float[Tensor, "n_features d_out"]
    ) -> Float[Tensor, "n_features d_model"]:
        if self._path is None:
            raise ValueError(self.no_path_reason)
        return self._path.to_residual(W_dec.to(self._W_U.device))

    def _adjusted(
        self, W_dec: Float[Tensor, "n_features d_out"]
    ) -> Float[Tensor, "n_features n_kept"]:
        """Post-norm gain, centring, final gain, W_U of the remaining vocabulary."""
        written = self._written(W_dec)
        assert self._path is not None and self._norm is not None  # else `_written` has raised
        if self._path.post_norm is not None:
            written = written * self._path.post_norm.gain
        if self._norm.centres:
            written = written - written.mean(dim=1, keepdim=True)
        return (written * self._norm.gain) @ self._W_U[:, self._kept]


def histogram(
    logits: Float[Tensor, "n_features n_kept"],
) -> tuple[Float[Tensor, "n_features n_edges"], Int[Tensor, "n_features n_bins"]]:
    """Edges and counts of `N_BINS` equal bins from each row's least to its largest value."""
    low, high = logits.amin(dim=1, keepdim=True), logits.amax(dim=1, keepdim=True)
    steps = torch.linspace(0, 1, N_BINS + 1, dtype=logits.dtype, device=logits.device)
    edges = low + (high - low) * steps
    edges[:, -1:] = high
    bins = torch.searchsorted(edges[:, 1:-1].contiguous(), logits, right=True)
    counts = torch.zeros(len(logits), N_BINS, dtype=torch.long, device=logits.device)
    return edges, counts.scatter_add_(1, bins, torch.ones_like(bins))


def strongest(
    logits: Float[Tensor, "n_features n_kept"], token_ids: Int[Tensor, " n_kept"]
) -> StrongestTokens:
    """The `N_TOKENS` largest and smallest of each row; `token_ids` names the columns, ascending."""
    promoted, promoted_ids = _largest(logits, token_ids)
    suppressed, suppressed_ids = _largest(-logits, token_ids)
    return StrongestTokens(promoted_ids, promoted, suppressed_ids, -suppressed)


def _largest(
    values: Float[Tensor, "n_features n_kept"], token_ids: Int[Tensor, " n_kept"]
) -> tuple[Float[np.ndarray, "n_features n_tokens"], Integer[np.ndarray, "n_features n_tokens"]]:
    n = min(N_TOKENS, values.shape[1])
    top, columns = values.topk(n, dim=1)
    # topk leaves open which of equal values it takes: rows tied at the border are sorted in full.
    tied = (values >= top[:, -1:]).sum(dim=1) > n
    if tied.any():
        top[tied], columns[tied] = (
            part[:, :n] for part in values[tied].sort(dim=1, descending=True, stable=True)
        )
    found, ids = _numpy(top), token_ids.numpy()[_numpy(columns)]
    order = np.lexsort((ids, -found), axis=1)
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(ids, order, axis=1)


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
