"""What removing an upstream feature really does to a feature downstream, beside what was predicted.

Takes attributed peaks. Of each, the strongest features below and some others that fire are taken
out of the activation, one at a time, at every counted token up to the peak, and the model is run
again with nothing held. Knows no file and no corpus.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from app.precompute.model.forward import Visitor
from app.precompute.model.frozen import FrozenModel
from app.precompute.studies.connections.attribution import (
    Batch,
    Contributions,
    held_hidden_pre,
)
from app.precompute.target import Target
from app.sae.dictionary import Dictionary
from app.stats.hashing import place_hashes

STRONGEST = 2
"""Upstream features of a peak with the largest contribution, whatever its sign."""
DRAWN = 2
"""Others that fire before it, drawn at random: the strongest alone flatter a prediction."""


@dataclass(frozen=True)
class Removed:
    """Single removals; changes are with minus without the removal, in units of `hidden_pre`."""

    sae: str
    """whose feature is read"""
    below: str
    """whose feature was removed"""
    feature_index: Int64[np.ndarray, " n"]
    """downstream"""
    removed_index: Int64[np.ndarray, " n"]
    """upstream"""
    hidden_pre: Float64[np.ndarray, " n"]
    """at the peak with nothing removed"""
    predicted: Float64[np.ndarray, " n"]
    """minus the contribution"""
    real: Float64[np.ndarray, " n"]
    is_drawn: Bool[np.ndarray, " n"]
    """drawn at random, not one of the strongest"""


def remove(
    model: FrozenModel,
    above: Target,
    below: Target,
    batch: Batch,
    hidden_pre: Float64[np.ndarray, " rows"],
    found: Contributions,
    seed: int,
) -> Removed:
    """The removals of a batch: a pass to read what is below, and one of each row for each removal.

    `hidden_pre` and `found`: what was attributed to these peaks.
    """
    chosen, is_drawn = choose_removals(batch, found, seed)
    row = found.row[chosen]
    after = np.zeros(len(row))
    tokens = torch.from_numpy(batch.tokens)
    x = model.changed(tokens, {}, below.hook_name)
    for turn in range(STRONGEST + DRAWN):
        # Every row's first removal together, then every row's second: passes as wide as the batch.
        part = np.flatnonzero(_turn(row) == turn)
        if len(part) == 0:
            continue
        rows = torch.from_numpy(row[part])
        taken = x.new_zeros(len(rows), x.shape[1], below.d_out)
        for place, entry in enumerate(part):
            one = int(row[entry])
            until = batch.counted[one] & (np.arange(batch.tokens.shape[1]) <= batch.position[one])
            there = torch.from_numpy(until).to(x.device)
            feature = int(found.feature_index[chosen[entry]])
            taken[place, there] = written(below.weights, x[one, there], feature).to(taken)
        y = model.changed(tokens[rows], _taking(below.output_hook, taken), above.hook_name)
        at_peak = y[torch.arange(len(rows)), torch.from_numpy(batch.position[row[part]])]
        features = batch.feature_index[row[part]]
        with torch.no_grad():
            h = held_hidden_pre(above.weights, at_peak, features)
        after[part] = h.cpu().double().numpy()
    return Removed(
        sae=above.sae,
        below=below.sae,
        feature_index=batch.feature_index[row],
        removed_index=found.feature_index[chosen],
        hidden_pre=hidden_pre[row],
        predicted=-found.total[chosen],
        real=after - hidden_pre[row],
        is_drawn=is_drawn,
    )


def choose_removals(
    batch: Batch, found: Contributions, seed: int
) -> tuple[Int64[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """(entries of `found`, whether each is drawn), row by row: the strongest, then those drawn by
    the smallest hashes of (downstream feature, upstream feature, position)."""
    chosen: list[int] = []
    is_drawn: list[bool] = []
    for row in range(len(batch.tokens)):
        entries = np.flatnonzero(found.row == row)
        features = found.feature_index[entries]
        strong = np.lexsort((features, -np.abs(found.total[entries])))[:STRONGEST]
        position = np.full(len(entries), batch.position[row])
        hashes = place_hashes(seed, int(batch.feature_index[row]), features, position)
        others = np.setdiff1d(np.arange(len(entries)), strong)
        drawn = others[np.argsort(hashes[others])][:DRAWN]
        chosen += [*entries[strong], *entries[drawn]]
        is_drawn += [False] * len(strong) + [True] * len(drawn)
    return np.array(chosen, np.int64), np.array(is_drawn, bool)


@torch.no_grad()
def written(
    dictionary: Dictionary, x: Float[Tensor, "n d_in"], feature_index: int
) -> Float[Tensor, "n d_out"]:
    """What one feature adds to the reconstruction made of these activations, in the model's
    scale."""
    feature = torch.full((len(x),), feature_index, device=dictionary.W_enc.device)
    own = x.to(dictionary.W_enc)
    acts, _ = dictionary.encode_pairs(own, feature)
    adds = acts[:, None] * dictionary.W_dec[feature_index]
    factor = dictionary.normalisation.measure(own).factor
    return adds if factor is None else adds * factor


def write_hook(hook_name: str) -> str:
    """The hook at which a change reaches everything that an activation goes to.

    The stream between attention and MLP is read at the input of a norm and goes past it besides:
    what attention adds to it reaches both.
    """
    return hook_name.replace("hook_resid_mid", "hook_attn_out")


def _taking(hook_name: str, taken: Float[Tensor, "rows pos d_out"]) -> dict[str, Visitor]:
    """The change that takes it out of the activation, everywhere that activation goes."""
    return {write_hook(hook_name): lambda given: given - taken.reshape(given.shape)}


def _turn(row: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """How many entries of the same row come before each; rows ascend."""
    return np.arange(len(row)) - np.searchsorted(row, row)
