"""What a logit lens stands on: the way from a hook to the logits, as far as there is one.

Takes a model and a hook; of a language model it is read off its modules, of a user's module it is
the unembedding that was given with it. Knows no feature.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from app.precompute.brought.model import BroughtModel
from app.precompute.model.direct_path import DirectPath, direct_path
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.model import Model
from app.precompute.model.norms import Norm, read_norm


@dataclass(frozen=True, eq=False)
class LensGround:
    """One hook's way to the logits."""

    name: str
    """of the model"""
    path: DirectPath | str
    """to the residual stream, or a sentence that says why there is none"""
    norm: Norm | None
    """the final norm; None where it is not known, and then there is no path either"""
    W_U: Float[Tensor, "d_model d_vocab"]


def lens_ground(model: Model, hook_name: str) -> LensGround:
    """The way from this hook. AtlasError for an unknown hook."""
    if isinstance(model, LanguageModel):
        return _of_language_model(model, hook_name)
    if isinstance(model, BroughtModel):
        return _of_brought(model)
    raise ValueError(f"{model.name} is only known by name")


def _of_language_model(model: LanguageModel, hook_name: str) -> LensGround:
    path = direct_path(model, hook_name)
    final = model.module("ln_final")
    norm = read_norm(final, model.d_model) if final is not None else None
    if norm is None and not isinstance(path, str):
        path = f"The final norm of {model.name} is neither a LayerNorm nor an RMSNorm."
    return LensGround(model.name, path, norm, model.W_U.detach().float())


def _of_brought(model: BroughtModel) -> LensGround:
    d_in = model.hook_width(model.hook_name)
    W_U = torch.zeros(d_in, model.d_vocab, device=model.device)
    if model.unembedding is None:
        return LensGround(model.name, f"No unembedding was given for {model.name}.", None, W_U)
    W_U[:, : model.n_words] = model.unembedding
    ones = torch.ones(d_in, device=model.device)
    norm = Norm(ones, centres=False, bias=0 * ones)
    path = DirectPath("through the unembedding that was given, no norm on the way", None, None)
    return LensGround(model.name, path, norm, W_U)
