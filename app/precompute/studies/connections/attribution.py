"""What every feature below contributes to one feature's `hidden_pre` at the peak of an example.

With attention patterns and norm scales held (`app/precompute/model/frozen.py`) and ∇h the gradient
of the feature's `hidden_pre` h with respect to the activation x(t) that is written below, upstream
feature j gives a_j(t) · W_dec[j] · ∇h(t) at token t. These, the dictionary's bias, the linear part
of a skip transcoder, its error x − x̂ and what stands at tokens that are not counted sum to x · ∇h;
what is missing to h is the remainder: biases and paths past x, and what a derivative does not see.
Takes a batch of peaks; knows no file and no corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int, Int64, Integer
from torch import Tensor

from app.precompute.events.finder import finder
from app.precompute.events.firings import FiringFinder, is_compiled_for
from app.precompute.model.frozen import FrozenModel
from app.precompute.studies.connections.row_dots import row_dots
from app.precompute.target import Target
from app.sae.dictionary import Dictionary

GATHERED = 2**24
"""Most numbers of decoder rows gathered at once."""


@dataclass(frozen=True)
class Batch:
    """Peaks of features, one a row."""

    tokens: Int64[np.ndarray, "rows pos"]
    """contexts up to the peak at least"""
    counted: Bool[np.ndarray, "rows pos"]
    position: Int64[np.ndarray, " rows"]
    """of the peak"""
    feature_index: Int64[np.ndarray, " rows"]


@dataclass(frozen=True)
class Contributions:
    """What one dictionary below contributes to a batch, in units of `hidden_pre`."""

    row: Int64[np.ndarray, " n"]
    feature_index: Int64[np.ndarray, " n"]
    """upstream; ascending by row, then feature; each pair once"""
    total: Float64[np.ndarray, " n"]
    """over all counted tokens up to the peak"""
    same: Float64[np.ndarray, " n"]
    """at the token of the peak itself"""
    bias: Float64[np.ndarray, " rows"]
    """of b_dec, and of the mean that the dictionary takes off its input"""
    skip: Float64[np.ndarray, " rows"]
    """of what a skip transcoder passes on linearly; zero of every other dictionary"""
    error: Float64[np.ndarray, " rows"]
    """of x − x̂"""
    uncounted: Float64[np.ndarray, " rows"]
    """of x where tokens are not counted (position 0, special tokens): not split into features"""


@dataclass(frozen=True)
class Attributed:
    """A batch, attributed."""

    hidden_pre: Float64[np.ndarray, " rows"]
    """h at the peaks"""
    below: dict[str, Contributions]
    """by dictionary"""


class Attributor:
    """Attributes batches of one dictionary to those below it. For one thread."""

    def __init__(
        self, model: FrozenModel, above: Target, below: Sequence[Target], tile_features: int
    ) -> None:
        """`tile_features`: see `finder`; changes the speed only."""
        self._model = model
        self._above = above
        self._below = below
        self._finders = {t.sae: finder(t.weights, tile_features) for t in below}

    def attribute(self, batch: Batch) -> Attributed:
        """One pass forward and one back."""
        names = list(dict.fromkeys(target.output_hook for target in self._below))
        reads = {target.hook_name for target in self._below} - set(names)
        tokens = torch.from_numpy(batch.tokens)
        held = self._model.run(tokens, names, self._above.hook_name, reads)
        with torch.enable_grad():
            y = held.above.flatten(start_dim=2)
            at_peak = y[torch.arange(len(y)), torch.from_numpy(batch.position)]
            h = held_hidden_pre(self._above.weights, at_peak, batch.feature_index)
            summed = h.sum()  # rows don't meet: its gradient in a row is that of the row's own h
        seen = {
            name: x.detach().flatten(start_dim=2) for name, x in (held.below | held.seen).items()
        }
        gradients = held.gradients(summed)
        return Attributed(
            h.detach().cpu().double().numpy(),
            {
                target.sae: contributions(
                    self._finders[target.sae],
                    seen[target.hook_name],
                    seen[target.output_hook],
                    gradients[target.output_hook],
                    batch,
                )
                for target in self._below
            },
        )


def held_hidden_pre(
    dictionary: Dictionary,
    y: Float[Tensor, "rows d_in"],
    feature_index: Integer[np.ndarray, " rows"],
) -> Float[Tensor, " rows"]:
    """`hidden_pre` of one feature on each row; to gradients the input's own scale is a constant."""
    feature = torch.from_numpy(np.asarray(feature_index, np.int64)).to(dictionary.W_enc.device)
    y = y.to(dictionary.W_enc)
    scale = dictionary.normalisation.measure(y)
    if scale.divisor is not None:
        scale = replace(scale, divisor=scale.divisor.detach())
    x_in = scale.apply(y) - dictionary.b_pre
    linear = (x_in * dictionary.W_enc.T[feature]).sum(dim=-1) + dictionary.b_enc[feature]
    if dictionary.activation.selects_across_features:
        return linear  # top-k chooses among pre-activations and changes none
    return dictionary.activation.take(feature)(linear)[0]


