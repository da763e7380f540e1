"""Judging the demo's weights on held-out text, as they lie on disk.

Gives the model's bits per byte and, for one dictionary, its sparsity and how much of the model's
cross-entropy survives when the residual stream is replaced by its reconstruction. Position 0, the
separator, is never replaced and never counted. It reads only what the recipe writes.
"""

from dataclasses import dataclass
from math import log as ln
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from safetensors.torch import load_file
from torch import Tensor
from transformers import GPTNeoXForCausalLM

from app.demo.recipe.residual import Edit, collect_activations, edited_residual
from app.demo.recipe.train_model import next_token_losses

BATCH_CONTEXTS = 32


@dataclass(frozen=True)
class DictionaryFigures:
    """What a dictionary does on held-out tokens; cross-entropies in nats per token."""

    n_tokens: int
    """Counted tokens."""
    l0: float
    """Features firing per token."""
    explained_variance: float
    """1 − Σ‖x−x̂‖² / Σ‖x−x̄‖², pooled over the tokens."""
    n_dead: int
    """Features that fire on no counted token."""
    share_dead: float
    share_above_1_percent: float
    """Share of features that fire on more than 1% of the tokens."""
    share_above_10_percent: float
    max_density: float
    ce_clean: float
    ce_spliced: float
    ce_zero_ablated: float
    ce_mean_ablated: float
    recovered_against_zero: float
    """(CE_ablated − CE_spliced) / (CE_ablated − CE_clean)."""
    recovered_against_mean: float


@torch.no_grad()
def cross_entropy(model: GPTNeoXForCausalLM, contexts: Int64[Tensor, "n_contexts n_ctx"]) -> float:
    """Mean nats per predicted token; the first token after the separator is not predicted."""
    losses = [next_token_losses(model, batch)[:, 1:] for batch in contexts.split(BATCH_CONTEXTS)]
    return float(torch.cat(losses).double().mean())


def bits_per_byte(nats_per_token: float, n_tokens: int, n_bytes: int) -> float:
    """The same loss per byte of text, comparable across tokenizers."""
    return nats_per_token / ln(2) * n_tokens / n_bytes


def load_dictionary(folder: Path) -> dict[str, Tensor]:
    """The saved tensors as float32: the half-precision values, exactly as anyone will read them."""
    weights = load_file(folder / "sae_weights.safetensors")
    return {name: tensor.float() for name, tensor in weights.items()}


def encode(
    weights: dict[str, Tensor], x: Float[Tensor, "*batch d_in"]
) -> Float[Tensor, "*batch d_sae"]:
    """JumpReLU: what lies above the feature's threshold, and 0 elsewhere."""
    hidden_pre = (x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
    return hidden_pre.relu() * (hidden_pre > weights["threshold"])


def decode(
    weights: dict[str, Tensor], feature_acts: Float[Tensor, "*batch d_sae"]
) -> Float[Tensor, "*batch d_in"]:
    """The reconstruction x̂."""
    return feature_acts @ weights["W_dec"] + weights["b_dec"]


def evaluate_dictionary(
    model: GPTNeoXForCausalLM,
    weights: dict[str, Tensor],
    layer: int,
    contexts: Int64[Tensor, "n_contexts n_ctx"],
) -> DictionaryFigures:
    """All figures of one dictionary over `contexts`."""
    activations = collect_activations(model, contexts, layer).float()
    mean = activations.mean(dim=0)
    n_active, squared_error = _firing_counts(weights, activations)
    variance = float((activations - mean).double().square().sum())
    density = n_active / len(activations)

    def spliced(x: Float[Tensor, "batch n_ctx d_in"]) -> Float[Tensor, "batch n_ctx d_in"]:
        return decode(weights, encode(weights, x))

    clean = cross_entropy(model, contexts)
    with_dictionary = _edited_cross_entropy(model, layer, contexts, spliced)
    zero = _edited_cross_entropy(model, layer, contexts, torch.zeros_like)
    without = _edited_cross_entropy(model, layer, contexts, lambda x: mean.expand_as(x))
    n_dead = int((n_active == 0).sum())
    return DictionaryFigures(
        n_tokens=len(activations),
        l0=float(density.sum()),
        explained_variance=1 - squared_error / variance,
        n_dead=n_dead,
        share_dead=n_dead / len(n_active),
        share_above_1_percent=float((density > 0.01).double().mean()),
        share_above_10_percent=float((density > 0.1).double().mean()),
        max_density=float(density.max()),
        ce_clean=clean,
        ce_spliced=with_dictionary,
        ce_zero_ablated=zero,
        ce_mean_ablated=without,
        recovered_against_zero=(zero - with_dictionary) / (zero - clean),
        recovered_against_mean=(without - with_dictionary) / (without - clean),
    )


def _firing_counts(
    weights: dict[str, Tensor], activations: Float[Tensor, "n_tokens d_in"]
) -> tuple[Float[Tensor, " d_sae"], float]:
    """Tokens each feature fires on, and the summed squared error of the reconstruction."""
    n_active = torch.zeros(weights["W_enc"].shape[1], dtype=torch.float64)
    squared_error = 0.0
    for x in activations.split(4096):
        feature_acts = encode(weights, x)
        n_active += (feature_acts > 0).sum(dim=0)
        squared_error += float((x - decode(weights, feature_acts)).double().square().sum())
    return n_active, squared_error


def _edited_cross_entropy(
    model: GPTNeoXForCausalLM,
    layer: int,
    contexts: Int64[Tensor, "n_contexts n_ctx"],
    edit: Edit,
) -> float:
    """Cross-entropy with the residual stream after `layer` edited at all positions but 0."""

    def after_separator(
        x: Float[Tensor, "batch n_ctx d_in"],
    ) -> Float[Tensor, "batch n_ctx d_in"]:
        return torch.cat([x[:, :1], edit(x[:, 1:])], dim=1)

    with edited_residual(model, layer, after_separator):
        return cross_entropy(model, contexts)
