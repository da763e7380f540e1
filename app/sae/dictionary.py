"""The one internal form every on-disk format is read into, and encoding and decoding with it.

    x_in         = normalise(x) - b_pre
    feature_acts = activation(x_in @ W_enc + b_enc)
    x_hat        = undo(feature_acts @ W_dec + b_dec) + x @ W_skip

A transcoder reads one hook and writes another: its x_hat stands for what `hook_name_out` holds.

Takes and gives tensors on the dictionary's own device; inputs of another dtype are converted to
that of the weights. Knows no file format, no model and no hook: `x` is what the hook holds, heads
flattened.
"""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from app.sae.architectures import Activation
from app.sae.normalisation import Normalisation
from app.sae.recognition import Recognition

#: Most numbers one block of rows may hold where a whole row of features is needed for one of them.
ROW_BLOCK_ELEMENTS = 2**24


@dataclass(frozen=True)
class DictionaryConfig:
    """What the files say about a dictionary; None is "they don't say"."""

    #: Name of the reader that read it: "saelens", "dictionary_learning".
    format: str
    #: The architecture as its format calls it; what is computed is in `Dictionary.activation`.
    architecture: str
    #: TransformerLens name of the activation it was trained on, and reads.
    hook_name: str | None
    d_in: int
    d_sae: int
    prepend_bos: bool | None
    #: Tokens in a training context.
    context_size: int | None
    model_name: str | None
    #: One line for the atlas: which input scaling and which decoder norms the activations assume.
    convention: str
    #: The folder or file it was read from.
    path: Path
    #: The configuration as it stands in the file.
    raw: dict[str, Any] = field(default_factory=dict)
    #: Most features that may fire on one token (per-token top-k).
    k: int | None = None
    #: Average number of firing features it was trained for (thresholds).
    target_l0: float | None = None
    #: The one attention head it was trained on.
    hook_head_index: int | None = None
    #: Whether the hook's last two dimensions (head, d_head) are flattened into d_in.
    flatten_heads: bool = False
    #: The files name a constant input scale but not its value; see `app.sae.expected_average`.
    input_scale_unsettled: bool = False
    #: TransformerLens name of the activation a transcoder predicts; None for an autoencoder.
    hook_name_out: str | None = None
    #: Whether it predicts another activation than it reads, also where its files don't say which.
    is_transcoder: bool = False
    #: What was recognised, and from what.
    recognition: Recognition = field(default_factory=Recognition)