@torch.no_grad()
def contributions(
    found_by: FiringFinder,
    x: Float[Tensor, "rows pos d_in"],
    y: Float[Tensor, "rows pos d_out"],
    gradient: Float[Tensor, "rows pos d_out"],
    batch: Batch,
) -> Contributions:
    """y · gradient, split; behind its peak a row's gradient is zero and costs nothing.

    `x` is what the dictionary reads, `y` what it writes: of an autoencoder the same.
    """
    dictionary = found_by.dictionary
    until = np.arange(batch.tokens.shape[1]) <= batch.position[:, None]
    dots = (y.float() * gradient.float()).sum(dim=-1).cpu().double().numpy()
    row, position = np.nonzero(until & batch.counted)
    places = (torch.from_numpy(row).to(x.device), torch.from_numpy(position).to(x.device))
    x, gradient = x[places].to(dictionary.W_enc), gradient[places].to(dictionary.W_enc)
    scale = dictionary.normalisation.measure(x)
    scaled = gradient if scale.factor is None else gradient * scale.factor
    constant = (scaled @ dictionary.b_dec).cpu().double().numpy()
    if scale.added is not None:
        constant = constant + (gradient * scale.added).sum(dim=-1).cpu().double().numpy()
    skipped = np.zeros(len(row))
    if dictionary.W_skip is not None:
        skipped = ((x @ dictionary.W_skip) * gradient).sum(dim=-1).cpu().double().numpy()
    firings, _ = found_by.find(x)
    values = _of_firings(dictionary, firings.feature, firings.row, firings.activation, scaled)
    place = firings.row.cpu().numpy()
    n_rows, d_sae = len(batch.tokens), len(dictionary.b_enc)
    keys, which = np.unique(row[place] * d_sae + firings.feature.cpu().numpy(), return_inverse=True)
    at_peak = position[place] == batch.position[row[place]]
    total = np.bincount(which, values, len(keys))
    bias = np.bincount(row, constant, n_rows)
    uncounted = (dots * (until & ~batch.counted)).sum(axis=1)
    skip = np.bincount(row, skipped, n_rows)
    explained = np.bincount(keys // d_sae, total, n_rows) + bias + skip + uncounted
    return Contributions(
        row=keys // d_sae,
        feature_index=keys % d_sae,
        total=total,
        same=np.bincount(which[at_peak], values[at_peak], len(keys)),
        bias=bias,
        skip=skip,
        error=(dots * until).sum(axis=1) - explained,
        uncounted=uncounted,
    )


def _of_firings(
    dictionary: Dictionary,
    feature: Int[Tensor, " n"],
    row: Int[Tensor, " n"],
    activation: Float[Tensor, " n"],
    gradient: Float[Tensor, "places d_out"],
) -> Float64[np.ndarray, " n"]:
    """activation · W_dec[feature] · gradient[row] of every firing."""
    if is_compiled_for(dictionary.W_dec) and gradient.device.type == "cpu":
        found = row_dots(
            dictionary.W_dec.numpy(), gradient.contiguous().numpy(), feature.numpy(), row.numpy()
        )
        return found * activation.double().numpy()
    values = torch.empty(len(feature), dtype=gradient.dtype, device=gradient.device)
    step = max(1, GATHERED // gradient.shape[1])
    for start in range(0, len(feature), step):
        part = slice(start, start + step)
        values[part] = (dictionary.W_dec[feature[part]] * gradient[row[part]]).sum(dim=-1)
    return (values * activation.to(values)).cpu().double().numpy()
