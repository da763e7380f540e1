"""Examples lie in stored contexts, in order, in groups of the right size; ablated text is theirs.

Takes a connection, gives contradictions as sentences. What a group should hold follows from the
recipe of its dictionary; what that doesn't name is not asked for.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select

from app.db import schema
from app.db.checks.rows import address, is_import
from app.db.records import GROUPS, AblationGroup, ExampleGroup, Group
from app.db.stored.ablations import unpack_ablations
from app.db.stored.examples import unpack_examples

N_BANDS = 5

PER_GROUP = {"top": "top_examples", "silent": "silent_examples", "near": "near_misses"}
PER_BAND = {"interval": "interval_examples", "quantile": "quantile_examples"}
"""The settings that say how many examples there are, of a group and of each of its bands."""

HALF, TINY = 2.0**-10, 1e-6
"""By how much of itself, and how much besides, half precision may round a number up."""


def example_problems(connection: Connection) -> Iterator[str]:
    """Contexts are stored, windows hold their peaks, top examples descend, firings ascend."""
    corpora = {row.corpus_id: row.record for row in connection.execute(select(schema.corpus))}
    known = {corpus_id: _known_contexts(connection, corpus_id) for corpus_id in corpora}
    for sae, where, row in _each(connection):
        size = corpora[sae.corpus_id]["context_size"]
        for group, found in _groups(where, row).items():
            place = f"{where}, {group} examples"
            if not np.isin(found.context_id.astype(np.int64), known[sae.corpus_id]).all():
                yield f"{place}: a context they point to is not stored."
            for problem in _misplaced(group, found, size, is_import(sae)):
                yield f"{place}: {problem}."


def group_problems(connection: Connection) -> Iterator[str]:
    """Groups have as many examples and bands as the recipe says, bands hold all firings."""
    for sae, where, row in _each(connection):
        if is_import(sae):
            continue
        recipe = sae.record["recipe"]
        feature = _feature(connection, sae.sae_id, row.feature_index)
        for group, found in _groups(where, row).items():
            problems = _wrong_size(group, found, recipe, feature)
            if group == "near":
                n_contexts = sae.record["hidden_pre_sample"].get("n_contexts")
                problems = chain(problems, _wrong_misses(found, feature.threshold, n_contexts))
            for problem in problems:
                yield f"{where}, {group} examples: {problem}."


def ablation_problems(connection: Connection) -> Iterator[str]:
    """Ablated text is of the examples the recipe says, at positions before or at their peaks."""
    for sae, where, row in _each(connection):
        if row.ablations is None:
            continue
        groups = _groups(where, row)
        try:
            ablations = unpack_ablations(row.ablations)
        except Exception as error:
            raise ValueError(f"the ablated text of {where} is damaged") from error
        asked = sae.record["ablation"]
        for group, found in ablations.items():
            if group not in groups:
                yield f"{where}: ablated text of {group} examples that aren't there."
                continue
            for problem in _misplaced_text(group, found, groups[group], asked):
                yield f"{where}, ablated text of {group} examples: {problem}."


def _each(connection: Connection) -> Iterator[tuple[Row, str, Row]]:
    """(dictionary, the feature in words, its row of examples), in order."""
    table = schema.feature_example
    for sae in connection.execute(select(schema.sae)).all():
        rows = connection.execute(
            select(table).where(table.c.sae_id == sae.sae_id).order_by(table.c.feature_index)
        )
        for row in rows:
            yield sae, f"{address(sae)} feature {row.feature_index}", row


def _groups(where: str, row: Row) -> dict[Group, ExampleGroup]:
    try:
        return unpack_examples(row.examples, GROUPS)
    except Exception as error:
        raise ValueError(f"the examples of {where} are damaged") from error


def _misplaced(
    group: Group, found: ExampleGroup, context_size: int, imported: bool
) -> Iterator[str]:
    position = found.position.astype(np.int64)
    start, stop = found.window_start.astype(np.int64), found.window_stop.astype(np.int64)
    if ((start < 0) | (start > position) | (position >= stop) | (stop > context_size)).any():
        yield "a window doesn't hold its peak or leaves its context"
    if (found.firing_activation <= 0).any() or (found.firing_position >= context_size).any():
        yield "a firing isn't above zero or lies outside its context"
    steps = np.diff(found.firing_position.astype(np.int64))
    borders = found.firing_indptr[1:-1].astype(np.int64) - 1
    inside = np.ones(steps.size, np.bool_)
    inside[borders[(borders >= 0) & (borders < steps.size)]] = False
    if (steps[inside] <= 0).any():
        yield "firings are not in order of position"
    if group == "top":
        context = found.context_id.astype(np.int64)
        if (np.lexsort((position, context, -found.activation)) != np.arange(position.size)).any():
            yield "not in order of activation"
        if np.unique(context).size < context.size and not imported:
            yield "two are from one context"
    silent = group in ("silent", "near")
    if not silent and (found.activation <= 0).any():
        yield "one does not fire"
    if silent and (found.activation != 0).any():
        yield "one fires"


def _wrong_size(
    group: Group, found: ExampleGroup, recipe: dict[str, Any], feature: Row
) -> Iterator[str]:
    n = found.position.size
    most = recipe.get(PER_GROUP.get(group, ""))
    if most is not None and n > most:
        yield f"there are {n}, the recipe says at most {most}"
    if group == "top":
        peak = float(found.activation.max(initial=0))
        if peak != np.float32(feature.max_activation):
            yield f"the strongest is {peak:.6g}, max_activation is {feature.max_activation:.6g}"
        if found.n_candidates != feature.n_contexts_active:
            yield (
                f"they were chosen from {found.n_candidates} contexts, it fires in "
                f"{feature.n_contexts_active}"
            )
        if most is not None and n < most and found.repeats.sum() != found.n_candidates:
            yield f"they stand for {found.repeats.sum()} of {found.n_candidates} contexts"
    if group in PER_BAND:
        yield from _wrong_bands(group, found, recipe.get(PER_BAND[group]), feature.n_active)


def _wrong_misses(
    found: ExampleGroup, threshold: float | None, n_contexts: int | None
) -> Iterator[str]:
    """Near misses: by `hidden_pre` from the highest on, one a context, none that would fire."""
    n, hidden_pre = found.position.size, found.hidden_pre
    if not np.isfinite(hidden_pre).all() or (np.diff(hidden_pre) > 0).any():
        yield "not in order of hidden_pre"
    if np.unique(found.context_id).size < n:
        yield "two are from one context"
    if n_contexts is not None and n > n_contexts:
        yield f"there are {n}, hidden_pre was kept of {n_contexts} contexts"
    if threshold is not None and (hidden_pre > threshold + HALF * abs(threshold) + TINY).any():
        yield f"one lies above the threshold, {threshold:.6g}"


def _wrong_bands(
    group: Group, found: ExampleGroup, per_band: int | None, n_active: int
) -> Iterator[str]:
    n_bands, expected = found.band_low.size, N_BANDS
    if group == "quantile":
        expected = min(N_BANDS, n_active)
    if per_band is not None and n_bands != expected:
        yield f"there are {n_bands} bands, expected {expected}"
        return
    total = int(found.band_n_active.sum())
    if total != n_active:
        yield f"the firings of their bands sum to {total}, n_active is {n_active}"
    band = found.band.astype(np.int64)
    if ((band < 0) | (band >= n_bands)).any() or (np.diff(band) > 0).any():
        yield "their bands are not in order"
        return
    per = np.bincount(band, minlength=n_bands)
    if ((per == 0) != (found.band_n_active == 0)).any():
        yield "a band with firings has no example, or one without has some"
    if per_band is not None and (per > per_band).any():
        yield f"a band has {per.max()}, the recipe says at most {per_band}"
    # Borders are stored as float32 and may have been rounded past an example by one step.
    low = np.nextafter(found.band_low.astype(np.float32), np.float32(-1))[band]
    high = np.nextafter(found.band_high.astype(np.float32), np.float32(np.inf))[band]
    if ((found.activation < low) | (found.activation > high)).any():
        yield "one lies outside its band"


def _misplaced_text(
    group: Group, found: AblationGroup, examples: ExampleGroup, asked: dict[str, Any]
) -> Iterator[str]:
    rank = found.rank.astype(np.int64)
    n = examples.position.size
    if (rank >= n).any() or np.unique(rank).size < rank.size:
        yield "it belongs to examples that aren't there"
        return
    n_top = asked.get("top_examples")
    if group == "top" and n_top is not None and rank.tolist() != list(range(min(n_top, n))):
        yield f"it is of {rank.size} examples, expected the first {min(n_top, n)}"
    peak = examples.position.astype(np.int64)[rank]
    for title, indptr, position, last in (
        ("deleted", found.delete_indptr, found.delete_position, 1),
        ("replaced", found.replace_indptr, found.replace_position, 0),
    ):
        latest = np.repeat(peak, np.diff(indptr.astype(np.int64))) - last
        if ((position < 1) | (position > latest)).any():
            yield f"a position that was {title} is not before the peak"


def _known_contexts(connection: Connection, corpus_id: int) -> np.ndarray:
    table = schema.context
    rows = connection.scalars(select(table.c.context_id).where(table.c.corpus_id == corpus_id))
    return np.array(rows.all(), np.int64)


def _feature(connection: Connection, sae_id: int, feature_index: int) -> Row:
    table = schema.feature
    return connection.execute(
        select(
            table.c.n_active, table.c.n_contexts_active, table.c.max_activation, table.c.threshold
        ).where(table.c.sae_id == sae_id, table.c.feature_index == feature_index)
    ).one()
