"""What a dictionary's reconstruction costs the model: next-token cross-entropy with it in place.

Takes contexts and dictionaries at their hooks; compares the clean model with the activation
replaced by its reconstruction, by zero and by its mean. Replaced is the activation at counted
positions only (position 0, BOS, padding and other special tokens keep their own), measured are
predictions of counted tokens. Knows nothing of corpora or of the atlas.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

from app.precompute.ablation.texts import Mount
from app.precompute.model.forward import Visitor
from app.precompute.model.language_model import LanguageModel

LOGIT_ELEMENTS = 2**25
"""Most logits of one batch."""

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


def splice_quality(
    model: LanguageModel,
    mounts: Sequence[Mount],
    tokens: Integer[np.ndarray, "n_contexts n_ctx"],
    counted: Bool[np.ndarray, "n_contexts n_ctx"],
    means: Mapping[str, Float[np.ndarray, " _d_in"]] | None = None,
    advance: Callable[[int], None] = lambda n_contexts: None,
) -> list[SpliceQuality]:
    """The figures of every dictionary; clean and ablated passes are shared.

    `means`: the mean activation at each hook, by hook name; without it, that over the counted
    positions of these contexts (one more pass). `advance` is told the contexts done. ValueError if
    nothing is counted.
    """
    if not counted[:, 1:].any():
        raise ValueError("no counted token to predict")
    hook_names = list(dict.fromkeys(mount.hook_name for mount in mounts))
    rows = max(1, min(MAX_ROWS, LOGIT_ELEMENTS // (tokens.shape[1] * model.d_vocab)))
    batches = [
        _Batch.of(tokens[start : start + rows], counted[start : start + rows], model.device)
        for start in range(0, len(tokens), rows)
    ]
    fills = _means(model, hook_names, batches) if means is None else _tensors(means, model.device)
    sums = _Sums()
    for batch in batches:
        clean = batch.log_probs(model.logits(batch.tokens))
        sums.add("clean", batch, -batch.at_target(clean))
        for name in hook_names:
            for kind, value in (("zero", torch.zeros_like(fills[name])), ("mean", fills[name])):
                changed = _run(model, batch, name, lambda x, value=value: value.expand_as(x))
                sums.add(f"{kind} {name}", batch, -batch.at_target(changed))
        for number, mount in enumerate(mounts):
            spliced = _run(model, batch, mount.hook_name, _reconstruct(mount))
            change = batch.at_target(clean) - batch.at_target(spliced)
            sums.add(f"delta {number}", batch, change)
            sums.add(f"spliced {number}", batch, -batch.at_target(spliced))
            sums.add(f"kl {number}", batch, (clean.exp() * (clean - spliced)).sum(dim=-1))
        advance(len(batch.tokens))
    return [_figures(sums, number, mount.hook_name) for number, mount in enumerate(mounts)]


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


@dataclass
class _Sums:
    """Sums by context of any number of quantities."""

    n_tokens: dict[str, list[float]] = field(default_factory=dict)
    total: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, batch: _Batch, values: Float[Tensor, " n"]) -> None:
        by_row = torch.zeros(batch.counted.shape[0], dtype=torch.float64)
        row = batch.counted[:, 1:].nonzero()[:, 0].cpu()
        by_row.index_add_(0, row, values.cpu().double())
        self.total.setdefault(name, []).extend(by_row.tolist())
        self.n_tokens.setdefault(name, []).extend(batch.counted[:, 1:].sum(dim=1).tolist())

    def mean_and_error(self, name: str) -> tuple[float, float | None]:
        total, n_tokens = np.array(self.total[name]), np.array(self.n_tokens[name])
        mean = total.sum() / n_tokens.sum()
        n_contexts = int((n_tokens > 0).sum())
        if n_contexts < 2:
            return float(mean), None
        squared = np.square(total - n_tokens * mean).sum() * n_contexts / (n_contexts - 1)
        return float(mean), float(np.sqrt(squared) / n_tokens.sum())


def _run(
    model: LanguageModel,
    batch: _Batch,
    hook_name: str,
    change: Callable[[Float[Tensor, "n _d_in"]], Float[Tensor, "n _d_in"]],
) -> Float[Tensor, "n d_vocab"]:
    """Log-probabilities with the activations at counted positions changed."""

    def visitor(activation: Tensor) -> Tensor:
        flat = activation.flatten(start_dim=2).clone()
        flat[batch.counted] = change(flat[batch.counted]).to(flat.dtype)
        return flat.reshape(activation.shape)

    changes: dict[str, Visitor] = {hook_name: visitor}
    return batch.log_probs(model.logits(batch.tokens, changes))


def _reconstruct(mount: Mount) -> Callable[[Float[Tensor, "n d_in"]], Float[Tensor, "n d_in"]]:
    dictionary = mount.dictionary

    def reconstruct(x: Float[Tensor, "n d_in"]) -> Float[Tensor, "n d_in"]:
        own = x.to(dictionary.W_enc.device)
        return dictionary.decode(dictionary.encode(own), own).to(x.device)

    return reconstruct


def _means(
    model: LanguageModel, hook_names: Sequence[str], batches: Sequence[_Batch]
) -> dict[str, Float[Tensor, " _d_in"]]:
    """The mean activation over the counted positions, at every hook."""
    totals = {name: torch.zeros(model.hook_width(name)).double() for name in hook_names}
    n_tokens = 0
    for batch in batches:
        for name, x in model.activations(batch.tokens, hook_names).items():
            totals[name] += x[batch.counted].cpu().double().sum(dim=0)
        n_tokens += int(batch.counted.sum())
    return {name: (total / n_tokens).float().to(model.device) for name, total in totals.items()}


def _tensors(
    means: Mapping[str, Float[np.ndarray, " _d_in"]], device: torch.device
) -> dict[str, Float[Tensor, " _d_in"]]:
    return {
        name: torch.from_numpy(np.asarray(mean, dtype=np.float32)).to(device)
        for name, mean in means.items()
    }


def _figures(sums: _Sums, number: int, hook_name: str) -> SpliceQuality:
    clean, clean_error = sums.mean_and_error("clean")
    spliced, spliced_error = sums.mean_and_error(f"spliced {number}")
    zero, zero_error = sums.mean_and_error(f"zero {hook_name}")
    mean, mean_error = sums.mean_and_error(f"mean {hook_name}")
    delta, delta_error = sums.mean_and_error(f"delta {number}")
    kl, kl_error = sums.mean_and_error(f"kl {number}")

    def recovered(ablated: float) -> float | None:
        return (ablated - spliced) / (ablated - clean) if ablated != clean else None

    n_tokens = sums.n_tokens["clean"]
    return SpliceQuality(
        n_ce_tokens=int(sum(n_tokens)),
        n_ce_contexts=sum(n > 0 for n in n_tokens),
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
