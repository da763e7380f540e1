"""Stage 4 as well: the mean of what the final norm divides the residual stream by, on this corpus.

Takes a run; runs the model on the first contexts, and gives one number for all dictionaries. It is
a stage of its own because the other weights need no corpus. Knows no dictionary.
"""

import numpy as np
import torch
from jaxtyping import Bool, Integer

from app.precompute.drivers.driver import Piece, Task
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.norms import read_norm
from app.precompute.preparation import Run, first_contexts
from app.precompute.workplace.stage_recipes import FINAL_NORM

CONTEXTS = 32
"""Contexts it is measured on, the first in which a token counts."""


def norm_pieces(run: Run) -> list[Piece]:
    """All of it, a second of work; none where no model can be looked into."""
    if not isinstance(run.model, LanguageModel):
        return []
    return [Piece((FINAL_NORM,), "all", len(first_contexts(run.corpus, CONTEXTS)))]


def measure_norm_scale(run: Run, _: None) -> float | None:
    """See `mean_final_norm_scale`."""
    chosen = first_contexts(run.corpus, CONTEXTS)
    tokens, counted = run.corpus.tokens[chosen], run.corpus.counted[chosen]
    return mean_final_norm_scale(run.language_model, tokens, counted)


NORM_SCALE = Task(measure_norm_scale, "machine")


def mean_final_norm_scale(
    model: LanguageModel,
    tokens: Integer[np.ndarray, "n_contexts n_ctx"],
    counted: Bool[np.ndarray, "n_contexts n_ctx"],
    rows: int = 8,
) -> float | None:
    """Mean over counted tokens of what the final norm divides the residual stream by.

    Mean activation / this scale, times the adjusted logits, is the average direct contribution in
    logits. None where the final norm is neither a LayerNorm nor an RMSNorm.
    """
    final = model.module("ln_final")
    norm = read_norm(final, model.d_model) if final is not None else None
    if norm is None:
        return None
    hook_name = f"blocks.{model.n_layers - 1}.hook_resid_post"
    total = 0.0
    for start in range(0, len(tokens), rows):
        part = torch.from_numpy(np.asarray(tokens[start : start + rows], dtype=np.int64))
        x = model.activations(part, [hook_name])[hook_name]
        chosen = torch.from_numpy(np.array(counted[start : start + rows])).to(x.device)
        total += float(norm.scale(x)[chosen].cpu().double().sum())
    return total / int(counted.sum())
