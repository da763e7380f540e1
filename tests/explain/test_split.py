"""What explains a feature and what scores it share neither context nor text, and silence is real.

Held against the events themselves for every feature of an invented atlas.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from app.explain.source import Source
from app.explain.split import FEWEST, N_BANDS, PER_BAND, Split, split_texts
from app.explain.texts import AFTER, BEFORE, Kind, Text

FIRST_HALF = 44
"""Of the invented vocabulary: the first two bytes of a dash"""


def _text(context: int, band: int = 0, kind: Kind = "active", words: str = "") -> Text:
    strengths = (0, 2 * band + 2) if kind == "active" else (0, 0)
    return Text(kind, context, 5, band, (words or f"text {context}", " peak"), strengths)


def _split(
    bands: list[int], silent: int = 8, others: int = 40, seed: int = 0, feature: int = 0
) -> Split:
    active = [_text(i, band) for i, band in enumerate(bands)]
    kinds: tuple[Kind, ...] = ("near", "silent")
    quiet = [_text(1_000 + i, -1, kinds[i % 2]) for i in range(silent)]
    from_others = (_text(2_000 + i, -1, "other") for i in range(others))
    return split_texts(active, quiet, from_others, seed, feature)


def _sides(split: Split) -> Iterator[tuple[Text, ...]]:
    yield split.explaining
    yield split.contrast
    yield split.held_out
    yield split.without


@pytest.mark.parametrize("alone", [False, True])
def test_no_context_and_no_text_is_on_two_sides(
    source: Source, source_alone: Source, alone: bool
) -> None:
    used = source_alone if alone else source
    for feature in used.living.tolist():
        texts = [text for side in _sides(used.split(feature, 0)) for text in side]
        assert len({text.context_id for text in texts}) == len(texts)
        assert len({text.plain for text in texts}) == len(texts)


def test_what_is_said_of_every_text_is_what_the_events_say(source: Source) -> None:
    events = source._events
    assert events is not None
    n_silent = 0
    for feature in source.living.tolist():
        own = events.feature(feature)
        maximum = own.activation.max()
        split = source.split(feature, 0)
        for text in (*split.explaining, *split.held_out):
            row = np.flatnonzero(
                (own.context_id == text.context_id) & (own.position == text.position)
            )
            assert row.size == 1
            activation = float(own.activation[row[0]])
            assert maximum * text.band / N_BANDS < activation * (1 + 1e-6)
            assert activation <= maximum * (text.band + 1) / N_BANDS * (1 + 1e-6)
            here = own.position[own.context_id == text.context_id]
            shown = here[(here >= text.position - BEFORE) & (here <= text.position + AFTER)]
            # The first half of a character is one piece with the second.
            halves = events.corpus.tokens[text.context_id][shown] == FIRST_HALF
            assert len(text.firing) == np.unique(shown + halves).size, "all firings, and no other"
        for text in (*split.contrast, *split.without):
            here = own.position[own.context_id == text.context_id]
            assert not ((here >= text.position - BEFORE) & (here <= text.position + AFTER)).any()
            assert not text.firing
            n_silent += 1
    assert n_silent > 300


def test_a_draw_depends_on_seed_and_feature_alone(source: Source) -> None:
    assert source.split(9, 0) == source.split(9, 0)
    assert source.split(9, 0) != source.split(9, 1)
    bands = [0, 1, 2, 3, 4] * 8
    assert _split(bands, feature=1) != _split(bands, feature=2)


def test_every_band_is_on_both_sides() -> None:
    split = _split([band for band in range(N_BANDS) for _ in range(12)])
    for side in (split.explaining, split.held_out):
        assert [sum(text.band == band for text in side) for band in range(N_BANDS)] == [
            PER_BAND
        ] * 5
    split = _split([band for band in range(N_BANDS) for _ in range(5)])
    assert [sum(text.band == band for text in split.explaining) for band in range(5)] == [2] * 5
    assert [sum(text.band == band for text in split.held_out) for band in range(5)] == [3] * 5


def test_the_strongest_text_comes_first() -> None:
    split = _split([0, 1, 2, 3, 4] * 8)
    strengths = [max(text.strengths) for text in split.explaining]
    assert strengths == sorted(strengths, reverse=True)


def test_uneven_bands_are_filled_up() -> None:
    split = _split([4] * 60)
    assert (len(split.explaining), len(split.held_out)) == (10, 10)


def test_few_texts_all_explain() -> None:
    split = _split([0, 1, 2, 3, 4, 4, 4, 4, 4])
    assert (len(split.explaining), len(split.held_out), len(split.without)) == (9, 0, 0)
    assert split.why_unscored == split.why_undetected
    assert split.why_unscored == "too few are stored to keep 5 back: 9 different texts with it"
    assert "1 different text with it" in _split([2]).why_unscored


def test_ten_texts_are_enough_for_a_score() -> None:
    split = _split([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    assert min(len(split.explaining), len(split.held_out)) >= FEWEST
    assert not split.why_unscored and not split.why_undetected


def test_texts_without_are_as_many_and_half_of_them_hard() -> None:
    split = _split([0, 1, 2, 3, 4] * 8, silent=40)
    n = len(split.held_out)
    kinds = [text.kind for text in split.without]
    assert (len(kinds), kinds.count("other")) == (n, n - n // 2)
    assert {text.kind for text in split.contrast} == {"near", "silent"}
    alone = _split([0, 1, 2, 3, 4] * 8, silent=40, others=0)
    assert len(alone.without) == n, "its own silent texts stand in where there are no others"


def test_too_few_texts_without_leave_fuzzing() -> None:
    split = _split([0, 1, 2, 3, 4] * 8, silent=6, others=0)
    assert (len(split.contrast), len(split.without)) == (4, 2)
    assert split.why_undetected == "too few texts are known to be without it: 2"
    assert not split.why_unscored


def test_copies_of_a_text_are_one(source: Source) -> None:
    active = [_text(i, i % 5, words="the same") for i in range(30)]
    split = split_texts(active, [], iter(()), 0, 0)
    assert len(split.explaining) + len(split.held_out) == 1
