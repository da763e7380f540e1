"""What taking one feature away at one of its firings does to the model's predictions.

Takes contexts and firings in them; gives, for each firing, the change of cross-entropy at its token
and at those that follow, KL, and the tokens whose probability changes most. Taken away is
activation · W_dec[f] in the model's own scale, at that one token of the hook the dictionary writes:
the feature's other firings, all other features and the dictionary's error stay. Knows not how
firings were chosen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int32, Int64, Integer
from torch import Tensor

from app.precompute.ablation.texts import Mount
from app.precompute.model.language_model import LanguageModel
from app.precompute.studies.effects.replay import Way, run, site_of
from app.precompute.studies.effects.rows import Place
from app.sae.dictionary import Dictionary

N_TOKENS = 3
"""Tokens kept of those that lose probability, and as many of those that gain."""

CONTEXTS_AT_ONCE = 16
"""Contexts whose activations are at hand together."""

Kept = Callable[[str, Integer[np.ndarray, " n"], Integer[np.ndarray, " n"]], Tensor | None]
"""(hook name, contexts, positions) -> the activations there, if they are stored"""


@dataclass(frozen=True)
class Firings:
    """Places at which a feature fires, those of one context beside each other."""

    mount: Integer[np.ndarray, " n"]
    """which dictionary"""
    feature_index: Integer[np.ndarray, " n"]
    context: Integer[np.ndarray, " n"]
    """row of the contexts, ascending"""
    position: Integer[np.ndarray, " n"]
    activation: Float[np.ndarray, " n"]

    def take(self, rows: Integer[np.ndarray, " m"]) -> "Firings":
        """Some of them."""
        return Firings(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Removed:
    """What removing did, firing by firing. Differences are without the feature minus with it."""

    next_id: Int32[np.ndarray, " n"]
    """the next token; -1 where none is counted"""
    ce: Float32[np.ndarray, " n"]
    """cross-entropy of the next token with the feature in place, nats; NaN where none is counted"""
    delta_ce: Float32[np.ndarray, "n n_read"]
    """change of the cross-entropy of the next token, the one after it …, nats; NaN where the token
    isn't counted or lies behind the context's end"""
    kl: Float32[np.ndarray, " n"]
    """KL(with ‖ without) of the next token's distribution, nats"""
    changes_likeliest: Bool[np.ndarray, " n"]
    """another token becomes the likeliest next one"""
    lost_id: Int32[np.ndarray, "n k"]
    """tokens whose probability as the next one falls most, first by how far; -1 where fewer fall"""
    lost_from: Float32[np.ndarray, "n k"]
    """their probability with the feature"""
    lost_to: Float32[np.ndarray, "n k"]
    """and without"""
    gained_id: Int32[np.ndarray, "n k"]
    """the same of those whose probability rises most"""
    gained_from: Float32[np.ndarray, "n k"]
    gained_to: Float32[np.ndarray, "n k"]

    @classmethod
    def empty(cls, n: int, n_read: int) -> "Removed":
        """NaN and -1 everywhere."""
        nan = np.full((n, N_TOKENS), np.nan, np.float32)
        none = np.full((n, N_TOKENS), -1, np.int32)
        one = np.full(n, np.nan, np.float32)
        return cls(
            *(none[:, 0].copy(), one, np.full((n, n_read), np.nan, np.float32), one.copy()),
            np.zeros(n, bool),
            *(none, nan, nan.copy(), none.copy(), nan.copy(), nan.copy()),
        )

    @classmethod
    def joined(cls, parts: Sequence["Removed"]) -> "Removed":
        """All firings of the parts, in their order."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def remove(
    model: LanguageModel,
    mounts: Sequence[Mount],
    ways: Mapping[str, Way],
    tokens: Integer[np.ndarray, "n_contexts context_size"],
    counted: Bool[np.ndarray, "n_contexts context_size"],
    firings: Firings,
    n_read: int,
    kept: Kept = lambda *_: None,
) -> Removed:
    """Every firing removed by itself. Contexts are cut where nothing is read any more.

    Args:
        ways: how texts are run, by the hook that is written.
        n_read: predictions compared, from the one at the firing on.
        kept: activations that need no pass of the model.
    """
    found = Removed.empty(len(firings.position), n_read)
    places = [(mount.hook_name, mount.output_hook) for mount in mounts]
    for place in dict.fromkeys(places):
        own = np.flatnonzero(
            np.isin(firings.mount, [i for i, p in enumerate(places) if p == place])
        )
        borders = np.flatnonzero(np.diff(firings.context[own])) + 1
        for rows in np.split(own, borders[CONTEXTS_AT_ONCE - 1 :: CONTEXTS_AT_ONCE]):
            if rows.size:
                at_hook = _AtHook(model, mounts, *place, ways[place[1]], n_read, kept)
                at_hook.fill(found, rows, tokens, counted, firings.take(rows))
    return found


def difference(
    dictionary: Dictionary,
    x: Float[Tensor, "n d_in"],
    feature_index: Integer[np.ndarray, " n"],
    activation: Float[np.ndarray, " n"],
) -> Float[Tensor, "n d_out"]:
    """−activation · W_dec[f], a per-token normalisation undone with the statistics of `x`, what
    was read."""
    device = dictionary.W_dec.device
    own = x.to(dictionary.W_enc)
    rows = dictionary.W_dec[torch.from_numpy(feature_index).to(device)]
    removed = -torch.from_numpy(activation)[:, None].to(dictionary.W_dec) * rows
    factor = dictionary.normalisation.measure(own).factor
    return removed if factor is None else removed * factor


@dataclass(frozen=True, eq=False)
class _AtHook:
    """How firings of the dictionaries that read one hook and write one are removed."""

    model: LanguageModel
    mounts: Sequence[Mount]
    hook_name: str
    output_hook: str
    way: Way
    n_read: int
    kept: Kept

    def fill(
        self,
        found: Removed,
        rows: Int64[np.ndarray, " n"],
        tokens: Integer[np.ndarray, "n_contexts context_size"],
        counted: Bool[np.ndarray, "n_contexts context_size"],
        firings: Firings,
    ) -> None:
        """What removing these firings does, into their rows."""
        context_size = tokens.shape[1]
        contexts, text = np.unique(firings.context, return_inverse=True)
        n_read = np.minimum(self.n_read, context_size - firings.position)
        ends = np.zeros(len(contexts), np.int64)
        np.maximum.at(ends, text, firings.position + n_read)
        entry, x = self._clean(tokens, contexts, ends, text, firings.position)
        texts = [tokens[context, :end] for context, end in zip(contexts, ends, strict=True)]
        columns = zip(text.tolist(), firings.position.tolist(), n_read.tolist(), strict=True)
        places = [Place(*column) for column in columns]
        added = self._added(x, firings)
        for part in run(self.model, self.output_hook, self.way, texts, entry, places, added):
            lengths = n_read[part.places]
            here = np.repeat(part.places, lengths)
            offset = np.concatenate([np.arange(n) for n in lengths])
            context, target = firings.context[here], firings.position[here] + offset + 1
            inside, target = target < context_size, np.minimum(target, context_size - 1)
            is_counted = inside & counted[context, target]
            judged = _Judged(part.clean, part.changed, tokens[context, target], is_counted)
            judged.fill(found, rows[here], offset)

    def _added(self, x: Float[Tensor, "n d_in"], firings: Firings) -> Float[Tensor, "n d_out"]:
        """What every firing's activation at the hook that is written gains by its removal."""
        d_out = self.mounts[int(firings.mount[0])].weights.W_dec.shape[1]
        added = x.new_empty(len(x), d_out)
        for number in np.unique(firings.mount).tolist():
            own = np.flatnonzero(firings.mount == number)
            some, at = firings.take(own), torch.from_numpy(own).to(x.device)
            dictionary = self.mounts[number].weights
            change = difference(dictionary, x[at], some.feature_index, some.activation)
            added[at] = change.to(added)
        return added

    def _clean(
        self,
        tokens: Integer[np.ndarray, "n_contexts context_size"],
        contexts: Integer[np.ndarray, " n_texts"],
        ends: Integer[np.ndarray, " n_texts"],
        text: Integer[np.ndarray, " n"],
        position: Integer[np.ndarray, " n"],
    ) -> tuple[list[Float[Tensor, "_n_tokens _d_entry"]], Float[Tensor, "n d_in"]]:
        """The unchanged activations: of every text at the entry of the site that is written, and
        of every firing at the hook that is read."""
        site = site_of(self.output_hook)
        at = torch.from_numpy(text), torch.from_numpy(position.astype(np.int64))
        if site.entry == self.hook_name:
            within = np.concatenate([np.arange(end) for end in ends])
            stored = self.kept(self.hook_name, np.repeat(contexts, ends), within)
            if stored is not None:
                entry = list(stored.to(self.model.device).split(ends.tolist()))
                return entry, torch.stack([entry[i][p] for i, p in zip(*at, strict=True)])
        ids = torch.from_numpy(tokens[contexts, : ends.max()].astype(np.int64))
        found = self.model.activations(ids, list(dict.fromkeys((site.entry, self.hook_name))))
        entry = [found[site.entry][i, :end] for i, end in enumerate(ends.tolist())]
        return entry, found[self.hook_name][at]


