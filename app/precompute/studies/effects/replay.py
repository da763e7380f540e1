"""The model run on from a hook with something added there at one token: clean and changed logits.

Takes texts, the activations at a hook, and places with what is added; gives the logits of the
unchanged text and of the changed one. As far as the model allows it, blocks beneath the hook don't
run again and all continuations of a text share a row; a model is compared with its ordinary pass
before either is used. Knows no dictionary and no feature.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from app.precompute.ablation.branches import BATCH_TOKENS
from app.precompute.ablation.tree_attention import visible
from app.precompute.model.agreement import relative_difference
from app.precompute.model.forward import Visitor
from app.precompute.model.language_model import LanguageModel
from app.precompute.studies.effects.rows import Pass, Place, passes

TRIED = 3
"""Places at which ways to run are compared."""


@dataclass(frozen=True)
class Way:
    """How texts are run; every way gives the same logits up to rounding."""

    trees: bool
    """continuations of one text stand in one row"""
    skips: bool
    """blocks beneath the hook don't run again"""


ORDINARY = Way(trees=False, skips=False)
_WAYS = (Way(True, True), Way(False, True), Way(True, False))


@dataclass(frozen=True)
class Site:
    """Where a text goes on from, and where something is added."""

    entry: str
    """the hook whose activations are put in their place"""
    adds: str
    """the hook where something is added: above the entry, or the same"""
    without_blocks: int
    """blocks beneath the entry"""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Logits of some places, in the order of `places` and from each place on."""

    places: list[int]
    """indices into the places that were asked for"""
    clean: Float[Tensor, "n d_vocab"]
    changed: Float[Tensor, "n d_vocab"]


def site_of(hook_name: str) -> Site:
    """The site of a hook: itself where it is the stream between blocks, else its block's input.

    What is added to the stream in the middle of a block is added to what attention gives to it: the
    hook itself lies on a side path, past which the stream goes on.
    """
    parts = hook_name.split(".")
    if parts[0] != "blocks":
        return Site(hook_name, hook_name, 0)
    block, place = int(parts[1]), ".".join(parts[2:])
    if place == "hook_resid_post":
        return Site(hook_name, hook_name, block + 1)
    entry = f"blocks.{block}.hook_resid_pre"
    adds = f"blocks.{block}.hook_attn_out" if place == "hook_resid_mid" else hook_name
    return Site(entry, adds, block)


def choose_way(
    model: LanguageModel, hook_name: str, tokens: Integer[np.ndarray, " n_tokens"], n_read: int
) -> Way:
    """The cheapest way that equals the ordinary one on this text, within the model's tolerance."""
    n = len(tokens)
    at = sorted({n // 4, n // 2, max(0, n - n_read)})[:TRIED]
    places = [Place(0, position, min(n_read, n - position)) for position in at]
    site = site_of(hook_name)
    found = model.activations(torch.from_numpy(tokens[None].astype(np.int64)), _hooks(site))
    entry = found[site.entry]
    added = torch.stack([-0.5 * found[site.adds][0, position] for position in at])

    def logits(way: Way) -> Tensor:
        found = {}
        for part in run(model, hook_name, way, [tokens], list(entry), places, added):
            n_read = [places[i].n_read for i in part.places]
            pairs = zip(part.clean.split(n_read), part.changed.split(n_read), strict=True)
            found |= dict(zip(part.places, map(torch.cat, pairs), strict=True))
        return torch.cat([found[i] for i in range(len(places))])

    expected = logits(ORDINARY)
    for way in _WAYS:
        try:
            if relative_difference(logits(way), expected) <= model.tolerance:
                return way
        except (IndexError, RuntimeError, TypeError, ValueError):
            continue  # the model has no use for the mask, the positions, or a block left out
    return ORDINARY


def run(
    model: LanguageModel,
    hook_name: str,
    way: Way,
    texts: Sequence[Integer[np.ndarray, " _n_tokens"]],
    entry: Sequence[Float[Tensor, "_n_tokens _d_entry"]],
    places: Sequence[Place],
    added: Float[Tensor, "n_places d_in"],
) -> Iterator[Predictions]:
    """The logits at all places, a pass at a time.

    Args:
        texts: token ids from the start of each context.
        entry: of each text the activations at its site's entry.
        places: those of one text beside each other.
        added: what each place's activation gains at the hook, in the model's scale.
    """
    batch_tokens = BATCH_TOKENS["cpu" if model.device.type == "cpu" else "cuda"]
    site = site_of(hook_name)
    for one in passes(places, model.d_vocab, way.trees, batch_tokens):
        n_read = [places[i].n_read for i in one.places]
        rows, columns = _read_at([*one.clean, *one.changed], [*n_read, *n_read])
        mask, position = _seen(one, model) if way.trees else (None, None)
        logits = model.logits_at(
            (rows, columns),
            _stacked(one, texts),
            _visitors(one, site, way, model, entry, added),
            mask,
            position,
            without_blocks=site.without_blocks if way.skips else 0,
        )
        half = sum(n_read)
        yield Predictions(one.places, logits[:half], logits[half:])


def _visitors(
    one: Pass,
    site: Site,
    way: Way,
    model: LanguageModel,
    entry: Sequence[Tensor],
    added: Float[Tensor, "n_places d_in"],
) -> dict[str, Visitor]:
    """What puts the activations in their place, and what changes them."""
    rows = torch.tensor([row for row, _ in one.changed], device=model.device)
    columns = torch.tensor([column for _, column in one.changed], device=model.device)
    amount = added[one.places].to(model.device)

    def change(activation: Tensor) -> Tensor:
        flat = activation.flatten(start_dim=2).clone()
        flat[rows, columns] += amount.to(flat.dtype)
        return flat.reshape(activation.shape)

    def put(activation: Tensor) -> Tensor:
        known = torch.zeros_like(activation)
        for number, row in enumerate(one.rows):
            position = torch.from_numpy(row.position).to(entry[row.text].device)
            known[number, : len(row.position)] = entry[row.text][position].to(known)
        return change(known) if site.adds == site.entry else known

    if not way.skips:
        return {site.adds: change}
    return {site.entry: put} if site.adds == site.entry else {site.entry: put, site.adds: change}


def _hooks(site: Site) -> list[str]:
    return list(dict.fromkeys((site.entry, site.adds)))


def _read_at(
    starts: Sequence[tuple[int, int]], n_read: Sequence[int]
) -> tuple[Integer[Tensor, " n"], Integer[Tensor, " n"]]:
    """Every place from its start on."""
    rows = np.repeat([row for row, _ in starts], n_read)
    columns = np.concatenate(
        [np.arange(column, column + n) for (_, column), n in zip(starts, n_read, strict=True)]
    )
    return torch.from_numpy(rows), torch.from_numpy(columns)


def _stacked(
    one: Pass, texts: Sequence[Integer[np.ndarray, " _n_tokens"]]
) -> Integer[Tensor, "rows width"]:
    width = max(len(row.position) for row in one.rows)
    tokens = np.zeros((len(one.rows), width), np.int64)
    for target, row in zip(tokens, one.rows, strict=True):
        target[: len(row.position)] = texts[row.text][row.position]
    return torch.from_numpy(tokens)


def _seen(one: Pass, model: LanguageModel) -> tuple[Tensor, Tensor]:
    """The mask that is added to the scores, and the position of every token."""
    width = max(len(row.position) for row in one.rows)
    segment = np.full((len(one.rows), width), -1)
    attach, position = np.zeros((2, len(one.rows), width), np.int64)
    for number, row in enumerate(one.rows):
        here = slice(0, len(row.position))
        segment[number, here], attach[number, here] = row.segment, row.attach
        position[number, here] = row.position
    sees = visible(
        torch.from_numpy(segment).to(model.device), torch.from_numpy(attach).to(model.device)
    )
    mask = torch.zeros(sees.shape, dtype=model.dtype, device=model.device)
    mask.masked_fill_(~sees, torch.finfo(model.dtype).min)
    return mask[:, None], torch.from_numpy(position)
