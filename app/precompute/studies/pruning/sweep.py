"""Some contexts with every pruning of every dictionary in place of the activation.

Takes contexts, dictionaries at their hooks and the steps to measure; gives sums by context, which
join exactly however the contexts were cut. The clean model is run once for a batch, for all
dictionaries; for each pruning only what lies above the hook is run again (`Above`). Replaced is the
activation at counted positions, measured are predictions of counted tokens, as in `splice.py`.
Knows no atlas and no stage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int, Int64, Integer
from torch import Tensor

from app.precompute.ablation.texts import Mount
from app.precompute.model.above import Above
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.splice import LOGIT_ELEMENTS, MAX_ROWS
from app.precompute.studies.pruning.pruned import fired, pruned, reselected
from app.stats.pruning import Ladder

PASSES_A_HOOK = 4
"""Its activation, a pass that changes nothing, zero and the mean in its place."""


@dataclass(frozen=True)
class ToPrune:
    """A dictionary, and what is tried with it."""

    mount: Mount
    means: Float64[np.ndarray, " d_sae"]
    """mean activation of each feature over all counted tokens"""
    ladders: Mapping[str, Ladder]
    before: tuple[str, ...]
    """of the ladders those that are also gone down before the selection"""


@dataclass(frozen=True)
class Costs:
    """Sums of some prunings: by context the cross-entropy, over all tokens the error."""

    ce: Float64[np.ndarray, "n_steps n_ways n_contexts"]
    residual_squared: Float64[np.ndarray, "n_steps n_ways"]
    n_active: Int64[np.ndarray, "n_steps n_ways"]
    """firings that were left; counted where removal came before the selection, else 0"""

    @classmethod
    def joined(cls, parts: Iterable["Costs"]) -> "Costs":
        """Those of all contexts of the parts."""
        parts = list(parts)
        return cls(
            np.concatenate([part.ce for part in parts], axis=-1),
            np.sum([part.residual_squared for part in parts], axis=0),
            np.sum([part.n_active for part in parts], axis=0),
        )


@dataclass(frozen=True)
class AtHook:
    """What does not depend on a dictionary: the activation itself, and it taken away."""

    sum_x: Float64[np.ndarray, " d_out"]
    x_squared: float
    """Σ‖x‖²"""
    zero: Float64[np.ndarray, " n_contexts"]
    """cross-entropy, summed"""
    mean: Float64[np.ndarray, " n_contexts"]

    @classmethod
    def joined(cls, parts: Iterable["AtHook"]) -> "AtHook":
        parts = list(parts)
        return cls(
            np.sum([part.sum_x for part in parts], axis=0),
            float(np.sum([part.x_squared for part in parts])),
            np.concatenate([part.zero for part in parts]),
            np.concatenate([part.mean for part in parts]),
        )


@dataclass(frozen=True)
class SweepSums:
    """All of it for some contexts."""

    clean: Float64[np.ndarray, " n_contexts"]
    """cross-entropy, summed"""
    hooks: dict[str, AtHook]
    costs: dict[str, dict[str, Costs]]
    """by dictionary and ladder; ways are zeroed and folded, and under "before NAME" the first"""

    @classmethod
    def joined(cls, parts: Iterable["SweepSums"]) -> "SweepSums":
        """The sums of all contexts of the parts, in their order. ValueError if there is none."""
        parts = list(parts)
        clean = np.concatenate([part.clean for part in parts])
        return cls(
            clean,
            {name: AtHook.joined(p.hooks[name] for p in parts) for name in parts[0].hooks},
            {
                sae: {name: Costs.joined(p.costs[sae][name] for p in parts) for name in ladders}
                for sae, ladders in parts[0].costs.items()
            },
        )


def sweep(
    model: LanguageModel,
    asked: Mapping[str, ToPrune],
    tokens: Integer[np.ndarray, "n_contexts n_ctx"],
    counted: Bool[np.ndarray, "n_contexts n_ctx"],
    means: Mapping[str, Float64[np.ndarray, " _d_out"]],
) -> SweepSums:
    """The sums of these contexts. `means`: the mean activation at each hook that one writes."""
    rows = max(1, min(MAX_ROWS, LOGIT_ELEMENTS // (tokens.shape[1] * model.d_vocab)))
    parts = []
    for start in range(0, len(tokens), rows):
        stretch = slice(start, start + rows)
        batch = _Batch(model, tokens[stretch], counted[stretch])
        hooks, costs = dict[str, AtHook](), dict[str, dict[str, Costs]]()
        for hook_name, mean in means.items():
            y = batch.replaceable(hook_name)
            hooks[hook_name] = batch.at_hook(hook_name, y, mean)
            for sae, item in asked.items():
                if item.mount.output_hook == hook_name:
                    x = y if item.mount.hook_name_out is None else batch.read(item.mount.hook_name)
                    costs[sae] = batch.costs(item, x, y)
        parts.append(SweepSums(batch.clean, hooks, {sae: costs[sae] for sae in asked}))
    return SweepSums.joined(parts)


class _Batch:
    """Some contexts that are run together."""

    def __init__(
        self,
        model: LanguageModel,
        tokens: Integer[np.ndarray, "rows n_ctx"],
        counted: Bool[np.ndarray, "rows n_ctx"],
    ) -> None:
        ids = torch.from_numpy(np.asarray(tokens, dtype=np.int64)).to(model.device)
        self._tokens: Int[Tensor, "rows n_ctx"] = ids
        self._counted = torch.from_numpy(np.asarray(counted)).to(model.device)
        self._above = Above(model, ids)
        self.clean = self._ce(self._above.clean)

    def replaceable(self, hook_name: str) -> Float[Tensor, "n _d_out"]:
        """The activation at the counted positions of a hook at which others will stand."""
        return self._above.activation(hook_name)[self._counted]

    def read(self, hook_name: str) -> Float[Tensor, "n _d_in"]:
        """The activation at the counted positions."""
        return self._above.read(hook_name)[self._counted]

    def at_hook(
        self,
        hook_name: str,
        y: Float[Tensor, "n d_out"],
        mean: Float64[np.ndarray, " d_out"],
    ) -> AtHook:
        fill = torch.from_numpy(mean).to(y)
        double = y.double()
        return AtHook(
            double.sum(dim=0).cpu().numpy(),
            float(double.square().sum()),
            self._spliced(hook_name, torch.zeros_like(y)),
            self._spliced(hook_name, fill.expand_as(y)),
        )

    def costs(
        self, item: ToPrune, x: Float[Tensor, "n d_in"], y: Float[Tensor, "n d_out"]
    ) -> dict[str, Costs]:
        """Every ladder gone down; `x` is what is encoded, `y` what is replaced."""
        dictionary, hook_name = item.mount.weights, item.mount.output_hook
        own = x.to(dictionary.W_enc)
        found = fired(dictionary, own)
        costs = {}
        for name, ladder in item.ladders.items():
            steps = pruned(dictionary, item.means, found, own, ladder)
            measured = [[self._cost(hook_name, y, way) for way in step] for step in steps]
            costs[name] = self._as_costs(measured, ways=2)
        for name in item.before:
            ladder = item.ladders[name]
            measured = [
                [self._cost(hook_name, y, left.decode(dictionary, own), len(left.row))]
                for left in reselected(dictionary, own, ladder)
            ]
            costs[f"before {name}"] = self._as_costs(measured, ways=1)
        return costs

    def _cost(
        self,
        hook_name: str,
        y: Float[Tensor, "n d_out"],
        reconstruction: Float[Tensor, "n d_out"],
        n_active: int = 0,
    ) -> tuple[Float64[np.ndarray, " rows"], float, int]:
        residual = y.double() - reconstruction.to(y.device).double()
        ce = self._spliced(hook_name, reconstruction)
        return ce, float(residual.square().sum()), n_active

    def _as_costs(self, measured: list[list[tuple[np.ndarray, float, int]]], ways: int) -> Costs:
        shape = (len(measured), ways)
        return Costs(
            np.array([[ce for ce, _, _ in step] for step in measured]).reshape(*shape, -1)
            if measured
            else np.zeros((*shape, len(self._tokens))),
            np.array([[r for _, r, _ in step] for step in measured]).reshape(shape),
            np.array([[n for _, _, n in step] for step in measured], np.int64).reshape(shape),
        )

    def _spliced(
        self, hook_name: str, value: Float[Tensor, "n _d_out"]
    ) -> Float64[np.ndarray, " rows"]:
        """The cross-entropy with the activation replaced at the counted positions."""

        def change(activation: Tensor) -> Tensor:
            changed = activation.clone()
            changed[self._counted] = value.to(changed)
            return changed

        return self._ce(self._above.logits(hook_name, change))

    def _ce(self, logits: Float[Tensor, "rows n_ctx d_vocab"]) -> Float64[np.ndarray, " rows"]:
        """−log p of the counted tokens, each from the position before it, summed by context."""
        predicted = self._counted[:, 1:]
        own = logits[:, :-1][predicted].float()
        targets = self._tokens[:, 1:][predicted]
        nats = torch.nn.functional.cross_entropy(own, targets, reduction="none")
        sums = torch.zeros(len(self._tokens), dtype=torch.float64)
        row = predicted.nonzero()[:, 0].cpu()
        return sums.index_add_(0, row, nats.cpu().double()).numpy()
