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
from app.precompute.model.language_model import LanguageModel

TEXTS_AT_ONCE = 64
"""Shortened texts between two calls of `pause`."""


class Deletions:
    """Runs shortened texts; the same text without any deletion is run beside the first ones."""

    def __init__(
        self,
        model: LanguageModel,
        mount: Mount,
        feature_index: int,
        tokens: Integer[np.ndarray, " n_tokens"],
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        """`tokens`: up to the peak and with it. `pause` is called now and then; it may raise."""
        self.tokens = np.asarray(tokens, dtype=np.int64)
        self.position = len(tokens) - 1
        """of the peak"""
        self._mount = mount
        self._feature_index = feature_index
        self._runner = BranchRunner(model, [mount.hook_name])
        self._pause = pause
        ((self.baseline,), (self.hidden_pre_baseline,)) = self.read([()]).tolist()

    def read(self, deleted: Sequence[Collection[int]]) -> Float[np.ndarray, "2 n"]:
        """(activation, hidden_pre) of every set of deleted positions, in float64."""
        found = [np.empty((2, 0))]
        for start in range(0, len(deleted), TEXTS_AT_ONCE):
            self._pause()
            found.append(self._read(deleted[start : start + TEXTS_AT_ONCE]))
        return np.concatenate(found, axis=1)

    def effects(self, deleted: Sequence[Collection[int]]) -> Float[np.ndarray, "2 n"]:
        """The same, changed minus unchanged."""
        return self.read(deleted) - np.array([[self.baseline], [self.hidden_pre_baseline]])

    @torch.no_grad()
    def _read(self, deleted: Sequence[Collection[int]]) -> Float[np.ndarray, "2 n"]:
        plan = Plan(self.tokens, [self._branch(positions) for positions in deleted])
        x = self._runner.run([plan])[self._mount.hook_name]
        dictionary = self._mount.dictionary
        feature = torch.full((len(deleted),), self._feature_index)
        read = dictionary.encode_pairs(x.to(dictionary.W_enc.device), feature)
        return np.stack([part.cpu().double().numpy() for part in read])

    def _branch(self, positions: Collection[int]) -> Branch:
        if self.position in positions:
            raise ValueError("the peak itself is never deleted: that would read another token")
        first = min(positions, default=self.position)
        kept = np.ones(len(self.tokens), bool)
        kept[list(positions)] = False
        return Branch(first, self.tokens[first:][kept[first:]])
