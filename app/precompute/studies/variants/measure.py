"""A batch of contexts as other tools evaluate it: every position, position 0 and BOS with them.

Takes a run and a stretch of contexts, which is one batch; gives the sums of every dictionary's
reconstruction there (of a transcoder x is what it predicts), over counted tokens and over all, and
the cross-entropies with every position replaced. One pass of the clean model, one for each hook,
one for each dictionary. Knows no formula.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int
from torch import Tensor

from app.precompute.model.language_model import LanguageModel
from app.precompute.model.splice import LOGIT_ELEMENTS
from app.precompute.preparation import Run
from app.precompute.quality import Stretch
from app.precompute.studies.variants.batch import Batch, Losses, OfDictionary
from app.precompute.target import Target, hooks_of
from app.stats.variants import ROWS_AT_ONCE, BatchSums


def measure_batch(run: Run, stretch: Stretch) -> Batch:
    """One batch. Memory: the activations of the batch and the logits of some contexts."""
    ids = stretch.context_ids
    texts = _Texts.of(run, stretch)
    clean, zero, spliced = 0.0, dict[str, Losses](), dict[str, Losses]()
    hooks = hooks_of(run.targets)
    ys: dict[str, list[np.ndarray]] = {hook: [] for hook in stretch.means}
    hats: dict[str, list[np.ndarray]] = {target.sae: [] for target in run.targets}
    for part in texts.parts(run.language_model.d_vocab):
        seen, logits = _clean(run.language_model, part.tokens, hooks)
        before = logits.float().log_softmax(dim=-1)
        clean += part.cross_entropy(before)
        for hook in ys:
            ys[hook].append(seen[hook].cpu().numpy())
            losses = _with(run.language_model, part, hook, torch.zeros_like(seen[hook]), before)
            zero[hook] = _added(zero.get(hook), losses)
        for target in run.targets:
            y_hat = _reconstructed(target, seen[target.hook_name])
            hats[target.sae].append(y_hat.cpu().numpy())
            losses = _with(run.language_model, part, target.output_hook, y_hat, before)
            spliced[target.sae] = _added(spliced.get(target.sae), losses)
    real, counted = texts.real.cpu().numpy(), run.corpus.counted[ids]
    found = {
        target.sae: _of_dictionary(
            np.concatenate(ys[target.output_hook]), np.concatenate(hats[target.sae]),
            real, counted, stretch.means[target.output_hook], spliced[target.sae],
        )
        for target in run.targets
    }  # fmt: skip
    return Batch(len(ids), int(real[:, 1:].sum()), int(real.sum()), clean, zero, found)


@dataclass(frozen=True, eq=False)
class _Texts:
    """Some contexts; padding goes through the model and counts nowhere."""

    tokens: Int[Tensor, "rows pos"]
    real: Bool[Tensor, "rows pos"]

    @classmethod
    def of(cls, run: Run, stretch: Stretch) -> "_Texts":
        ids, device = stretch.context_ids, run.language_model.device
        tokens = torch.from_numpy(run.corpus.tokens[ids].astype(np.int64)).to(device)
        return cls(tokens, torch.from_numpy(~run.corpus.padding(ids)).to(device))

    def parts(self, d_vocab: int) -> list["_Texts"]:
        """As few as the logits of one allow."""
        rows = max(1, LOGIT_ELEMENTS // (self.tokens.shape[1] * d_vocab))
        split = zip(self.tokens.split(rows), self.real.split(rows), strict=True)
        return [_Texts(*both) for both in split]

    def cross_entropy(self, log_probs: Float[Tensor, "rows pos d_vocab"]) -> float:
        """Summed over the tokens that are predicted."""
        found = log_probs[:, :-1].gather(-1, self.tokens[:, 1:, None])[..., 0]
        return -float(found[self.real[:, 1:]].double().sum())


def _clean(
    model: LanguageModel, tokens: Int[Tensor, "rows pos"], hooks: list[str]
) -> tuple[dict[str, Tensor], Float[Tensor, "rows pos d_vocab"]]:
    """(the activations at the hooks, heads side by side, in float32; the logits) of one pass."""
    seen: dict[str, Tensor] = {}

    def keep(hook: str, activation: Tensor) -> Tensor:
        seen[hook] = activation.flatten(start_dim=2).float()
        return activation

    logits = model.logits(
        tokens, {hook: lambda activation, hook=hook: keep(hook, activation) for hook in hooks}
    )
    return {hook: seen[hook] for hook in hooks}, logits


def _with(
    model: LanguageModel,
    part: _Texts,
    hook: str,
    value: Float[Tensor, "rows pos _d_in"],
    before: Float[Tensor, "rows pos d_vocab"],
) -> Losses:
    """The losses with `value` in the place of every activation at a hook."""

    def put(activation: Tensor) -> Tensor:
        return value.to(activation).reshape(activation.shape)

    after = model.logits(part.tokens, {hook: put}).float().log_softmax(dim=-1)
    divergence = (before.exp() * (before - after)).sum(dim=-1)
    return Losses(part.cross_entropy(after), float(divergence[part.real].double().sum()))


def _added(one: Losses | None, other: Losses) -> Losses:
    if one is None:
        return other
    return Losses(one.cross_entropy + other.cross_entropy, one.divergence + other.divergence)


def _reconstructed(target: Target, x: Float[Tensor, "rows pos d_in"]) -> Tensor:
    dictionary = target.weights
    own = x.to(dictionary.W_enc.device)
    return dictionary.decode(dictionary.encode(own), own).to(x.device)


def _of_dictionary(
    x: Float[np.ndarray, "rows pos d_in"],
    x_hat: Float[np.ndarray, "rows pos d_in"],
    real: Bool[np.ndarray, "rows pos"],
    counted: Bool[np.ndarray, "rows pos"],
    mean: Float64[np.ndarray, " d_in"],
    spliced: Losses,
) -> OfDictionary:
    some = BatchSums.of(x[counted], x_hat[counted]) if counted.any() else None
    every = BatchSums.of(x[real], x_hat[real])
    return OfDictionary(some, every, _explained(x[counted], x_hat[counted], mean), spliced)


def _explained(
    x: Float[np.ndarray, "n d_in"],
    x_hat: Float[np.ndarray, "n d_in"],
    mean: Float64[np.ndarray, " d_in"],
) -> Float32[np.ndarray, " n"]:
    found = np.full(len(x), np.nan, np.float32)
    for start in range(0, len(x), ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        exact = x[some].astype(np.float64)
        residual = np.square(exact - x_hat[some]).sum(axis=1)
        variance = np.square(exact - mean).sum(axis=1)
        there = variance > 0
        found[some][there] = 1 - residual[there] / variance[there]
    return found
