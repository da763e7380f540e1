"""What a dictionary's reconstruction costs the model: next-token cross-entropy with it in place.

Takes contexts and dictionaries at their hooks; compares the clean model with the activation
replaced by its reconstruction, by zero and by its mean. A transcoder replaces what it predicts,
from what it reads in the same pass. Replaced is the activation at counted positions only (position
0, BOS, padding and other special tokens keep their own), measured are predictions of counted
tokens. Gives sums by context, which join exactly however the contexts were cut, and the figures of
all of them. Knows nothing of corpora or of the atlas.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int, Int64, Integer
from torch import Tensor

from app.precompute.ablation.texts import Mount
from app.precompute.model.forward import Visitor
from app.precompute.model.model import Model

LOGIT_ELEMENTS = 2**24
"""Most logits of one batch: some 400 MB for each worker, with what is computed of them."""

MAX_ROWS = 8
"""Most contexts of one batch; more are slower on a CPU."""

SPLICED_POSITIONS = "counted positions; position 0 and special tokens keep their own activation"


@dataclass(frozen=True, slots=True)
class SpliceQuality:
    """One dictionary's figures. Cross-entropies and KL are means over target tokens, in nats.

    Standard errors take the context as the unit that was sampled (tokens of one context go
    together): sqrt(C / (C − 1) · Σ_c (S_c − n_c · mean)²) / N with S_c the sum over context c. They
    are None for a single context.
    """

    n_ce_tokens: int
    """Target tokens, N: the counted tokens, each predicted from the position before it."""
    n_ce_contexts: int
    ce_clean: float
    ce_clean_error: float | None
    ce_spliced: float
    ce_spliced_error: float | None
    ce_zero_ablated: float
    ce_zero_ablated_error: float | None
    ce_mean_ablated: float
    ce_mean_ablated_error: float | None
    delta_ce: float
    """ce_spliced − ce_clean."""
    delta_ce_error: float | None
    """Of the difference token by token, which is far smaller than that of either."""
    kl: float
    """KL(clean ‖ spliced) of the next-token distribution."""
    kl_error: float | None
    ce_recovered_mean: float | None
    """(CE_mean − CE_spliced) / (CE_mean − CE_clean), never clipped; None if that is 0 / 0."""
    ce_recovered_zero: float | None
    """The same against zero ablation."""
    spliced_positions: str = SPLICED_POSITIONS


@dataclass(frozen=True)
class SpliceSums:
    """Sums over the predicted tokens of each context, in float64."""

    n_tokens: Int64[np.ndarray, " n_contexts"]
    """predicted tokens"""
    total: dict[str, np.ndarray]
    """[n_contexts] of every quantity: "clean", "zero HOOK", "mean HOOK", "spliced DICTIONARY" …"""

    @classmethod
    def joined(cls, parts: Iterable["SpliceSums"]) -> "SpliceSums":
        """The sums of all contexts of the parts, in their order: as if they had been one.

        ValueError if there is no part.
        """
        parts = list(parts)
        return cls(
            np.concatenate([part.n_tokens for part in parts]),
            {name: np.concatenate([part.total[name] for part in parts]) for name in parts[0].total},
        )

    def mean_and_error(self, name: str) -> tuple[float, float | None]:
        """The mean over tokens and its standard error, see `SpliceQuality`."""
        total, n_tokens = self.total[name], self.n_tokens
        mean = total.sum() / n_tokens.sum()
        n_contexts = int((n_tokens > 0).sum())
        if n_contexts < 2:
            return float(mean), None
        squared = np.square(total - n_tokens * mean).sum() * n_contexts / (n_contexts - 1)
        return float(mean), float(np.sqrt(squared) / n_tokens.sum())


def splice_sums(
    model: Model,
    mounts: Mapping[str, Mount],
    tokens: Integer[np.ndarray, "n_contexts n_ctx"],
    counted: Bool[np.ndarray, "n_contexts n_ctx"],
    means: Mapping[str, Float[np.ndarray, " _d_out"]],
) -> SpliceSums:
    """The sums of these contexts for every dictionary; clean and ablated passes are shared.

    `mounts`: the dictionaries, by name. `means`: the mean activation at each hook that one writes.
    """
    fills = {
        name: torch.from_numpy(np.asarray(mean, dtype=np.float32)).to(model.device)
        for name, mean in means.items()
    }
    rows = max(1, min(MAX_ROWS, LOGIT_ELEMENTS // (tokens.shape[1] * model.d_vocab)))
    parts = []
    for start in range(0, len(tokens), rows):
        stretch = slice(start, start + rows)
        batch = _Batch.of(tokens[stretch], counted[stretch], model.device)
        by_context = {
            name: batch.by_context(values)
            for name, values in _quantities(model, mounts, batch, fills)
        }
        parts.append(SpliceSums(counted[stretch, 1:].sum(axis=1).astype(np.int64), by_context))
    return SpliceSums.joined(parts)


def splice_figures(sums: SpliceSums, sae: str, hook_name: str) -> SpliceQuality | None:
    """The figures of one dictionary; None where no token was predicted."""
    if not sums.n_tokens.any():
        return None
    clean, clean_error = sums.mean_and_error("clean")
    spliced, spliced_error = sums.mean_and_error(f"spliced {sae}")
    zero, zero_error = sums.mean_and_error(f"zero {hook_name}")
    mean, mean_error = sums.mean_and_error(f"mean {hook_name}")
    delta, delta_error = sums.mean_and_error(f"delta {sae}")
    kl, kl_error = sums.mean_and_error(f"kl {sae}")

    def recovered(ablated: float) -> float | None:
        return (ablated - spliced) / (ablated - clean) if ablated != clean else None

    return SpliceQuality(
        n_ce_tokens=int(sums.n_tokens.sum()),
        n_ce_contexts=int((sums.n_tokens > 0).sum()),
        ce_clean=clean,
        ce_clean_error=clean_error,
        ce_spliced=spliced,
        ce_spliced_error=spliced_error,
        ce_zero_ablated=zero,
        ce_zero_ablated_error=zero_error,
        ce_mean_ablated=mean,
        ce_mean_ablated_error=mean_error,
        delta_ce=delta,
        delta_ce_error=delta_error,
        kl=kl,
        kl_error=kl_error,
        ce_recovered_mean=recovered(mean),
        ce_recovered_zero=recovered(zero),
    )


def _quantities(
    model: Model, mounts: Mapping[str, Mount], batch: "_Batch", fills: Mapping[str, Tensor]
) -> Iterator[tuple[str, Float[Tensor, " n"]]]:
    """Each quantity by name, at every predicted token of a batch."""
    clean = batch.log_probs(model.logits(batch.tokens))
    yield "clean", -batch.at_target(clean)
    for name in dict.fromkeys(mount.output_hook for mount in mounts.values()):
        for kind, value in (("zero", torch.zeros_like(fills[name])), ("mean", fills[name])):
            visitor = _replacing(batch, lambda y, value=value: value.expand_as(y))
            changed = batch.log_probs(model.logits(batch.tokens, {name: visitor}))
            yield f"{kind} {name}", -batch.at_target(changed)
    for sae, mount in mounts.items():
        visitors = _reconstructing(batch, mount)
        spliced = batch.log_probs(model.logits(batch.tokens, visitors))
        yield f"spliced {sae}", -batch.at_target(spliced)
        yield f"delta {sae}", batch.at_target(clean) - batch.at_target(spliced)
        yield f"kl {sae}", (clean.exp() * (clean - spliced)).sum(dim=-1)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Some contexts, and which of their tokens are changed and predicted."""

    tokens: Int[Tensor, "rows n_ctx"]
    counted: Bool[Tensor, "rows n_ctx"]

    @classmethod
    def of(
        cls,
        tokens: Integer[np.ndarray, "rows n_ctx"],
        counted: Bool[np.ndarray, "rows n_ctx"],
        device: torch.device,
    ) -> "_Batch":
        ids = torch.from_numpy(np.asarray(tokens, dtype=np.int64))
        return cls(ids.to(device), torch.from_numpy(np.asarray(counted)).to(device))

    def log_probs(self, logits: Float[Tensor, "rows n_ctx d_vocab"]) -> Float[Tensor, "n d_vocab"]:
        """Next-token log-probabilities at the positions before counted tokens."""
        return logits[:, :-1][self.counted[:, 1:]].float().log_softmax(dim=-1)

    def at_target(self, log_probs: Float[Tensor, "n d_vocab"]) -> Float[Tensor, " n"]:
        """The log-probability of the token that came."""
        targets = self.tokens[:, 1:][self.counted[:, 1:]]
        return log_probs.gather(-1, targets[:, None])[:, 0]

    def by_context(self, values: Float[Tensor, " n"]) -> Float64[np.ndarray, " rows"]:
        """Sums of what each predicted token has."""
        sums = torch.zeros(len(self.counted), dtype=torch.float64)
        row = self.counted[:, 1:].nonzero()[:, 0].cpu()
        return sums.index_add_(0, row, values.cpu().double()).numpy()


def _replacing(
    batch: _Batch, change: Callable[[Float[Tensor, "n _d_out"]], Float[Tensor, "n _d_out"]]
) -> Visitor:
    """Puts something else in the place of the activations at counted positions."""

    def visit(activation: Tensor) -> Tensor:
        flat = activation.flatten(start_dim=2).clone()
        flat[batch.counted] = change(flat[batch.counted]).to(flat.dtype)
        return flat.reshape(activation.shape)

    return visit


def _reconstructing(batch: _Batch, mount: Mount) -> dict[str, Visitor]:
    """Puts the reconstruction in its place; of a transcoder, that of what was read before."""
    dictionary, seen = mount.dictionary, list[Tensor]()

    def reconstruct(x: Float[Tensor, "n d_in"]) -> Float[Tensor, "n d_out"]:
        own = x.to(dictionary.device)
        return dictionary.decode(dictionary.encode(own), own).to(x.device)

    def read(activation: Tensor) -> None:
        seen.append(activation.flatten(start_dim=2)[batch.counted])

    if mount.hook_name_out is None:
        return {mount.hook_name: _replacing(batch, reconstruct)}
    return {
        mount.hook_name: read,
        mount.output_hook: _replacing(batch, lambda _: reconstruct(seen[-1])),
    }
