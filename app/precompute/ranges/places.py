"""Where each feature of a range fires: positions, documents, runs and spans.

The numbers of `position_density`, `document_density`, `runs` and `span_fill` in `app.stats`, taken
in one walk over the events of a feature in the order of their places.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64

from app.precompute.ranges.compiled import compiled
from app.precompute.ranges.events import Ground, RangeEvents
from app.stats.locality import LONGEST_COUNTED_RUN, MIN_SPAN_FIRINGS


@dataclass(frozen=True)
class RangePlaces:
    """One row a feature."""

    position_n_active: Int32[np.ndarray, "n_features context_size"]
    document_id: Int32[np.ndarray, "n_features n_documents"]  # -1 behind the last one
    document_n_active: Int64[np.ndarray, "n_features n_documents"]
    n_documents: Int64[np.ndarray, " n_features"]  # with at least one firing
    n_contexts: Int64[np.ndarray, " n_features"]
    n_runs: Int64[np.ndarray, " n_features"]
    n_cut: Int64[np.ndarray, " n_features"]
    median_length: Float64[np.ndarray, " n_features"]  # NaN where there are no runs
    length_counts: Int64[np.ndarray, "n_features n_lengths"]  # lengths 1 … 7, then 8 and more
    n_spans: Int64[np.ndarray, " n_features"]
    span_firings: Int64[np.ndarray, " n_features"]
    span_tokens: Int64[np.ndarray, " n_features"]  # counted


def range_places(events: RangeEvents, ground: Ground, n_documents: int) -> RangePlaces:
    """Of every feature, dead ones too; the `n_documents` with most firings."""
    n, most = events.n_features, int(events.n_active.max(initial=0))
    found = RangePlaces(
        np.zeros((n, ground.context_size), np.int32),
        np.full((n, n_documents), -1, np.int32),
        np.zeros((n, n_documents), np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.full(n, np.nan),
        np.zeros((n, LONGEST_COUNTED_RUN), np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )
    _documents(
        events.indptr, events.context_id, events.position, ground.documents, ground.context_size,
        np.empty((2, most), np.int64),
        found.document_id, found.document_n_active, found.n_documents,
    )  # fmt: skip
    _runs(
        events.indptr, events.context_id, events.position, ground.first_counted,
        ground.last_counted, np.zeros(ground.context_size + 1, np.int64), found.position_n_active,
        found.n_contexts, found.n_runs, found.n_cut, found.median_length, found.length_counts,
    )  # fmt: skip
    _spans(
        events.indptr, events.context_id, events.position, ground.documents, ground.context_size,
        ground.gap_indptr, ground.gap_position,
        found.n_spans, found.span_firings, found.span_tokens,
    )  # fmt: skip
    return found


@compiled
def _documents(
    indptr, context_id, position, documents, context_size, scratch, ids, counts, n_documents
):  # fmt: skip
    n_kept = ids.shape[1]
    for row in range(n_documents.size):
        found, held = scratch[0], scratch[1]
        n = 0
        ascending = True
        for i in range(indptr[row], indptr[row + 1]):
            document = documents[np.int64(context_id[i]) * context_size + position[i]]
            if document < 0:
                continue
            if n and found[n - 1] == document:
                held[n - 1] += 1
                continue
            ascending = ascending and (n == 0 or found[n - 1] < document)
            found[n], held[n] = document, 1
            n += 1
        if not ascending:
            n = _merged(found, held, n)
        n_documents[row] = n
        kept = 0
        for i in range(n):  # ids ascend, so an equal count ranks below those before it
            at = kept
            while at > 0 and counts[row, at - 1] < held[i]:
                at -= 1
            if at == n_kept:
                continue
            kept = min(kept + 1, n_kept)
            for j in range(kept - 1, at, -1):
                ids[row, j], counts[row, j] = ids[row, j - 1], counts[row, j - 1]
            ids[row, at], counts[row, at] = found[i], held[i]


@compiled
def _merged(found, held, n):
    """Sorts (document, count) pairs by document and adds up repeated ones; how many are left."""
    order = np.argsort(found[:n])
    ids, counts = found[:n][order], held[:n][order]
    last = -1
    for i in range(n):
        if last >= 0 and found[last] == ids[i]:
            held[last] += counts[i]
        else:
            last += 1
            found[last], held[last] = ids[i], counts[i]
    return last + 1


@compiled
def _runs(
    indptr, context_id, position, first_counted, last_counted, by_length, position_n_active,
    n_contexts, n_runs, n_cut, median, length_counts,
):  # fmt: skip
    n_lengths = length_counts.shape[1]
    for row in range(n_runs.size):
        start, stop = indptr[row], indptr[row + 1]
        if start == stop:
            continue
        by_length[:] = 0
        longest = 0
        begin = start  # of the current run
        for i in range(start, stop):
            position_n_active[row, position[i]] += 1
            if i == start or context_id[i] != context_id[i - 1]:
                n_contexts[row] += 1
            goes_on = (
                i + 1 < stop
                and context_id[i + 1] == context_id[i]
                and position[i + 1] == position[i] + 1
            )
            if goes_on:
                continue
            length, context = i + 1 - begin, context_id[i]
            by_length[length] += 1
            longest = max(longest, length)
            length_counts[row, min(length, n_lengths) - 1] += 1
            n_runs[row] += 1
            if position[begin] == first_counted[context] or position[i] == last_counted[context]:
                n_cut[row] += 1
            begin = i + 1
        low, high = (n_runs[row] - 1) // 2, n_runs[row] // 2
        before = 0
        for length in range(1, longest + 1):
            if before <= low < before + by_length[length]:
                median[row] = length
            if before <= high < before + by_length[length]:
                median[row] = (median[row] + length) / 2
                break
            before += by_length[length]


@compiled
def _spans(
    indptr, context_id, position, documents, context_size, gap_indptr, gap_position,
    n_spans, span_firings, span_tokens,
):  # fmt: skip
    for row in range(n_spans.size):
        i, stop = indptr[row], indptr[row + 1]
        while i < stop:
            context = np.int64(context_id[i])
            document = documents[context * context_size + position[i]]
            begin = i
            while (
                i < stop
                and context_id[i] == context
                and documents[context * context_size + position[i]] == document
            ):
                i += 1
            if i - begin < MIN_SPAN_FIRINGS:
                continue
            first, last = position[begin], position[i - 1]
            n_spans[row] += 1
            span_firings[row] += i - begin
            span_tokens[row] += last - first + 1
            for gap in range(gap_indptr[context], gap_indptr[context + 1]):
                if first <= gap_position[gap] < last:
                    span_tokens[row] -= 1
