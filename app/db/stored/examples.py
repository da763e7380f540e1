"""How a feature's examples lie in the file: each context and each firing once, for all groups.

The same firing may stand among the strongest, in an interval and in a quantile, and several
examples lie in one context; what follows from the firings (the activation of an example, its
`hidden_pre` where it fires) is left out and only kept where it differs. `fold` and `unfold` are
exact; of `hidden_pre` that differs the file keeps 16 significant bits. Knows no table.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from app.db.records import GROUPS, ExampleGroup, Group
from app.db.stored.compact import Counts, Exact, Rounded, Steps, unpack_one
from app.db.stored.example_columns import ExampleColumns, FeatureExamples
from app.db.stored.packing import Columns, Ragged, owners, pack_many, runs


@dataclass(frozen=True)
class StoredExamples:
    """All groups of one feature in the order of `GROUPS`, one after the other."""

    n_examples: Counts
    """of each group, plus one; 0 where there is no such group"""
    n_candidates: Counts
    """of each group there is"""
    n_bands: Counts
    """of each group there is"""
    context_id: Steps
    """the distinct contexts"""
    n_firings: Counts
    """in each context"""
    firing_position: Steps
    """context after context"""
    firing_activation: Exact
    context: Counts
    """of each example: its place in `context_id`"""
    position: Counts
    before: Counts
    """the most tokens a window has before its peak, then for each example how many fewer its own
    has than this or than its context allows"""
    after: Counts
    """tokens of the window from the peak on"""
    band: Counts
    repeats: Counts
    odd_activation: Steps
    """examples whose activation isn't that of the firing at their peak (0 where it doesn't fire)"""
    odd_activation_value: Exact
    odd_hidden_pre: Steps
    """examples whose `hidden_pre` isn't their activation"""
    odd_hidden_pre_value: Rounded
    band_low: Exact
    band_high: Exact
    band_n_active: Counts
    odd_band_share: Exact
    """every `band_share`, where one isn't `band_n_active` divided by the sum of its group"""


def pack_examples(features: Sequence[Mapping[Group, ExampleGroup]]) -> list[bytes]:
    """One blob of all groups of each feature."""
    blobs: list[bytes] = []
    for _, found in groupby(features, lambda one: id(getattr(one, "columns", None))):
        blobs += pack_many(fold(_columns(list(found))))
    return blobs


def _columns(features: Sequence[Mapping[Group, ExampleGroup]]) -> ExampleColumns:
    """Of features that are all views of the same columns, or all are none."""
    rows = np.array([one.row for one in features if isinstance(one, FeatureExamples)], np.int64)
    first = features[0]
    if isinstance(first, FeatureExamples):
        return ExampleColumns.of_rows(first.columns, rows)
    return ExampleColumns.of(features)


def unpack_examples(blob: bytes, wanted: Collection[Group]) -> dict[Group, ExampleGroup]:
    """Those of the wanted groups that the feature has."""
    return unfold(unpack_one(StoredExamples, blob), wanted)


def fold(found: ExampleColumns) -> Columns:
    """The groups of some features with nothing twice, as columns of `StoredExamples`.

    Raises:
        ValueError: the firings of an example don't stand in order of position.
    """
    n, values, n_firings = len(found.there), found.values, found.n_firings
    owner = np.repeat(np.arange(n), found.there.sum(axis=1))
    of_example = owner[owners(found.n_examples)]
    position, activation, hidden_pre = (
        values[name] for name in ("position", "activation", "hidden_pre")
    )
    firing_position, firing_activation = values["firing_position"], values["firing_activation"]
    context, kept = _distinct(
        of_example, values["context_id"], n_firings, firing_position, firing_activation
    )
    kept_firings = runs((n_firings.cumsum() - n_firings)[kept], n_firings[kept])
    at_peak = _firing_at(position, n_firings, firing_position, firing_activation)
    per_feature = np.bincount(of_example, minlength=n)
    first_example = per_feature.cumsum() - per_feature
    n_contexts = np.bincount(of_example[kept], minlength=n)
    n_kept = _summed(of_example[kept], n_firings[kept], n)
    n_groups, n_bands = found.there.sum(axis=1), _summed(owner, found.n_bands, n)
    n_examples = np.zeros(found.there.shape, np.int64)
    n_examples[found.there] = found.n_examples + 1

    def odd(differ: ndarray, values: ndarray) -> tuple[Ragged, Ragged]:
        """The examples where something is not as it follows, and what it is there."""
        rows = np.flatnonzero(differ)
        sizes = np.bincount(of_example[rows], minlength=n)
        return Ragged(rows - first_example[of_example[rows]], sizes), Ragged(values[rows], sizes)

    odd_activation, odd_activation_value = odd(_differ(activation, at_peak), activation)
    odd_hidden_pre, odd_hidden_pre_value = odd(_differ(hidden_pre, activation), hidden_pre)
    before = position - values["window_start"]
    fields = {
        "n_examples": Ragged(n_examples.ravel(), np.full(n, len(GROUPS))),
        "n_candidates": Ragged(found.n_candidates, n_groups),
        "n_bands": Ragged(found.n_bands, n_groups),
        "context_id": Ragged(values["context_id"][kept], n_contexts),
        "n_firings": Ragged(n_firings[kept], n_contexts),
        "firing_position": Ragged(firing_position[kept_firings], n_kept),
        "firing_activation": Ragged(firing_activation[kept_firings], n_kept),
        "context": Ragged(context, per_feature),
        "position": Ragged(position, per_feature),
        "before": _shortened(Ragged(position, per_feature), before),
        "after": Ragged(values["window_stop"] - position, per_feature),
        "band": Ragged(values["band"], per_feature),
        "repeats": Ragged(values["repeats"], per_feature),
        "odd_activation": odd_activation,
        "odd_activation_value": odd_activation_value,
        "odd_hidden_pre": odd_hidden_pre,
        "odd_hidden_pre_value": odd_hidden_pre_value,
        "band_low": Ragged(values["band_low"], n_bands),
        "band_high": Ragged(values["band_high"], n_bands),
        "band_n_active": Ragged(values["band_n_active"], n_bands),
        "odd_band_share": _odd_shares(found, owner),
    }
    return Columns(StoredExamples, np.ones(n, np.bool_), fields)


