"""Counts and the index of places equal a look at every token."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import AtlasError
from app.stats.corpus import Corpus, write_corpus


@given(data=st.data())
def test_counts_equal_brute_force(draw_world: Callable[..., Any], data: st.DataObject) -> None:
    corpus: Corpus = draw_world(data).corpus
    places = np.flatnonzero(corpus.counted.reshape(-1)).tolist()
    ids = [int(corpus.tokens.reshape(-1)[p]) for p in places]
    assert corpus.n_tokens == len(places)
    assert corpus.occurrences.tolist() == [ids.count(t) for t in range(corpus.d_vocab)]
    asked = np.arange(0, corpus.d_vocab, 2)[::-1]
    expected = [p for p, t in zip(places, ids, strict=True) if t in asked]
    assert corpus.places(asked).tolist() == expected
    assert sorted(corpus.places_by_token(asked).tolist()) == expected
    documents = [int(corpus.document_ids.reshape(-1)[p]) for p in places]
    n_documents = len(corpus.document_names)
    counts = [documents.count(d) for d in range(n_documents)]
    assert corpus.tokens_per_document.tolist() == counts


@given(data=st.data())
def test_edges_and_gaps_of_contexts(draw_world: Callable[..., Any], data: st.DataObject) -> None:
    corpus: Corpus = draw_world(data).corpus
    gaps: list[int] = []
    for c, row in enumerate(corpus.counted):
        there = np.flatnonzero(row)
        assert corpus.first_counted[c] == (there[0] if there.size else corpus.context_size)
        assert corpus.last_counted[c] == (there[-1] if there.size else -1)
        if there.size:
            inner = [p for p in range(there[0], there[-1]) if not row[p]]
            gaps += [c * corpus.context_size + p for p in inner]
    assert corpus.gaps.tolist() == gaps


def test_open_maps_what_was_written(tmp_path: Path, make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus([[0, 1, 2], [3, 4, 1]])
    corpus = replace(corpus, document_names=["a.py"], metadata={"name": "two rows"})
    write_corpus(tmp_path, corpus)
    opened = Corpus.open(tmp_path)
    np.testing.assert_array_equal(opened.tokens, corpus.tokens)
    assert (opened.n_contexts, opened.context_size, opened.d_vocab) == (2, 3, 10)
    assert opened.places(np.array([1])).tolist() == [1, 5]
    assert opened.document_names == ["a.py"]
    assert opened.metadata["name"] == "two rows"


def test_a_missing_file_is_one_sentence(tmp_path: Path, make_corpus: Callable[..., Corpus]) -> None:
    write_corpus(tmp_path, make_corpus([[0, 1]]))
    (tmp_path / "documents.json").unlink()
    with pytest.raises(AtlasError, match=r"documents\.json.*run precompute again"):
        Corpus.open(tmp_path)
    (tmp_path / "tokens.npy").write_bytes(b"not an array")
    with pytest.raises(AtlasError, match=r"tokens\.npy"):
        Corpus.open(tmp_path)


def test_arrays_of_different_shapes_are_refused(
    tmp_path: Path, make_corpus: Callable[..., Corpus]
) -> None:
    write_corpus(tmp_path, make_corpus([[0, 1]]))
    np.save(tmp_path / "counted.npy", np.ones((1, 3), dtype=np.bool_))
    with pytest.raises(AtlasError, match=r"\(1, 3\)"):
        Corpus.open(tmp_path)
