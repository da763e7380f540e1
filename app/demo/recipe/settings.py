"""Every number of the recipe; the defaults are those of the weights that ship.

Plain frozen records, written to the log as they are. A test shrinks them to train in seconds.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelSettings:
    """Shape and training of the language model."""

    d_vocab: int = 4096
    d_model: int = 192
    n_layers: int = 4
    n_heads: int = 6
    d_mlp: int = 768
    n_ctx: int = 256
    """Positions, and the length of a training context, separator included."""
    n_tokens: int = 10_000_000
    """Positions trained on in all; rounded down to whole batches."""
    batch_contexts: int = 16
    """Contexts per step."""
    micro_batch_contexts: int = 8
    """Contexts per backward pass; on two cores small batches stay in the cache."""
    lr_matrices: float = 1e-2
    """Peak rate of Muon, for the weight matrices of the blocks."""
    lr_rest: float = 5e-3
    """Peak rate of AdamW, for embedding, unembedding, norms and biases."""
    weight_decay: float = 0.1
    warmup_steps: int = 50
    decay_share: float = 0.35
    """Share of the steps, at the end, over which both rates fall linearly to 0. Until it begins,
    a stopped run can go on with another `n_tokens`, as if it had had it from the start."""
    report_steps: int = 50
    """Between two lines of the log; the held-out sample is measured and a checkpoint saved."""
    bfloat16: bool = True
    """Matrix products in bfloat16; the weights and their updates stay in float32."""


@dataclass(frozen=True)
class DictionarySettings:
    """Place, size and training of one dictionary."""

    name: str
    """Folder of the result, a slug."""
    layer: int
    """It reads the residual stream after this block, counted from 0."""
    d_sae: int
    l0: float
    """Features firing per token that the thresholds are steered to."""
    n_steps: int
    batch_tokens: int = 1024
    lr: float = 1.5e-3
    decay_share: float = 0.4
    """Share of the steps over which the rate falls linearly to 0."""


@dataclass(frozen=True)
class RecipeSettings:
    """The whole recipe."""

    seed: int = 0
    held_out_share: float = 0.05
    n_threads: int = 2
    model_name: str = "pystdlib-3m"
    context_size: int = 128
    """Length of the contexts the dictionaries are trained and judged on, separator included."""
    activation_contexts: int = 8_000
    """Training contexts, drawn at random, whose activations the dictionaries see."""
    model: ModelSettings = field(default_factory=ModelSettings)
    dictionaries: tuple[DictionarySettings, ...] = (
        DictionarySettings(name="resid-2-1k", layer=2, d_sae=1024, l0=40, n_steps=4000),
        DictionarySettings(name="resid-2-4k", layer=2, d_sae=4096, l0=32, n_steps=3500),
        DictionarySettings(name="resid-1-2k", layer=1, d_sae=2048, l0=32, n_steps=3500),
    )
    """Those of one layer stand together: its activations are kept for them."""
