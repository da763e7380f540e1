"""A user's functions from activations to features and back, as the stages of the job call them.

What was not given is not made up: `hidden_pre` is NaN, directions and thresholds are None. Rows are
given in blocks whose features fit into memory. Knows no model and no text.
"""

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from app.errors import AtlasError
from app.precompute.brought.asking import Function, ask, refuse_dependence
from app.sae.dictionary import ROW_BLOCK_ELEMENTS, DictionaryConfig

TOLERANCE = 1e-3
HIDDEN_PRE_TOLERANCE = 1e-2
"""By how much of the largest activation `hidden_pre` may be off: `encode` may have rounded it to
bfloat16, which has two to three digits."""

CHECKED_FEATURES = 8
"""Rows of W_dec that are compared with what `decode` adds."""


@dataclass(frozen=True, eq=False)
class BroughtCoder:
    """A `Coder` (see `app/precompute/coder.py`)."""

    config: DictionaryConfig
    encode_function: Function
    """`encode`: [n, d_in] -> [n, d_sae], none below 0"""
    decode_function: Function
    """`decode`: [n, d_sae] -> [n, d_in]"""
    hidden_pre_function: Function | None
    """`hidden_pre`: [n, d_in] -> [n, d_sae]"""
    directions: Float[Tensor, "d_sae d_in"] | None
    """`W_dec`"""
    threshold: Float[Tensor, " d_sae"] | None
    device: torch.device
    identity: str
    """hash of what the functions gave at the start"""
    selects_across_features: bool = False

    @property
    def d_out(self) -> int:
        """As wide as what it reads."""
        return self.config.d_in

    @property
    def gives_hidden_pre(self) -> bool:
        """Whether the user gave such a function."""
        return self.hidden_pre_function is not None

    def encode(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_sae"]:
        """The feature activations. AtlasError for what `encode` does wrong."""
        rows = x.reshape(-1, x.shape[-1]).to(self.device, torch.float32)
        parts = [self._encoded(part) for part in rows.split(self._rows_at_once())]
        return torch.cat(parts).reshape(*x.shape[:-1], self.config.d_sae)

    def forward_encoder(
        self, x: Float[Tensor, "*batch d_in"]
    ) -> tuple[Float[Tensor, "*batch d_sae"], Float[Tensor, "*batch d_sae"]]:
        """`(hidden_pre, feature_acts)`; the first is NaN where no such function was given."""
        acts = self.encode(x)
        if self.hidden_pre_function is None:
            return torch.full_like(acts, torch.nan), acts
        rows = x.reshape(-1, x.shape[-1]).to(self.device, torch.float32)
        parts = [self._hidden_pre(part) for part in rows.split(self._rows_at_once())]
        return torch.cat(parts).reshape(acts.shape), acts

    def encode_pairs(
        self, x: Float[Tensor, "n d_in"], feature_index: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """`(feature_acts, hidden_pre)` where entry i is feature `feature_index[i]` on row i."""
        feature_index = feature_index.to(self.device, torch.long)
        acts = torch.empty(len(x), device=self.device)
        hidden_pre = torch.empty(len(x), device=self.device)
        for start in range(0, len(x), self._rows_at_once()):
            block = slice(start, start + self._rows_at_once())
            wanted = feature_index[block, None]
            row_hidden_pre, row_acts = self.forward_encoder(x[block])
            acts[block] = row_acts.gather(-1, wanted)[:, 0]
            hidden_pre[block] = row_hidden_pre.gather(-1, wanted)[:, 0]
        return acts, hidden_pre

    def decode(
        self,
        feature_acts: Float[Tensor, "*batch d_sae"],
        x: Float[Tensor, "*batch d_in"] | None = None,
    ) -> Float[Tensor, "*batch d_out"]:
        """The reconstruction. AtlasError for what `decode` does wrong."""
        rows = feature_acts.reshape(-1, self.config.d_sae).to(self.device, torch.float32)
        parts = [self._decoded(part) for part in rows.split(self._rows_at_once())]
        return torch.cat(parts).reshape(*feature_acts.shape[:-1], self.config.d_in)

    def decode_events(
        self,
        row: Int[Tensor, " n_events"],
        feature_index: Int[Tensor, " n_events"],
        activation: Float[Tensor, " n_events"],
        x: Float[Tensor, "n d_in"],
    ) -> Float[Tensor, "n d_out"]:
        """`decode` from the firings alone, `row` ascending."""
        parts = []
        for start in range(0, len(x), self._rows_at_once()):
            stop = min(start + self._rows_at_once(), len(x))
            own = (row >= start) & (row < stop)
            acts = torch.zeros(stop - start, self.config.d_sae, device=self.device)
            acts[row[own] - start, feature_index[own]] = activation[own].to(acts)
            parts.append(self._decoded(acts))
        return torch.cat(parts)

    def decoder_norm(self) -> Float[Tensor, " d_sae"] | None:
        """‖W_dec[f]‖, where W_dec was given."""
        return None if self.directions is None else self.directions.norm(dim=-1)

    def firing_threshold(self) -> Float[Tensor, " d_sae"] | None:
        """The `hidden_pre` above which each feature fires, where it was given."""
        return self.threshold

    def weights_hash(self) -> str:
        """Of what the functions gave for the first text, as their weights can't be seen."""
        return self.identity

    def check(self, x: Float[Tensor, "n d_in"]) -> None:
        """Asks every function once more, in another batch, and holds them against each other.

        Raises:
            AtlasError: a row's numbers change with its batch, `hidden_pre` and `threshold` are not
                those of `encode`, or W_dec is not what `decode` adds for a feature.
        """
        hidden_pre, acts = self.forward_encoder(x)
        half = x[: max(1, len(x) // 2)]
        half_hidden_pre, half_acts = self.forward_encoder(half)
        refuse_dependence("encode", half_acts, acts[: len(half)], TOLERANCE, "one token")
        if self.gives_hidden_pre:
            among = hidden_pre[: len(half)]
            refuse_dependence("hidden_pre", half_hidden_pre, among, TOLERANCE, "one token")
            refuse_other_hidden_pre(hidden_pre, acts, self.threshold)
        refuse_dependence(
            "decode", self.decode(acts[: len(half)]), self.decode(acts)[: len(half)], TOLERANCE,
            "one token",
        )  # fmt: skip
        if self.directions is not None:
            self._check_directions(self.directions)

    def _check_directions(self, W_dec: Float[Tensor, "d_sae d_in"]) -> None:
        step = max(1, len(W_dec) // CHECKED_FEATURES)
        chosen = torch.arange(0, len(W_dec), step, device=self.device)
        acts = torch.zeros(len(chosen) + 1, len(W_dec), device=self.device)
        acts[torch.arange(len(chosen)), chosen] = 1
        x_hat = self._decoded(acts)
        added, rows = x_hat[:-1] - x_hat[-1], W_dec[chosen]
        slack = TOLERANCE * float(rows.abs().max())
        if not torch.allclose(added, rows, rtol=TOLERANCE, atol=slack):
            raise AtlasError(
                "W_dec is not what decode adds for one unit of a feature: give the matrix "
                "[d_sae, d_in] that decode uses, or leave it out where decode is not linear."
            )

    def _encoded(self, x: Float[Tensor, "n d_in"]) -> Float[Tensor, "n d_sae"]:
        shape = (len(x), self.config.d_sae)
        acts = ask("encode", self.encode_function, x, shape=shape, device=self.device)
        refuse_negative(acts)
        return acts

    def _hidden_pre(self, x: Float[Tensor, "n d_in"]) -> Float[Tensor, "n d_sae"]:
        shape = (len(x), self.config.d_sae)
        assert self.hidden_pre_function is not None
        return ask("hidden_pre", self.hidden_pre_function, x, shape=shape, device=self.device)

    def _decoded(self, acts: Float[Tensor, "n d_sae"]) -> Float[Tensor, "n d_in"]:
        shape = (len(acts), self.config.d_in)
        return ask("decode", self.decode_function, acts, shape=shape, device=self.device)

    def _rows_at_once(self) -> int:
        return max(1, ROW_BLOCK_ELEMENTS // self.config.d_sae)


def refuse_negative(acts: Float[Tensor, "n d_sae"]) -> None:
    """Refuses activations below 0.

    Raises:
        AtlasError: there is one.
    """
    if acts.numel() and float(acts.min()) < 0:
        raise AtlasError(
            f"encode returned {float(acts.min()):.3g}: a feature's activation is 0 or above; give "
            "the function with its ReLU, threshold or top-k, and the values before it as "
            "hidden_pre."
        )


def refuse_other_hidden_pre(
    hidden_pre: Float[Tensor, "n d_sae"],
    acts: Float[Tensor, "n d_sae"],
    threshold: Float[Tensor, " d_sae"] | None,
) -> None:
    """Refuses values before the activation that are not those of these activations.

    Where a feature fires they are equal; it fires exactly where `hidden_pre` is above `threshold`.

    Raises:
        AtlasError: there is another, but for rounding.
    """
    fires = acts > 0
    slack = HIDDEN_PRE_TOLERANCE * float((acts if bool(fires.any()) else hidden_pre).abs().max())
    other = fires & ((hidden_pre - acts).abs() > slack)
    if bool(other.any()):
        raise _misfit(
            hidden_pre, acts, other, "hidden_pre", "a feature that fires has it as its activation"
        )
    if threshold is None:
        return
    beyond = (hidden_pre - threshold).abs() > slack
    other = beyond & (fires != (hidden_pre > threshold))
    if bool(other.any()):
        raise _misfit(
            hidden_pre, acts, other, "threshold",
            "a feature fires where hidden_pre is above it and nowhere else; leave it out where "
            "other features have a say (per-token top-k)",
        )  # fmt: skip


def _misfit(
    hidden_pre: Float[Tensor, "n d_sae"],
    acts: Float[Tensor, "n d_sae"],
    other: Bool[Tensor, "n d_sae"],
    argument: str,
    expected: str,
) -> AtlasError:
    row, feature_index = other.nonzero()[0].tolist()
    return AtlasError(
        f"{argument} doesn't fit encode: feature {feature_index} has hidden_pre "
        f"{float(hidden_pre[row, feature_index]):.3g} and activation "
        f"{float(acts[row, feature_index]):.3g} at token {row} of the first text tried, but "
        f"{expected}."
    )


def identity_of(*tensors: Tensor | None) -> str:
    """sha256 of shapes and numbers."""
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor is not None:
            digest.update(f"{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()