@dataclass(frozen=True, eq=False)
class _Judged:
    """Predictions of some tokens with and without a feature."""

    clean: Float[Tensor, "n d_vocab"]
    changed: Float[Tensor, "n d_vocab"]
    target: Integer[np.ndarray, " n"]
    """the token that came"""
    is_counted: Bool[np.ndarray, " n"]

    def fill(
        self, found: Removed, row: Int64[np.ndarray, " n"], offset: Int64[np.ndarray, " n"]
    ) -> None:
        """Their figures into the rows of their firings."""
        clean = self.clean.float().log_softmax(dim=-1)
        changed = self.changed.float().log_softmax(dim=-1)
        target = torch.from_numpy(self.target.astype(np.int64)).to(clean.device)[:, None]
        ce = -_numpy(clean.gather(1, target)[:, 0])
        delta = _numpy((clean - changed).gather(1, target)[:, 0])
        known = self.is_counted
        found.delta_ce[row[known], offset[known]] = delta[known]
        first = offset == 0
        found.ce[row[first & known]] = ce[first & known]
        found.next_id[row[first & known]] = self.target[first & known]
        here = torch.from_numpy(np.flatnonzero(first)).to(clean.device)
        _fill_first(found, row[first], clean[here], changed[here])


def _fill_first(
    found: Removed,
    row: Int64[np.ndarray, " n"],
    clean: Float[Tensor, "n d_vocab"],
    changed: Float[Tensor, "n d_vocab"],
) -> None:
    """What concerns the next token's whole distribution."""
    before, after = clean.exp(), changed.exp()
    # Rounding may leave a hair below zero where nothing changes.
    found.kl[row] = _numpy((before * (clean - changed)).sum(dim=-1).clamp(min=0))
    found.changes_likeliest[row] = (clean.argmax(dim=-1) != changed.argmax(dim=-1)).cpu().numpy()
    for sign, ids, old, new in (
        (-1, found.lost_id, found.lost_from, found.lost_to),
        (1, found.gained_id, found.gained_from, found.gained_to),
    ):
        change, token = (sign * (after - before)).topk(min(N_TOKENS, clean.shape[1]), dim=-1)
        n = token.shape[1]
        moved = (change > 0).cpu().numpy()
        ids[row, :n] = np.where(moved, token.cpu().numpy(), -1)
        old[row, :n] = np.where(moved, _numpy(before.gather(1, token)), np.nan)
        new[row, :n] = np.where(moved, _numpy(after.gather(1, token)), np.nan)


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().cpu().float().numpy()
