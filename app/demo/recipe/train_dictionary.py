"""Training of one dictionary of the demo: a sparse autoencoder with a jump threshold.

Takes activations, gives the weights of a JumpReLU dictionary in the model's scale. The threshold is
steered so that `l0` features fire per token on average (the idea of BatchTopK, Bussmann et al.
2024, arXiv:2412.06410): training and use have the same form. Only firing features are computed with
gradients, so a step costs little more than one dense encoding. It knows nothing of files or models.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from app.demo.recipe.log import Log
from app.demo.recipe.settings import DictionarySettings

DEAD_AFTER_TOKENS = 100_000
"""A feature silent for so many tokens is dead and helped by the auxiliary loss."""
AUXILIARY_FEATURES = 64
"""Dead features per token that reconstruct the error in the auxiliary loss."""
AUXILIARY_WEIGHT = 1 / 16
"""Weight of the auxiliary loss beside the reconstruction (Gao et al. 2024, arXiv:2406.04093, A.2:
1/32 at larger scale)."""
THRESHOLD_ROWS = 64
"""Tokens of a batch from which the threshold for the wanted L0 is estimated."""
THRESHOLD_SHARE = 0.02
"""Share of each new estimate in the running threshold."""


@dataclass
class Firings:
    """The firing features of a batch, token by token."""

    features: Int64[Tensor, " n_firings"]
    """Feature indices, ordered by token."""
    tokens: Int64[Tensor, " n_firings"]
    """Row of the batch each firing belongs to, ascending."""
    starts: Int64[Tensor, " batch"]
    """Index of each token's first firing."""