@dataclass(frozen=True, eq=False)
class Dictionary:
    """A dictionary in the internal form. All tensors share one device and one floating dtype.

    `b_pre` is subtracted from the normalised input and is zero where the format has no pre-bias;
    `b_enc` is zero for gated dictionaries, whose biases belong to the activation.
    """

    W_enc: Float[Tensor, "d_in d_sae"]
    b_enc: Float[Tensor, " d_sae"]
    W_dec: Float[Tensor, "d_sae d_out"]
    b_dec: Float[Tensor, " d_out"]
    b_pre: Float[Tensor, " d_in"]
    activation: Activation
    normalisation: Normalisation
    config: DictionaryConfig
    W_skip: Float[Tensor, "d_in d_out"] | None = None
    """The linear part of a skip transcoder, of the input as it is: neither normalised nor
    shifted. None where there is none."""

    def forward_encoder(
        self, x: Float[Tensor, "*batch d_in"]
    ) -> tuple[Float[Tensor, "*batch d_sae"], Float[Tensor, "*batch d_sae"]]:
        """`(hidden_pre, feature_acts)` from one pass. Two tensors of `[*batch, d_sae]` at least."""
        return self.activation(affine(self.encoder_input(x), self.W_enc, self.b_enc))

    def encode(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_sae"]:
        """The feature activations, equal to those of the format's own encoder at inference."""
        return self.forward_encoder(x)[1]

    def hidden_pre(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_sae"]:
        """The values before ReLU, threshold or top-k, in units of the activations.

        For gated dictionaries that is the magnitude path's, which may be positive behind a shut
        gate.
        """
        return self.forward_encoder(x)[0]

    def encode_features(
        self, x: Float[Tensor, "*batch d_in"], feature_index: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch n"]]:
        """`(feature_acts, hidden_pre)` of these features only, in their order.

        Computes n columns, except under per-token top-k, where the whole row decides who fires.
        """
        feature_index = feature_index.to(self.W_enc.device, torch.long)
        if self.activation.selects_across_features:
            hidden_pre, feature_acts = self.forward_encoder(x)
            return feature_acts[..., feature_index], hidden_pre[..., feature_index]
        linear = affine(
            self.encoder_input(x), self.W_enc[:, feature_index], self.b_enc[feature_index]
        )
        hidden_pre, feature_acts = self.activation.take(feature_index)(linear)
        return feature_acts, hidden_pre

    def encode_pairs(
        self, x: Float[Tensor, "n d_in"], feature_index: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """`(feature_acts, hidden_pre)` where entry i is feature `feature_index[i]` on row i of `x`.

        Gathers n columns of W_enc (`n * d_in` numbers); under per-token top-k whole rows are
        computed, a block of them at a time.
        """
        feature_index = feature_index.to(self.W_enc.device, torch.long)
        if self.activation.selects_across_features:
            return self._encode_pairs_by_row(x, feature_index)
        columns = self.W_enc.T[feature_index]
        linear = (self.encoder_input(x) * columns).sum(dim=-1) + self.b_enc[feature_index]
        hidden_pre, feature_acts = self.activation.take(feature_index)(linear)
        return feature_acts, hidden_pre

    def decode(
        self,
        feature_acts: Float[Tensor, "*batch d_sae"],
        x: Float[Tensor, "*batch d_in"] | None = None,
    ) -> Float[Tensor, "*batch d_out"]:
        """The reconstruction in the model's scale.

        `x` is what was encoded; it is needed (ValueError without it) where the normalisation is per
        token, since only the token's own statistics undo it, and for a skip transcoder.
        """
        reconstruction = affine(feature_acts.to(self.W_dec.dtype), self.W_dec, self.b_dec)
        if not self.normalisation.needs_input and self.W_skip is None:
            return reconstruction
        if x is None:
            raise ValueError("decode needs x to undo a per-token normalisation or for W_skip")
        return self._finished(reconstruction, x)

    def decode_events(
        self,
        row: Int[Tensor, " n_events"],
        feature_index: Int[Tensor, " n_events"],
        activation: Float[Tensor, " n_events"],
        x: Float[Tensor, "n d_in"],
    ) -> Float[Tensor, "n d_out"]:
        """`decode` from the firings alone, `row` ascending: costs L0 rows of W_dec a token.

        Equal to `decode` up to the order of the sum.
        """
        per_row = torch.bincount(row, minlength=len(x))
        reconstruction = torch.nn.functional.embedding_bag(
            feature_index,
            self.W_dec,
            per_row.cumsum(0) - per_row,
            mode="sum",
            per_sample_weights=activation.to(self.W_dec.dtype),
        )
        return self._finished(reconstruction + self.b_dec, x)

    @property
    def device(self) -> torch.device:
        """Of its tensors."""
        return self.W_enc.device

    @property
    def d_out(self) -> int:
        """Width of what it writes."""
        return self.W_dec.shape[1]

    @property
    def directions(self) -> Float[Tensor, "d_sae d_out"]:
        """What each feature adds for one unit of activation."""
        return self.W_dec

    @property
    def gives_hidden_pre(self) -> bool:
        """Always: the values before ReLU, threshold or top-k are computed."""
        return True

    @property
    def selects_across_features(self) -> bool:
        """Whether features compete (per-token top-k)."""
        return self.activation.selects_across_features

    @cached_property
    def encoder_rows(self) -> Float[Tensor, "d_sae d_in"]:
        """W_enc with each feature's numbers side by side; a copy, unless it lay so before."""
        return self.W_enc.T.contiguous()

    def decoder_norm(self) -> Float[Tensor, " d_sae"]:
        """‖W_dec[f]‖, the Euclidean norm of every feature's direction."""
        return self.W_dec.norm(dim=-1)

    def firing_threshold(self) -> Float[Tensor, " d_sae"] | None:
        """The `hidden_pre` above which each feature fires; None under per-token top-k."""
        threshold = self.activation.firing_threshold(self.W_enc.shape[1])
        return None if threshold is None else threshold.to(self.W_enc)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "Dictionary":
        """The same dictionary on another device or in another floating dtype."""
        return replace(
            self,
            activation=self.activation.to(device, dtype),
            **{
                name: tensor.to(device=device, dtype=dtype)
                for name, tensor in self._own_tensors().items()
            },
        )

    def weights_hash(self) -> str:
        """sha256 of everything that fixes the encoding: tensors, k, normalisation; not the config.

        The same on every device; another dtype is another hash.
        """
        digest = hashlib.sha256()
        digest.update(f"{self.activation.name} {self.activation.settings()}".encode())
        digest.update(f"{self.normalisation}".encode())
        if self.normalisation.one_way:
            digest.update(b"one way")
        for name, tensor in sorted((self._own_tensors() | self.activation.tensors()).items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def _own_tensors(self) -> dict[str, Tensor]:
        names = ("W_enc", "b_enc", "W_dec", "b_dec", "b_pre", "W_skip")
        return {name: tensor for name in names if (tensor := getattr(self, name)) is not None}

    def _finished(
        self, reconstruction: Float[Tensor, "*batch d_out"], x: Float[Tensor, "*batch d_in"]
    ) -> Float[Tensor, "*batch d_out"]:
        """In the model's scale, with the linear part of a skip transcoder."""
        x = x.to(self.W_enc.dtype)
        undone = self.normalisation.measure(x).undo(reconstruction)
        return undone if self.W_skip is None else undone + x @ self.W_skip

    def encoder_input(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_in"]:
        """What W_enc is multiplied by: the input normalised, the pre-bias taken off."""
        x = x.to(self.W_enc.dtype)
        return self.normalisation.measure(x).apply(x) - self.b_pre

    def _encode_pairs_by_row(
        self, x: Float[Tensor, "n d_in"], feature_index: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        rows = max(1, ROW_BLOCK_ELEMENTS // self.W_enc.shape[1])
        feature_acts = self.b_enc.new_empty(len(x))
        hidden_pre = self.b_enc.new_empty(len(x))
        for start in range(0, len(x), rows):
            block = slice(start, start + rows)
            wanted = feature_index[block, None]
            row_hidden_pre, row_acts = self.forward_encoder(x[block])
            hidden_pre[block] = row_hidden_pre.gather(-1, wanted)[:, 0]
            feature_acts[block] = row_acts.gather(-1, wanted)[:, 0]
        return feature_acts, hidden_pre


def affine(
    x: Float[Tensor, "*batch inner"],
    weight: Float[Tensor, "inner outer"],
    bias: Float[Tensor, " outer"],
) -> Float[Tensor, "*batch outer"]:
    """`x @ weight + bias` without a second tensor of the result's size."""
    rows = torch.addmm(bias, x.reshape(-1, x.shape[-1]), weight)
    return rows.reshape(*x.shape[:-1], weight.shape[1])