def _summed(owner: Int[ndarray, " m"], sizes: Int[ndarray, " m"], n: int) -> Int[ndarray, " n"]:
    return np.bincount(owner, sizes, n).astype(np.int64)


def unfold(stored: StoredExamples, wanted: Collection[Group]) -> dict[Group, ExampleGroup]:
    """Those of the wanted groups that there are, whole again."""
    activation = _at_peak(
        stored.context,
        stored.position,
        stored.n_firings,
        stored.firing_position,
        stored.firing_activation,
    )
    activation[stored.odd_activation] = stored.odd_activation_value
    hidden_pre = activation.copy()
    hidden_pre[stored.odd_hidden_pre] = stored.odd_hidden_pre_value
    share = stored.odd_band_share
    if share.size != stored.band_n_active.size:
        share = _band_shares(stored.band_n_active, stored.n_bands)
    first_firing = np.cumsum(stored.n_firings) - stored.n_firings
    before = np.minimum(stored.position, stored.before[0]) - stored.before[1:]
    found: dict[Group, ExampleGroup] = {}
    start = band = held = 0
    for name, size in zip(GROUPS, stored.n_examples.tolist(), strict=True):
        if not size:
            continue
        rows = slice(start, start + size - 1)
        bands = slice(band, band + int(stored.n_bands[held]))
        if name in wanted:
            context, position = stored.context[rows], stored.position[rows]
            firings, indptr = _rows(first_firing[context], stored.n_firings[context])
            found[name] = ExampleGroup(
                context_id=stored.context_id[context],
                position=position,
                activation=activation[rows],
                hidden_pre=hidden_pre[rows],
                band=stored.band[rows],
                repeats=stored.repeats[rows],
                window_start=position - before[rows],
                window_stop=position + stored.after[rows],
                firing_indptr=indptr,
                firing_position=stored.firing_position[firings],
                firing_activation=stored.firing_activation[firings],
                band_low=stored.band_low[bands],
                band_high=stored.band_high[bands],
                band_n_active=stored.band_n_active[bands],
                band_share=share[bands],
                n_candidates=int(stored.n_candidates[held]),
            )
        start, band, held = rows.stop, bands.stop, held + 1
    return found


def _distinct(
    of_example: Int[ndarray, " n"],
    context_id: Int[ndarray, " n"],
    n_firings: Int[ndarray, " n"],
    position: Int[ndarray, " m"],
    activation: Float[ndarray, " m"],
) -> tuple[Int[ndarray, " n"], Int[ndarray, " c"]]:
    """Of each example the place of its context among its feature's, of each context an example.

    Groups made apart may not agree on a context's firings: then all examples of the feature keep
    their own.
    """
    wide = max(int(context_id.max(initial=0)), context_id.size) + 1
    key = of_example * wide + context_id
    kept, context = _unique(key)
    again = np.flatnonzero(kept[context] != np.arange(context.size))
    first = n_firings.cumsum() - n_firings
    stands = kept[context[again]]
    differ = n_firings[stands] != n_firings[again]
    alike = again[~differ]
    size = n_firings[alike]
    rows, others = runs(first[alike], size), runs(first[kept[context[alike]]], size)
    wrong = (position[rows] != position[others]) | _differ(activation[rows], activation[others])
    odd = np.unique(
        np.concatenate([of_example[again[differ]], of_example[np.repeat(alike, size)[wrong]]])
    )
    if odd.size:
        own = np.isin(of_example, odd)
        kept, context = _unique(np.where(own, of_example * wide + np.arange(own.size), key))
    n_contexts = np.bincount(of_example[kept], minlength=int(of_example.max(initial=0)) + 1)
    return context - (n_contexts.cumsum() - n_contexts)[of_example], kept


