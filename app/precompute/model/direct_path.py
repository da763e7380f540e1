"""How a direction at a hook reaches the residual stream, without passing through a later layer.

Takes a model and a hook name and gives the linear map from there to the residual stream, or the
reason why there is none. Knows nothing of unembedding or vocabulary.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from app.precompute.model.language_model import LanguageModel
from app.precompute.model.norms import Norm, read_norm


@dataclass(frozen=True, eq=False)
class DirectPath:
    """Where a feature writes, in words and as a map."""

    description: str
    """For pages: "directly", "through W_O", "through W_out"."""
    module: nn.Module | None
    """The linear layer between the hook and the stream."""
    post_norm: Norm | None
    """The norm that the block's output passes before it is added, at a held scale."""
    factor: float = 1.0
    """What the stream gains for one unit there, where nothing else stands between."""

    def to_residual(
        self, W_dec: Float[Tensor, "n_features d_out"]
    ) -> Float[Tensor, "n_features d_model"]:
        """What one unit of each feature adds to the residual stream, without the post-norm."""
        if self.module is None:
            return self.factor * W_dec.float()
        parameter = next(self.module.parameters())
        with torch.no_grad():
            zero = torch.zeros_like(W_dec[:1]).to(parameter)
            # The layer's own bias is no part of the feature.
            return (self.module(W_dec.to(parameter)) - self.module(zero)).float()


def direct_path(model: LanguageModel, hook_name: str) -> DirectPath | str:
    """The path, or a sentence that says why there is none. AtlasError for an unknown hook."""
    component, _, side = model.native_name(hook_name).rpartition(".")
    block, _, place = component.partition(".")[2].partition(".")
    prefix = f"blocks.{block}"
    site = hook_name.removeprefix(f"{prefix}.")
    if site in ("hook_resid_pre", "hook_resid_mid", "hook_resid_post"):
        return DirectPath("directly", None, None)
    if hook_name == "hook_embed":
        return _embedded(model)
    if site in ("hook_attn_out", "hook_mlp_out", "mlp.hook_out"):
        branch = "attn" if site == "hook_attn_out" else "mlp"
        before_post_norm = place == branch  # TransformerLens puts the hook behind it if it can
        return _behind(model, prefix, branch, "directly", None, before_post_norm)
    if (site, place, side) == ("attn.hook_z", "attn.o", "hook_in"):
        return _through(model, prefix, "attn", "o", "through W_O")
    if (site, place, side) == ("mlp.hook_post", "mlp.out", "hook_in"):
        return _through(model, prefix, "mlp", "out", "through W_out")
    return (
        f"There is no linear path from {hook_name} to the logits: "
        "what is there passes a non-linearity first."
    )


def _embedded(model: LanguageModel) -> DirectPath | str:
    """The embedding is added to the stream as it is, or times a number, or not at all: that is
    seen by changing it."""
    tokens = torch.zeros(1, 2, dtype=torch.long)
    generator = torch.Generator().manual_seed(0)
    width, found = model.hook_width("hook_embed"), list[Tensor]()
    draws = torch.randn(2, 2, width, generator=generator)
    amounts = torch.cat([torch.zeros(1, 2, width), draws * torch.tensor([1.0, 3.0])[:, None, None]])

    def keep(activation: Tensor) -> None:
        found.append(activation.float().cpu())

    for amount in amounts:
        visitors = {
            "hook_embed": lambda x, amount=amount: x + amount.to(x),
            "blocks.0.hook_resid_pre": keep,
        }
        model.logits(tokens, visitors)
    reason = (
        f"There is no linear path from hook_embed of {model.name} to the residual stream: "
        "the embedding passes a norm or a matrix first."
    )
    if found[0].shape[-1] != width:
        return reason
    gained = torch.cat([changed - found[0] for changed in found[1:]])
    factor = float((gained * amounts[1:]).sum() / amounts[1:].square().sum())
    apart = (gained - factor * amounts[1:]).norm() / gained.norm()
    if not apart <= max(model.tolerance, 1e-3):
        return reason
    if abs(factor - 1) <= model.tolerance:
        return DirectPath("directly", None, None)
    return DirectPath(f"directly, times {factor:.4g}", None, None, factor)


def _through(
    model: LanguageModel, prefix: str, branch: str, layer: str, description: str
) -> DirectPath | str:
    module = model.module(f"{prefix}.{branch}.{layer}")
    if module is None:
        return f"{model.name} has no single matrix from {prefix}.{branch} to the residual stream."
    return _behind(model, prefix, branch, description, module, True)


def _behind(
    model: LanguageModel,
    prefix: str,
    branch: str,
    description: str,
    module: nn.Module | None,
    before_post_norm: bool,
) -> DirectPath | str:
    """The path with the block's post-norm behind that branch, where the architecture has one."""
    post = model.module(f"{prefix}.{'ln1_post' if branch == 'attn' else 'ln2_post'}")
    if post is None or not before_post_norm:
        return DirectPath(description, module, None)
    norm = read_norm(post, model.d_model)
    if norm is None:
        return f"The norm behind {prefix}.{branch} is neither a LayerNorm nor an RMSNorm."
    return DirectPath(f"{description} and the block's post-norm", module, norm)
