"""Places by word, however many passes they take, and positions beyond two bytes."""

from pathlib import Path

import numpy as np
import pytest

from app.db.fulltext import places
from app.db.fulltext.places import places_by_word, renumber
from app.db.fulltext.queries import find_phrase, load_text
from app.db.fulltext.write import write_fulltext
from app.db.records import ContextRecord
from app.db.writer import AtlasWriter

from ..conftest import CORPUS, MODEL, tokens


@pytest.mark.parametrize("at_once", [1, 7, 100, 1 << 20])
def test_every_word_gets_its_places(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(places, "_AT_ONCE", at_once)
    monkeypatch.setattr(places, "_MOST_PASSES", 1_000)
    # Some words are nowhere, one is everywhere.
    drawn = np.random.default_rng(1).geometric(0.1, 500).astype(np.uint32)
    found = [*places_by_word(drawn, 90)]
    assert len(found) == 90
    for word, own in enumerate(found):
        np.testing.assert_array_equal(own, np.flatnonzero(drawn == word))
    assert [own.tolist() for own in places_by_word(drawn[:0], 2)] == [[], []]
    assert [*places_by_word(drawn[:0], 0)] == []


def test_words_take_other_numbers_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_AT_ONCE", 3)
    words = np.array([2, 0, 1, 1, 2, 2, 0], np.uint32)
    renumber(words, np.array([10, 30, 20], np.uint32))
    assert words.tolist() == [20, 10, 30, 30, 20, 20, 10]


def test_a_context_longer_than_two_bytes_count(tmp_path: Path) -> None:
    """The only word is its last token; every other one is a newline."""
    newline, word = 4, 2
    with AtlasWriter(tmp_path / "atlas.db", {}) as writer:
        model_id = writer.add_model(MODEL, tokens())
        corpus_id = writer.add_corpus(model_id, CORPUS, np.zeros(0, np.int64), [])
        long = np.full(70_000, newline, np.uint16)
        long[-1] = word
        texts = [np.array([word], np.uint16), long]
        writer.add_contexts(
            corpus_id,
            [ContextRecord(i, ids, np.zeros(ids.size, np.int32)) for i, ids in enumerate(texts)],
        )
        write_fulltext(writer.connection)
        text = load_text(writer.connection, corpus_id)
        spans = find_phrase(writer.connection, text, [tokens()[word].token])
    assert text.context_size == 70_000
    assert spans.start.tolist() == [0, 70_000 + 69_999]
    assert spans.stop.tolist() == [1, 70_000 + 70_000]