def _unique(key: Int[ndarray, " n"]) -> tuple[Int[ndarray, " c"], Int[ndarray, " n"]]:
    """Where each distinct key comes first, in their order, and the place of every key's own."""
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    new = np.ones(key.size, np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    place = np.empty(key.size, np.int64)
    place[order] = new.cumsum() - 1
    return order[new], place


def _firing_at(
    position: Int[ndarray, " n"],
    n_firings: Int[ndarray, " n"],
    firing_position: Int[ndarray, " m"],
    firing_activation: Float[ndarray, " m"],
) -> Float[ndarray, " n"]:
    """The activation of each example's firing at its own position; 0 where there is none."""
    example = owners(n_firings)
    if ((np.diff(firing_position) <= 0) & (example[1:] == example[:-1])).any():
        raise ValueError("firings of an example that don't stand in order of position")
    fires = np.flatnonzero(firing_position == position[example])
    found = np.zeros(position.size, np.float32)
    found[example[fires]] = firing_activation[fires]
    return found


def _odd_shares(found: ExampleColumns, owner: Int[ndarray, " g"]) -> Ragged:
    """`StoredExamples.odd_band_share` of every feature."""
    share = found.values["band_share"]
    of_band = owner[owners(found.n_bands)]
    odd = np.zeros(len(found.there), np.bool_)
    odd[of_band[_differ(share, _band_shares(found.values["band_n_active"], found.n_bands))]] = True
    kept = odd[of_band]
    return Ragged(share[kept], np.bincount(of_band[kept], minlength=odd.size))


def _at_peak(
    context: Int[ndarray, " n"],
    position: Int[ndarray, " n"],
    n_firings: Int[ndarray, " c"],
    firing_position: Int[ndarray, " m"],
    firing_activation: Float[ndarray, " m"],
) -> Float[ndarray, " n"]:
    """The activation at each example's peak; 0 where its context has no firing there."""
    wide = int(max(firing_position.max(initial=0), position.max(initial=0))) + 1
    place = np.repeat(np.arange(n_firings.size), n_firings) * wide + firing_position
    wanted = context * wide + position
    found = np.zeros(position.size, np.float32)
    if place.size:
        row = np.minimum(np.searchsorted(place, wanted), place.size - 1)
        fires = place[row] == wanted
        found[fires] = firing_activation[row[fires]]
    return found


def _shortened(position: Ragged, before: Int[ndarray, " n"]) -> Ragged:
    """`StoredExamples.before` of every feature."""
    of_example = owners(position.sizes)
    most = np.zeros(position.sizes.size, np.int64)
    np.maximum.at(most, of_example, before)
    fewer = np.minimum(position.values, most[of_example]) - before
    return Ragged(np.insert(fewer, position.starts, most), position.sizes + 1)


def _rows(
    first: Int[ndarray, " n"], size: Int[ndarray, " n"]
) -> tuple[Int[ndarray, " m"], Int[ndarray, " n_plus_1"]]:
    """The rows first … first + size − 1 of each, one after the other, and where each begins."""
    indptr = np.zeros(size.size + 1, np.int64)
    np.cumsum(size, out=indptr[1:])
    return np.arange(indptr[-1]) + np.repeat(first - indptr[:-1], size), indptr


def _band_shares(n_active: Int[ndarray, " b"], n_bands: Int[ndarray, " g"]) -> Float[ndarray, " b"]:
    """Each band's firings as a share of all in its group; 0 where there are none."""
    group = np.repeat(np.arange(n_bands.size), n_bands)
    total = np.bincount(group, weights=n_active, minlength=n_bands.size)[group]
    return (n_active / np.maximum(total, 1)).astype(np.float32)


def _differ(a: Float[ndarray, " n"], b: Float[ndarray, " n"]) -> Bool[ndarray, " n"]:
    """Bit for bit, so that not-a-number equals itself."""
    return a.view(np.uint32) != b.view(np.uint32)
