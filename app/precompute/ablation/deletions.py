"""One feature at the end of one text, with any tokens before its peak deleted.

Takes a text, a feature and sets of positions; gives activation and `hidden_pre` of each shortened
text, read where the peak then stands. What follows a deletion moves forward. Knows not why tokens
are deleted.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from jaxtyping import Float, Integer

from app.precompute.ablation.branches import Branch, BranchRunner, Plan
from app.precompute.ablation.texts import Mount
from app.precompute.model.model import Model

TEXTS_AT_ONCE = 64
"""Shortened texts between two calls of `pause`."""


class Deletions:
    """Runs shortened texts, each once however often it is asked for."""

    def __init__(
        self,
        model: Model,
        mount: Mount,
        feature_index: int,
        tokens: Integer[np.ndarray, " n_tokens"],
        pause: Callable[[], None] = lambda: None,
        runner: BranchRunner | None = None,
        texts_at_once: int = TEXTS_AT_ONCE,
    ) -> None:
        """The text without any deletion is run at once.

        Args:
            tokens: up to the peak and with it.
            pause: is called between every `texts_at_once` shortened texts; it may raise.
            runner: of that model and hook, if there is one already.
        """
        self.tokens = np.asarray(tokens, dtype=np.int64)
        self.position = len(tokens) - 1
        """of the peak"""
        self._mount = mount
        self._feature_index = feature_index
        self._runner = runner or BranchRunner(model, [mount.hook_name])
        self._pause = pause
        self._texts_at_once = texts_at_once
        self._known: dict[frozenset[int], Float[np.ndarray, " 2"]] = {}
        ((self.baseline,), (self.hidden_pre_baseline,)) = self.read([()]).tolist()

    def read(self, deleted: Sequence[Collection[int]]) -> Float[np.ndarray, "2 n"]:
        """(activation, hidden_pre) of every set of deleted positions, in float64."""
        asked = [frozenset(positions) for positions in deleted]
        new = [key for key in dict.fromkeys(asked) if key not in self._known]
        for start in range(0, len(new), self._texts_at_once):
            self._pause()
            some = new[start : start + self._texts_at_once]
            self._known |= dict(zip(some, self._read(some).T, strict=True))
        return np.array([self._known[key] for key in asked]).reshape(-1, 2).T

    def effects(self, deleted: Sequence[Collection[int]]) -> Float[np.ndarray, "2 n"]:
        """The same, changed minus unchanged."""
        return self.read(deleted) - np.array([[self.baseline], [self.hidden_pre_baseline]])

    @torch.no_grad()
    def _read(self, deleted: Sequence[Collection[int]]) -> Float[np.ndarray, "2 n"]:
        plan = Plan(self.tokens, [self._branch(positions) for positions in deleted])
        x = self._runner.run([plan])[self._mount.hook_name]
        dictionary = self._mount.dictionary
        feature = torch.full((len(deleted),), self._feature_index)
        read = dictionary.encode_pairs(x.to(dictionary.device), feature)
        return np.stack([part.cpu().double().numpy() for part in read])

    def _branch(self, positions: Collection[int]) -> Branch:
        if self.position in positions:
            raise ValueError("the peak itself is never deleted: that would read another token")
        first = min(positions, default=self.position)
        kept = np.ones(len(self.tokens), bool)
        kept[list(positions)] = False
        return Branch(first, self.tokens[first:][kept[first:]])
