"""Counts, ratios and counterexamples, against loops over all places."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats.events import FeatureEvents
from app.stats.permutation import PlaceHash
from app.stats.reading.counterexamples import Order, firing_places, silent_places
from app.stats.reading.ground import Ground
from app.stats.reading.score import N_BANDS, score_reading
from app.stats.reading.vocabulary import Vocabulary

Case = tuple[np.ndarray, FeatureEvents, Ground, np.ndarray]


@st.composite
def _cases(draw: st.DrawFn) -> int:
    return draw(st.integers(0, 10_000))


def _case(small_ground: Callable, make_events: Callable, seed: int) -> Case:
    """(says yes, events, ground, activation by place); half of the contexts are looked at."""
    rng = np.random.default_rng(seed)
    small = small_ground(seed % 7, most_tokens=int(rng.choice([24, 48])))
    shape = small.corpus.tokens.shape
    density = float(rng.choice([0, 0.1, 0.5, 1]))
    values = rng.integers(1, 11, shape) * np.float32(0.1)  # ties, and values on borders of bands
    dense = np.where(small.corpus.counted & (rng.random(shape) < density), values, 0)
    dense = dense.astype(np.float32)
    says = rng.random(small.ground.n_places) < float(rng.choice([0, 0.3, 1]))
    return says & small.ground.counted, make_events(dense), small.ground, dense.reshape(-1)


@given(_cases())
def test_counts_against_a_loop(small_ground: Callable, make_events: Callable, seed: int) -> None:
    says, events, ground, dense = _case(small_ground, make_events, seed)
    score = score_reading(says, events, ground)
    places = [p for p in range(ground.n_places) if ground.counted[p]]
    fires = [p for p in places if dense[p] > 0]
    both = [p for p in fires if says[p]]
    assert (score.n_tokens, score.n_fires) == (len(places), len(fires))
    assert score.n_says_yes == sum(bool(says[p]) for p in places)
    assert (score.n_both, score.n_missed) == (len(both), len(fires) - len(both))
    assert score.n_silent == sum(bool(says[p]) and not dense[p] for p in places)
    assert score.mass_both == pytest.approx(sum(float(dense[p]) for p in both))
    assert score.mass == pytest.approx(sum(float(dense[p]) for p in fires))
    assert score.precision == (len(both) / score.n_says_yes if score.n_says_yes else None)
    assert score.recall == (len(both) / len(fires) if fires else None)
    assert score.density == (len(fires) / len(places) if places else None)
    if score.precision and score.recall:
        harmonic = 2 / (1 / score.precision + 1 / score.recall)
        assert score.f1 == pytest.approx(harmonic)
    largest = float(dense.max())
    for band in range(N_BANDS):
        low, high = largest * band / N_BANDS, largest * (band + 1) / N_BANDS
        inside = [p for p in fires if low < float(dense[p]) <= high]
        assert score.band_n_fires[band] == len(inside)
        assert score.band_n_both[band] == sum(p in both for p in inside)


def _listed(candidates: list[int], size: int, n: int) -> list[int]:
    """The first of each context in order, then the others in order."""
    seen: set[int] = set()
    first, rest = [], []
    for place in candidates:
        (rest if place // size in seen else first).append(place)
        seen.add(place // size)
    return [*first, *rest][:n]


@given(_cases(), st.sampled_from(["strongest", "weakest", "drawn", "corpus"]), st.integers(1, 30))
def test_counterexamples_against_sorting_everything(
    small_ground: Callable, make_events: Callable, seed: int, order: Order, n: int
) -> None:
    says, events, ground, dense = _case(small_ground, make_events, seed)
    hashing = PlaceHash(0, events.feature_index, ground.n_places_all)
    keys = {
        "strongest": lambda p: (-float(dense[p]), p),
        "weakest": lambda p: (float(dense[p]), p),
        "drawn": lambda p: int(hashing.of(np.array([p]))[0]),
        "corpus": lambda p: p,
    }
    counted = [p for p in range(ground.n_places) if ground.counted[p]]
    for answer in (True, False):
        places = [p for p in counted if dense[p] > 0 and says[p] == answer]
        found = events.places[firing_places(says, events, ground, answer, order, n)]
        assert found.tolist() == _listed(sorted(places, key=keys[order]), ground.context_size, n)
    silent = [p for p in counted if not dense[p] and says[p]]
    # silence has no strength: by strength they are drawn
    key = keys["corpus" if order == "corpus" else "drawn"]
    found = silent_places(says, events, ground, order, n)
    assert found.tolist() == _listed(sorted(silent, key=key), ground.context_size, n)


def test_words_of_a_vocabulary() -> None:
    vocabulary = Vocabulary([b"<s>", b"self", b" self", b"\n\tself ", b"", b" ", b"self"], {0, 6})
    assert vocabulary.exactly(b"self") == [1]
    assert vocabulary.exactly(b"") == []
    assert vocabulary.spaced(b"self", before=True, after=True) == [1, 2, 3]
    assert vocabulary.spaced(b"self", before=True, after=False) == [1, 2]
    assert vocabulary.spaced(b" self", before=False, after=False) == [2]
    assert vocabulary.exactly(b"<s>") == [], "a special token has no text"
