"""Runs and spans equal a walk along every context."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.locality import locality, runs, span_fill
from app.stats.tokens import token_table


def runs_by_hand(world: Any) -> tuple[list[int], int]:
    """(lengths, how many touch the first or last counted token of their context)."""
    lengths, n_cut = [], 0
    for row, counted in zip(world.dense > 0, world.corpus.counted, strict=True):
        there = np.flatnonzero(counted)
        position = 0
        while position < row.size:
            start = position
            while position < row.size and row[position]:
                position += 1
            if position > start:
                lengths.append(position - start)
                n_cut += start == there[0] or position - 1 == there[-1]
            position += 1
    return lengths, n_cut


@given(data=st.data())
def test_runs_equal_brute_force(draw_world: Callable[..., Any], data: st.DataObject) -> None:
    world = draw_world(data)
    found = runs(world.events, world.corpus)
    lengths, n_cut = runs_by_hand(world)
    assert (found.n_runs, found.n_cut) == (len(lengths), n_cut)
    counts = [sum(min(n, 8) == k for n in lengths) for k in range(1, 9)]
    assert found.length_counts.tolist() == counts
    if lengths:
        assert found.mean_length == pytest.approx(np.mean(lengths))
        assert found.median_length == np.median(lengths)
        assert found.share_single == counts[0] / len(lengths)
    else:
        assert found.mean_length is found.median_length is found.share_single is None


@given(data=st.data())
def test_spans_equal_brute_force(draw_world: Callable[..., Any], data: st.DataObject) -> None:
    world = draw_world(data)
    corpus = world.corpus
    n_spans = n_firings = n_tokens = 0
    for context in range(corpus.n_contexts):
        for document in np.unique(corpus.document_ids[context]):
            mine = corpus.document_ids[context] == document
            firing = np.flatnonzero(mine & (world.dense[context] > 0))
            if firing.size >= 3:
                between = slice(firing[0], firing[-1] + 1)
                n_spans += 1
                n_firings += firing.size
                n_tokens += int((mine & corpus.counted[context])[between].sum())
    expected = (n_spans, n_firings / n_tokens if n_spans else None)
    assert span_fill(world.events, corpus) == expected


def test_by_hand(
    make_corpus: Callable[..., Corpus], make_events: Callable[..., FeatureEvents]
) -> None:
    corpus = make_corpus([[0, 1, 2, 3, 4, 5, 6, 7]] * 2)
    dense = np.array([[0, 1, 1, 0, 0, 1, 0, 0], [0, 0, 0, 1, 0, 0, 0, 0]], dtype=np.float32)
    events = make_events(dense)
    found = locality(events, token_table(events, corpus), corpus)
    assert found.runs.length_counts.tolist() == [2, 1, 0, 0, 0, 0, 0, 0]
    assert found.runs.n_cut == 1  # begins at position 1, the first that counts
    assert found.firings_per_context == 2.0
    assert (found.n_spans, found.span_fill) == (1, 3 / 5)