class Dictionary(nn.Module):
    """The autoencoder during training, features along the first axis of both matrices.

    Inputs have mean squared norm `d_in` around their mean. Decoder rows have unit norm after every
    step, so that the threshold means the same for all features.
    """

    def __init__(self, d_in: int, d_sae: int, mean: Float[Tensor, " d_in"]) -> None:
        super().__init__()
        rows = functional.normalize(torch.randn(d_sae, d_in), dim=1)
        self.encoder = nn.Parameter(rows.clone())
        self.encoder_bias = nn.Parameter(torch.zeros(d_sae, 1))
        self.decoder = nn.Parameter(rows)
        self.decoder_bias = nn.Parameter(mean.clone())
        self.threshold = torch.tensor(0.0)

    def centred(self, x: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch d_in"]:
        """x − b_dec; as a pre-bias it takes no gradient, only the decoder moves it."""
        return x - self.decoder_bias.detach()

    @torch.no_grad()
    def hidden_pre(self, x: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch d_sae"]:
        """Every feature before the threshold, without gradients."""
        return torch.addmm(self.encoder_bias[:, 0], self.centred(x), self.encoder.T)

    def reconstruct(
        self, x: Float[Tensor, "batch d_in"], firings: Firings
    ) -> Float[Tensor, "batch d_in"]:
        """What the firing features say of x, without b_dec; gradients reach their rows alone."""
        encoder = functional.embedding(firings.features, self.encoder)
        bias = functional.embedding(firings.features, self.encoder_bias)[:, 0]
        acts = (encoder * self.centred(x)[firings.tokens]).sum(dim=1) + bias
        return functional.embedding_bag(
            firings.features,
            self.decoder,
            firings.starts,
            mode="sum",
            per_sample_weights=acts.relu(),
        )


@dataclass
class Progress:
    """Running figures between two lines of the log."""

    fvu: list[float] = field(default_factory=list)
    """Fraction of variance unexplained, per batch."""
    l0: list[float] = field(default_factory=list)


def train_dictionary(
    activations: Float[Tensor, "n_tokens d_in"],
    settings: DictionarySettings,
    log: Log,
    report_steps: int = 500,
) -> dict[str, Tensor]:
    """Train on rows drawn at random; gives the tensors of `folded` in the activations' scale."""
    sample = activations[torch.randperm(len(activations))[:100_000]].float()
    mean = sample.mean(dim=0)
    d_in = activations.shape[1]
    scale = ((sample - mean).square().sum(dim=1).mean() / d_in).sqrt()
    dictionary = Dictionary(d_in, settings.d_sae, mean / scale)
    optimizer = torch.optim.Adam(dictionary.parameters(), lr=settings.lr)
    silent = torch.zeros(settings.d_sae)
    progress = Progress()
    for step in range(settings.n_steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * _rate(step, settings)
        chosen = torch.randint(len(activations), (settings.batch_tokens,))
        _step(dictionary, activations[chosen].float() / scale, silent, settings, progress)
        optimizer.step()
        optimizer.zero_grad()
        _normalise(dictionary)
        if (step + 1) % report_steps == 0 or step + 1 == settings.n_steps:
            log.write(
                "step",
                step=step + 1,
                of=settings.n_steps,
                fvu=sum(progress.fvu) / len(progress.fvu),
                l0=sum(progress.l0) / len(progress.l0),
                n_dead=int((silent > DEAD_AFTER_TOKENS).sum()),
                threshold=float(dictionary.threshold * scale),
            )
            progress = Progress()
    return folded(dictionary, float(scale))


def folded(dictionary: Dictionary, scale: float) -> dict[str, Tensor]:
    """The weights as SAELens names and orients them, the input's scale worked into them.

    `W_enc [d_in, d_sae]`, `b_enc [d_sae]`, `W_dec [d_sae, d_in]`, `b_dec [d_in]`,
    `threshold [d_sae]`; activations come out in the units of the residual stream.
    """
    d_sae = len(dictionary.encoder)
    return {
        "W_enc": dictionary.encoder.detach().T.contiguous(),
        "b_enc": dictionary.encoder_bias.detach()[:, 0] * scale,
        "W_dec": dictionary.decoder.detach().clone(),
        "b_dec": dictionary.decoder_bias.detach() * scale,
        "threshold": (dictionary.threshold * scale).expand(d_sae).clone(),
    }


def _step(
    dictionary: Dictionary,
    x: Float[Tensor, "batch d_in"],
    silent: Float[Tensor, " d_sae"],
    settings: DictionarySettings,
    progress: Progress,
) -> None:
    """Loss and gradients of one batch; moves the threshold and counts the silence of features."""
    hidden_pre = dictionary.hidden_pre(x)
    _steer_threshold(dictionary, hidden_pre[:THRESHOLD_ROWS], settings.l0)
    firings = _firings(hidden_pre > dictionary.threshold)
    error = x - dictionary.decoder_bias - dictionary.reconstruct(x, firings)
    loss = error.square().mean()
    progress.fvu.append(loss.item())
    progress.l0.append(len(firings.features) / len(x))
    silent += len(x)
    silent[firings.features] = 0
    dead = silent > DEAD_AFTER_TOKENS
    if dead.any():
        helped = _strongest(hidden_pre, dead)
        missed = error.detach() - dictionary.reconstruct(x, helped)
        loss = loss + AUXILIARY_WEIGHT * missed.square().mean()
    loss.backward()


def _steer_threshold(
    dictionary: Dictionary, hidden_pre: Float[Tensor, "rows d_sae"], l0: float
) -> None:
    """Move the threshold towards the value above which `l0` features per token lie."""
    n_wanted = min(round(l0 * len(hidden_pre)), hidden_pre.numel())
    wanted = hidden_pre.flatten().topk(n_wanted).values[-1].clamp(min=0)
    started = dictionary.threshold > 0
    dictionary.threshold = dictionary.threshold.lerp(wanted, THRESHOLD_SHARE) if started else wanted


def _firings(active: Tensor) -> Firings:
    """The true cells of `active [batch, d_sae]`, token by token."""
    tokens, features = active.nonzero(as_tuple=True)
    counts = active.sum(dim=1)
    return Firings(features, tokens, counts.cumsum(dim=0) - counts)


def _strongest(hidden_pre: Float[Tensor, "batch d_sae"], dead: Tensor) -> Firings:
    """The strongest dead features of every token, up to `AUXILIARY_FEATURES`."""
    numbers = dead.nonzero()[:, 0]
    k = min(AUXILIARY_FEATURES, len(numbers))
    features = numbers[hidden_pre[:, numbers].topk(k, dim=1).indices].flatten()
    n_tokens = len(hidden_pre)
    tokens = torch.arange(n_tokens).repeat_interleave(k)
    return Firings(features, tokens, torch.arange(n_tokens) * k)


@torch.no_grad()
def _normalise(dictionary: Dictionary) -> None:
    dictionary.decoder.copy_(functional.normalize(dictionary.decoder, dim=1))


def _rate(step: int, settings: DictionarySettings) -> float:
    """The share of the full rate: constant, then a line down to 0 at the end."""
    return min(1.0, (settings.n_steps - step) / (settings.n_steps * settings.decay_share))
