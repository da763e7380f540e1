"""Training of the demo's language model: GPT-NeoX architecture, next token, on the CPU.

Takes rows of token ids and settings, gives a model in float32; saving it in half precision is here
too. The block's matrices are trained with Muon (Jordan et al. 2024), everything else with AdamW;
both rates rise for a moment, stay, and fall linearly to 0 at the end. It knows no dictionaries.
"""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from app.demo.recipe.log import Log
from app.demo.recipe.settings import ModelSettings
from app.demo.recipe.tokenizer import SEPARATOR_ID, cut_contexts


def build_model(settings: ModelSettings) -> GPTNeoXForCausalLM:
    """A model of random weights, drawn from torch's global generator."""
    return GPTNeoXForCausalLM(
        GPTNeoXConfig(
            vocab_size=settings.d_vocab,
            hidden_size=settings.d_model,
            num_hidden_layers=settings.n_layers,
            num_attention_heads=settings.n_heads,
            intermediate_size=settings.d_mlp,
            max_position_embeddings=settings.n_ctx,
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "partial_rotary_factor": 0.25,
            },
            bos_token_id=SEPARATOR_ID,
            eos_token_id=SEPARATOR_ID,
            use_parallel_residual=True,
            tie_word_embeddings=False,
        )
    )


def train_model(
    model: GPTNeoXForCausalLM,
    tokens: Int64[np.ndarray, " n_tokens"],
    settings: ModelSettings,
    seed: int,
    log: Log,
    checkpoint: Path,
    measure: Callable[[GPTNeoXForCausalLM], float],
) -> None:
    """Train in place; where the file `checkpoint` exists, go on from it.

    `measure` gives a number for the log. Every `report_steps` the weights, the optimizers' state
    and the step are written to `checkpoint`; a run that was stopped ends as if it had not been.
    """
    optimizers = build_optimizers(model, settings)
    n_steps = settings.n_tokens // (settings.batch_contexts * settings.n_ctx)
    done = _resume(checkpoint, model, optimizers)
    batches = islice(_batches(tokens, settings.n_ctx, settings.batch_contexts, seed), done, n_steps)
    losses: list[float] = []
    start = time.monotonic()
    for step, batch in enumerate(batches, start=done + 1):
        _set_rate(optimizers, _rate(step, n_steps, settings))
        losses.append(_step(model, batch, settings, optimizers))
        if step % settings.report_steps == 0 or step == n_steps:
            _save_checkpoint(checkpoint, step, model, optimizers)
            tokens_per_step = settings.batch_contexts * settings.n_ctx
            log.write(
                "step",
                step=step,
                of=n_steps,
                n_tokens=step * tokens_per_step,
                tokens_per_second=round(len(losses) * tokens_per_step / (time.monotonic() - start)),
                loss=float(np.mean(losses)),
                held_out_sample=measure(model),
            )
            losses, start = [], time.monotonic()


def build_optimizers(
    model: GPTNeoXForCausalLM, settings: ModelSettings
) -> list[torch.optim.Optimizer]:
    """Muon for the two-dimensional weights of the blocks, AdamW for all other parameters."""
    blocks = list(model.gpt_neox.layers.parameters())
    matrices = [p for p in blocks if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    decay = settings.weight_decay
    muon = torch.optim.Muon(
        matrices, lr=settings.lr_matrices, weight_decay=decay, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(rest, lr=settings.lr_rest, betas=(0.9, 0.98), weight_decay=decay)
    for optimizer in (muon, adamw):
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return [muon, adamw]


def next_token_losses(
    model: GPTNeoXForCausalLM, contexts: Int64[Tensor, "batch n_ctx"]
) -> Float[Tensor, "batch n_ctx-1"]:
    """Cross-entropy in nats at every position but the last, of the token that follows it."""
    logits = model(input_ids=contexts, use_cache=False).logits[:, :-1]
    targets = contexts[:, 1:]
    losses = functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), reduction="none"
    )
    return losses.view(targets.shape)


def save_model(model: GPTNeoXForCausalLM, folder: Path) -> None:
    """Write the model as float16 in Hugging Face form; the model itself stays as it is."""
    half = GPTNeoXForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half.half().save_pretrained(folder)


def load_model(folder: Path) -> GPTNeoXForCausalLM:
    """The saved model with its float16 weights as float32, ready to be read."""
    return GPTNeoXForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def _step(
    model: GPTNeoXForCausalLM,
    batch: Int64[Tensor, "batch n_ctx"],
    settings: ModelSettings,
    optimizers: list[torch.optim.Optimizer],
) -> float:
    """One update; gives the batch's mean loss in nats per token."""
    model.train()
    total = 0.0
    for part in batch.split(settings.micro_batch_contexts):
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
            loss = next_token_losses(model, part).mean() * (len(part) / len(batch))
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return total


def _batches(
    tokens: Int64[np.ndarray, " n_tokens"], n_ctx: int, batch: int, seed: int
) -> Iterator[Int64[Tensor, "batch n_ctx"]]:
    """Endless batches: each epoch cuts the row at another offset and goes through it shuffled."""
    rng = np.random.default_rng(seed)
    while True:
        contexts = cut_contexts(tokens[rng.integers(n_ctx - 1) :], n_ctx)
        order = rng.permutation(len(contexts))
        for start in range(0, len(order) - batch + 1, batch):
            yield torch.from_numpy(contexts[order[start : start + batch]])


def _rate(step: int, n_steps: int, settings: ModelSettings) -> float:
    """The share of the peak rate in step 1 … n_steps: a short rise, level, a line down to 0."""
    rise = step / settings.warmup_steps
    fall = (n_steps - step + 1) / (n_steps * settings.decay_share)
    return min(1.0, rise, fall)


def _set_rate(optimizers: list[torch.optim.Optimizer], share: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * share


def _save_checkpoint(
    path: Path, step: int, model: GPTNeoXForCausalLM, optimizers: list[torch.optim.Optimizer]
) -> None:
    """Write beside, then rename: a run killed here leaves the checkpoint before."""
    unfinished = path.with_suffix(".partial")
    states = [optimizer.state_dict() for optimizer in optimizers]
    torch.save({"step": step, "model": model.state_dict(), "optimizers": states}, unfinished)
    unfinished.replace(path)


def _resume(path: Path, model: GPTNeoXForCausalLM, optimizers: list[torch.optim.Optimizer]) -> int:
    """Load the checkpoint if there is one; gives the steps already done."""
    if not path.exists():
        return 0
    saved = torch.load(path, weights_only=True)
    model.load_state_dict(saved["model"])
    for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
        optimizer.load_state_dict(state)
    return saved["step"]
