"""Every feature has what its dictionary says it has, and its counts agree with each other.

Takes a connection, gives contradictions as sentences. What a dictionary says: its record, with the
recipe it was made by; what follows from settings that a recipe doesn't name is not asked for.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from app.db import schema
from app.db.checks.rows import each_feature, is_import
from app.db.records import FeaturePanels

FOLLOWS = ("histogram", "tokens", "locality", "places")
"""Panels that every feature that fires has, and no other."""


def contents_problems(connection: Connection) -> Iterator[str]:
    """Panels, examples, ablated text and summary of each feature are there."""
    groups, corpora = _with_examples(connection), _corpora(connection)
    for sae, name, row, panels in each_feature(connection):
        where = f"{name} feature {row.feature_index}"
        n_tokens = corpora[sae.corpus_id]["n_tokens"]
        lacks = _missing(sae.record, row, panels, n_tokens or 0)
        for missing in _said(row) if is_import(sae) else lacks:
            yield f"{where}: it has no {missing}."
        if row.n_active == 0:
            surplus = [title for title in FOLLOWS if getattr(panels, title) is not None]
            for title in surplus:
                yield f"{where}: it never fires and has {title}."
        key = (sae.sae_id, row.feature_index)
        if is_import(sae):
            if row.n_active == 0 and key in groups:
                yield f"{where}: it never fires and has examples."
            continue
        if (key in groups) != (row.n_active > 0):
            found = "examples" if key in groups else "no examples"
            yield f"{where}: n_active is {row.n_active}, but it has {found}."
        if groups.get(key) is False and sae.record["ablation"].get("top_examples"):
            yield f"{where}: it has no ablated text."


def count_problems(connection: Connection) -> Iterator[str]:
    """Firings by token, by position and by run, contexts and density agree with `n_active`."""
    corpora = _corpora(connection)
    for sae, name, row, panels in each_feature(connection):
        if is_import(sae):
            continue
        for problem in _disagreements(row, panels, corpora[sae.corpus_id]):
            yield f"{name} feature {row.feature_index}: {problem}"


def _missing(
    record: dict[str, Any], row: Any, panels: FeaturePanels, n_tokens: int
) -> Iterator[str]:
    if row.n_active:
        yield from (title for title in FOLLOWS if getattr(panels, title) is None)
        if record["recipe"].get("coactivation_tokens", 0) >= n_tokens and panels.coactive is None:
            yield "co-activation"
        if row.max_activation is None or row.top_token_id is None:
            yield "statistics"
    if record["linear_path"] and panels.logit_lens is None:
        yield "logit lens"
    given = record["recipe"].get("given") or {}
    if (
        record["d_sae"] > 1
        and panels.neighbors is None
        and "neighbors" not in given.get("absent", {})
    ):
        yield "neighbors"
    yield from _said(row)


def _said(row: Any) -> Iterator[str]:
    if not row.summary or not row.short:
        yield "summary"


def _disagreements(row: Any, panels: FeaturePanels, corpus: dict[str, Any]) -> Iterator[str]:
    n, n_tokens = row.n_active, corpus["n_tokens"]
    if not np.isclose(row.density, n / max(n_tokens, 1), rtol=1e-9):
        yield f"its density is {row.density:.6g}, n_active / N is {n / max(n_tokens, 1):.6g}."
    if not (0 <= n <= n_tokens and row.n_contexts_active <= min(n, corpus["n_contexts"])):
        yield f"n_active {n} and {row.n_contexts_active} contexts are more than there are."
    if panels.histogram is not None and panels.histogram.max_activation != row.max_activation:
        yield (
            f"its histogram ends at {panels.histogram.max_activation}, its largest activation is "
            f"{row.max_activation}."
        )
    if panels.tokens is not None:
        total = int(panels.tokens.n_active.sum()) + panels.tokens.left_out_n_active
        if total != n:
            yield f"its firings by token sum to {total}, n_active is {n}."
        if (panels.tokens.n_active > panels.tokens.n_occurrences).any():
            yield "it fires more often on a token than that occurs."
    if panels.places is not None:
        total = int(panels.places.position_n_active.sum())
        if total != n:
            yield f"its firings by position sum to {total}, n_active is {n}."
        if (panels.places.position_n_active > panels.places.position_n_tokens).any():
            yield "it fires more often at a position than tokens are counted there."
    if panels.locality is not None:
        total = int(panels.locality.run_length_counts.sum())
        if total != panels.locality.n_runs:
            yield f"its runs by length sum to {total}, there are {panels.locality.n_runs}."
        near, silent = panels.locality.n_span_near, panels.locality.n_span_silent
        n_sample, n_spans = panels.locality.n_sample_spans, panels.locality.n_spans
        if not (0 <= near <= silent and 0 <= n_sample <= n_spans):
            yield (
                f"of {silent} silent tokens in spans {near} are near to firing, in {n_sample} of "
                f"{n_spans} spans."
            )


def _with_examples(connection: Connection) -> dict[tuple[int, int], bool]:
    """The features that have examples, and whether they have ablated text."""
    table = schema.feature_example
    rows = connection.execute(
        select(table.c.sae_id, table.c.feature_index, table.c.ablations.is_not(None))
    )
    return {(sae_id, feature_index): ablated for sae_id, feature_index, ablated in rows}


def _corpora(connection: Connection) -> dict[int, dict[str, Any]]:
    """The record of every corpus."""
    table = schema.corpus
    rows = connection.execute(select(table.c.corpus_id, table.c.record))
    return {corpus_id: record for corpus_id, record in rows}
