"""Running many small changes of one text: the primitive behind everything that changes a text.

A branch is `trunk[:attach] + tail` with natural positions, read at its last token. Token i deleted:
attach i, the tail is what followed it. Token i replaced: attach i, the tail starts with the new
token. Another beginning: the trunk is the other beginning, the tail is the text's own end. Takes
plans (a trunk and its branches) and gives the activations at any hooks. Knows nothing of
dictionaries or of why a text is changed.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from app.precompute.ablation import tree_attention
from app.precompute.model.agreement import relative_difference
from app.precompute.model.model import Model

log = logging.getLogger(__name__)

BATCH_TOKENS = {"cpu": 1536, "cuda": 32768}
"""Tokens, padding included, of one pass; measured on two cores, where larger batches are slower."""

CHECKED_BRANCHES = 8
"""Branches on which the tree is compared with ordinary sequences."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One changed text, `trunk[:attach] + tail`."""

    attach: int
    """Trunk tokens it keeps; may be 0."""
    tail: Integer[np.ndarray, " _n_tail"]
    """Its own tokens, one at least; the activation is read at the last of them."""

    @property
    def n_tokens(self) -> int:
        return self.attach + len(self.tail)


@dataclass(frozen=True, slots=True)
class Plan:
    """A text and the branches that leave it."""

    trunk: Integer[np.ndarray, " _n_trunk"]
    branches: Sequence[Branch]


class BranchRunner:
    """Runs plans at fixed hooks, as trees where the model allows it, else as ordinary sequences.

    A tree holds a trunk once, followed by all tails; a 4-D attention mask shows each tail its part
    of the trunk, and explicit position ids keep positions natural. Whether a model honours both is
    measured: trees are compared with ordinary sequences on the first plans, and again whenever a
    longer text comes (a sliding window shows only beyond its length). A model that differs by more
    than its tolerance gets ordinary sequences from then on.
    """

    def __init__(
        self,
        model: Model,
        hook_names: Iterable[str],
        batch_tokens: int | None = None,
        tail_tokens: int = tree_attention.TAIL_TOKENS,
    ) -> None:
        """`batch_tokens`: tokens of one pass; `tail_tokens`: tail tokens beside one trunk."""
        self.model = model
        self.hook_names = tuple(dict.fromkeys(hook_names))
        self.uses_trees = model.takes_masks
        """False once the model was seen not to honour the mask or the positions."""
        self._tail_tokens = tail_tokens
        kind = "cpu" if model.device.type == "cpu" else "cuda"
        self._batch_tokens = batch_tokens or BATCH_TOKENS[kind]
        self._checked_tokens = 0

    def run(
        self,
        plans: Sequence[Plan],
        model: Model | None = None,
        hook_names: Sequence[str] | None = None,
    ) -> dict[str, Float[Tensor, "n_branches _d_in"]]:
        """The activation at every branch's last token, plan after plan, branch after branch.

        `model`: a twin to run them on; `hook_names`: some of the runner's, by default all.
        """
        self.check(plans)
        return self._run(plans, self.uses_trees, model or self.model, hook_names or self.hook_names)

    def check(self, plans: Sequence[Plan]) -> None:
        """Compares trees with ordinary sequences if these plans hold a longer text than seen.

        Several threads may `run` plans no longer than those checked before.
        """
        longest = max((branch.n_tokens for plan in plans for branch in plan.branches), default=0)
        if self.uses_trees and longest > self._checked_tokens:
            self._compare(plans)
            self._checked_tokens = longest

    def _run(
        self, plans: Sequence[Plan], trees: bool, model: Model, hook_names: Sequence[str]
    ) -> dict[str, Float[Tensor, "n_branches _d_in"]]:
        n_branches = sum(len(plan.branches) for plan in plans)
        result = {
            name: torch.empty(
                n_branches, model.hook_width(name), dtype=model.dtype, device=model.device
            )
            for name in hook_names
        }
        run = self._as_trees if trees else self._as_sequences
        for indices, found in run(plans, model, hook_names):
            for name, activations in found.items():
                result[name][torch.from_numpy(indices).to(model.device)] = activations
        return result

    def _as_trees(
        self, plans: Sequence[Plan], model: Model, hook_names: Sequence[str]
    ) -> Iterator[tuple[Integer[np.ndarray, " n"], dict[str, Float[Tensor, "n _d_in"]]]]:
        pieces = tree_attention.trees(
            [
                (plan.trunk, [(branch.attach, branch.tail) for branch in plan.branches])
                for plan in plans
            ],
            self._tail_tokens,
        )
        for batch in batches([piece.n_tokens for piece in pieces], self._batch_tokens):
            chosen = [pieces[i] for i in batch]
            found = tree_attention.run(model, hook_names, chosen)
            yield np.concatenate([piece.branch_index for piece in chosen]), found

    def _as_sequences(
        self, plans: Sequence[Plan], model: Model, hook_names: Sequence[str]
    ) -> Iterator[tuple[Integer[np.ndarray, " n"], dict[str, Float[Tensor, "n _d_in"]]]]:
        texts = [
            np.concatenate([plan.trunk[: branch.attach], branch.tail])
            for plan in plans
            for branch in plan.branches
        ]
        for batch in batches([len(text) for text in texts], self._batch_tokens):
            chosen = [texts[i] for i in batch]
            lengths = [len(text) for text in chosen]
            tokens = np.full((len(chosen), max(lengths)), model.fill, dtype=np.int64)
            for row, text in zip(tokens, chosen, strict=True):
                row[: len(text)] = text
            # Padding stands to the right of what is read: a causal model never sees it from there.
            found = model.activations(torch.from_numpy(tokens), hook_names)
            last = torch.tensor(lengths) - 1
            rows = torch.arange(len(chosen))
            yield batch, {name: values[rows, last] for name, values in found.items()}

    def _compare(self, plans: Sequence[Plan]) -> None:
        longest = max(plans, key=lambda plan: max((b.n_tokens for b in plan.branches), default=0))
        step = -(-len(longest.branches) // CHECKED_BRANCHES)
        sample = [Plan(longest.trunk, longest.branches[::step])]
        expected = self._run(sample, False, self.model, self.hook_names)
        try:
            found = self._run(sample, True, self.model, self.hook_names)
        except tree_attention.TreeRefusedError as error:
            reason = f"it refuses them ({error})"
        else:
            apart = max(relative_difference(found[n], expected[n]) for n in self.hook_names)
            if apart <= self.model.tolerance:
                return
            reason = f"activations differ by {apart:.1g}, more than {self.model.tolerance:g}"
        self.uses_trees = False
        log.warning(
            "%s does not honour attention masks and position ids of its caller, so changed texts "
            "run one by one, which is slower: %s.",
            *(self.model.name, reason),
        )


def batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[Integer[np.ndarray, " n"]]:
    """Indices, longest first, in groups of at most `batch_tokens` once padded (one at least)."""
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // lengths[order[start]])
        yield order[start : start + size]
        start += size
