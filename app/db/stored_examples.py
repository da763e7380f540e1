"""How a feature's examples lie in the file: each context and each firing once, for all groups.

The same firing may stand among the strongest, in an interval and in a quantile, and several
examples lie in one context; what follows from the firings (the activation of an example, its
`hidden_pre` where it fires) is left out and only kept where it differs. `fold` and `unfold` are
exact. Knows no table.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from app.db.compact import Counts, Exact, Steps, unpack_one
from app.db.packing import Columns, Ragged, owners, pack_many, runs
from app.db.records import GROUPS, ExampleGroup, Group


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
    odd_hidden_pre_value: Exact
    band_low: Exact
    band_high: Exact
    band_n_active: Counts
    odd_band_share: Exact
    """every `band_share`, where one isn't `band_n_active` divided by the sum of its group"""


def pack_examples(features: Sequence[Mapping[Group, ExampleGroup]]) -> list[bytes]:
    """One blob of all groups of each feature."""
    return pack_many(fold(features))


def unpack_examples(blob: bytes, wanted: Collection[Group]) -> dict[Group, ExampleGroup]:
    """Those of the wanted groups that the feature has."""
    return unfold(unpack_one(StoredExamples, blob), wanted)


def fold(features: Sequence[Mapping[Group, ExampleGroup]]) -> Columns:
    """The groups of some features with nothing twice, as columns of `StoredExamples`.

    Raises:
        ValueError: the firings of an example don't stand in order of position.
    """
    n = len(features)
    held = [groups[name] for groups in features for name in GROUPS if name in groups]
    listed = [[name in groups for name in GROUPS] for groups in features]
    there = np.array(listed, np.bool_).reshape(n, len(GROUPS))
    owner = np.repeat(np.arange(n), there.sum(axis=1))

    def whole(name: str) -> Ragged:
        return Ragged.of(list(map(attrgetter(name), held)), np.int64)

    def real(name: str) -> Ragged:
        return Ragged.of(list(map(attrgetter(name), held)), np.float32)

    def by_feature(values: ndarray, sizes: ndarray | None = None) -> Ragged:
        """What groups hold, a value each where there are no sizes."""
        return Ragged(values, np.bincount(owner, sizes, n).astype(np.int64))

    position, activation, hidden_pre = whole("position"), real("activation"), real("hidden_pre")
    of_example = owner[owners(position.sizes)]
    n_firings, firing_position = _lengths(whole("firing_indptr")), whole("firing_position").values
    firing_activation = real("firing_activation").values
    context, kept = _distinct(
        of_example, whole("context_id").values, n_firings, firing_position, firing_activation
    )
    kept_firings = runs((n_firings.cumsum() - n_firings)[kept], n_firings[kept])
    at_peak = _firing_at(position.values, n_firings, firing_position, firing_activation)
    n_examples = np.zeros((n, len(GROUPS)), np.int64)
    n_examples[there] = position.sizes + 1

    def odd(differ: ndarray, values: ndarray) -> tuple[Ragged, Ragged]:
        """The examples where something is not as it follows, and what it is there."""
        found = np.flatnonzero(differ)
        sizes = np.bincount(of_example[found], minlength=n)
        local = found - by_feature(found, position.sizes).starts[of_example[found]]
        return Ragged(local, sizes), Ragged(values[found], sizes)

    odd_activation, odd_activation_value = odd(
        _differ(activation.values, at_peak), activation.values
    )
    odd_hidden_pre, odd_hidden_pre_value = odd(
        _differ(hidden_pre.values, activation.values), hidden_pre.values
    )
    low, high, band_n_active = real("band_low"), real("band_high"), whole("band_n_active")
    fields = {
        "n_examples": Ragged(n_examples.ravel(), np.full(n, len(GROUPS))),
        "n_candidates": by_feature(np.array([group.n_candidates for group in held], np.int64)),
        "n_bands": by_feature(low.sizes),
        "context_id": Ragged(
            whole("context_id").values[kept], np.bincount(of_example[kept], minlength=n)
        ),
        "n_firings": Ragged(n_firings[kept], np.bincount(of_example[kept], minlength=n)),
        "firing_position": Ragged(
            firing_position[kept_firings],
            np.bincount(of_example[kept], n_firings[kept], n).astype(np.int64),
        ),
        "firing_activation": Ragged(
            firing_activation[kept_firings],
            np.bincount(of_example[kept], n_firings[kept], n).astype(np.int64),
        ),
        "context": by_feature(context, position.sizes),
        "position": by_feature(position.values, position.sizes),
        "before": _shortened(
            by_feature(position.values, position.sizes),
            position.values - whole("window_start").values,
        ),
        "after": by_feature(whole("window_stop").values - position.values, position.sizes),
        "band": by_feature(whole("band").values, position.sizes),
        "repeats": by_feature(whole("repeats").values, position.sizes),
        "odd_activation": odd_activation,
        "odd_activation_value": odd_activation_value,
        "odd_hidden_pre": odd_hidden_pre,
        "odd_hidden_pre_value": odd_hidden_pre_value,
        "band_low": by_feature(low.values, low.sizes),
        "band_high": by_feature(high.values, high.sizes),
        "band_n_active": by_feature(band_n_active.values, band_n_active.sizes),
        "odd_band_share": _odd_shares(real("band_share"), band_n_active, owner, n),
    }
    return Columns(StoredExamples, np.ones(n, np.bool_), fields)


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


def _lengths(indptr: Ragged) -> Int[ndarray, " n"]:
    """Of each group its examples' firings, from where each begins and the last ends."""
    between_groups = indptr.sizes.cumsum()[:-1] - 1
    return np.delete(np.diff(indptr.values), between_groups)


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


def _odd_shares(share: Ragged, n_active: Ragged, owner: Int[ndarray, " g"], n: int) -> Ragged:
    """`StoredExamples.odd_band_share` of every feature."""
    of_band = owner[owners(share.sizes)]
    differ = _differ(share.values, _band_shares(n_active.values, n_active.sizes))
    odd = np.zeros(n, np.bool_)
    odd[of_band[differ]] = True
    kept = odd[of_band]
    return Ragged(share.values[kept], np.bincount(of_band[kept], minlength=n))


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
