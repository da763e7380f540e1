"""What our own exports wrote comes back as the atlas had it, as far as the format holds it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from app.exchange.foreign import ForeignExample, ForeignFeature, ForeignSource
from app.exchange.importing.circuit_tracer import open_circuit_tracer
from app.exchange.importing.neuronpedia import open_neuronpedia
from app.exchange.reader.atlas import Atlas
from app.exchange.reader.records import Example, Feature, Histogram, TokenLogit
from tests.exchange.conftest import FIRST, N_FEATURES, SECOND, Export


def same_text(found: ForeignExample, tokens: Sequence[str], example: Example, start: int) -> None:
    """`tokens` begin at `start` of the example's context."""
    assert list(found.tokens) == [token.replace("\x00", " ") for token in tokens]
    expected = example.context_activations[start : start + len(tokens)]
    np.testing.assert_array_equal(found.activations.astype(np.float32), expected)
    assert found.position + start == example.token_index


def same_ends(found: ForeignExample, example: Example) -> None:
    """Of their ranges; exports let the lowest begin at 0."""
    assert found.band is not None and example.band is not None
    same_float(found.band.low, example.band.low if example.band.number else 0.0)
    same_float(found.band.high, example.band.high)


def held(feature: Feature, group: Any) -> list[Example]:
    """Examples that exports hold: not those chosen for the first position."""
    return [one for one in feature.group(group) if one.token_index >= 1]


def strongest_band_first(examples: list[Example]) -> list[Example]:
    return sorted(examples, key=lambda one: -one.band.number if one.band else 0)


def logits_of(side: Sequence[TokenLogit]) -> list[float]:
    return [np.nan if one.logit is None else one.logit for one in side]


def same_float(found: float | None, expected: float | None) -> None:
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert np.float32(found) == np.float32(expected)


def read(source: ForeignSource) -> list[ForeignFeature]:
    return list(source.features())


@pytest.mark.parametrize("address", [FIRST, SECOND])
def test_neuronpedia(export: Export, atlas: Atlas, address: str) -> None:
    (source,) = open_neuronpedia(export("neuronpedia", "--sae", address))
    dictionary = atlas.dictionary(*address.split("/"))
    record, corpus = dictionary.record, dictionary.corpus
    about = source.dictionary
    assert (about.model, about.hook_name) == (record.model, record.hook_name)
    assert about.sae.partition("-")[2] == record.sae
    assert (about.corpus, about.context_size) == (corpus.name, corpus.context_size)
    features = read(source)
    assert [one.feature_index for one in features] == list(range(N_FEATURES))
    for found in features:
        expected = dictionary.feature(found.feature_index)
        compare_numbers(found, expected)
        examples = [*held(expected, "top"), *strongest_band_first(held(expected, "interval"))]
        assert len(found.examples) == len(examples)
        for one, example in zip(found.examples, examples, strict=True):
            assert one.group == example.group
            n = len(one.tokens)
            same_text(one, example.context.tokens[1 : 1 + n], example, 1)
            assert (one.band is None) == (example.band is None)
            if one.band is not None and example.band is not None:
                same_ends(one, example)
                if one.band.share is not None:
                    assert expected.statistics.density
                    off = 3e-5 / expected.statistics.density
                    assert one.band.share == pytest.approx(example.band.share, abs=off)


def same_histogram(found: ForeignFeature, expected: Histogram | None) -> None:
    assert (found.histogram is None) == (expected is None)
    if found.histogram is not None and expected is not None:
        np.testing.assert_allclose(found.histogram.edges, expected.edges, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(found.histogram.counts, expected.counts)


def compare_numbers(found: ForeignFeature, expected: Feature) -> None:
    statistics = expected.statistics
    assert found.density == pytest.approx(statistics.density, abs=6e-6)
    same_float(found.max_activation, statistics.max_activation)
    same_histogram(found, expected.histogram)
    lens = expected.logit_lens
    assert (found.logits is None) == (lens is None)
    if found.logits is not None and lens is not None:
        positive, negative = lens.adjusted.positive, lens.adjusted.negative
        assert list(found.logits.promoted) == [one.token.replace("\x00", " ") for one in positive]
        np.testing.assert_allclose(found.logits.promoted_logits, logits_of(positive), rtol=1e-6)
        np.testing.assert_allclose(found.logits.suppressed_logits, logits_of(negative), rtol=1e-6)
    near = [one for one in expected.neighbors if one.feature_index != found.feature_index]
    assert (found.neighbors is None) == (not near)
    if found.neighbors is not None:
        assert found.neighbors.feature_index.tolist() == [one.feature_index for one in near]
        cosines = [one.cosine_similarity for one in near]
        np.testing.assert_allclose(found.neighbors.cosine_similarity, cosines, rtol=1e-6)


def test_circuit_tracer(export: Export, atlas: Atlas) -> None:
    sources = open_circuit_tracer(export("circuit-tracer"))
    by_name = {one.dictionary.sae.partition("-")[2]: one for one in sources}
    assert len(by_name) == 2
    for name, source in by_name.items():
        dictionary = atlas.dictionary(source.dictionary.model, name)
        features = read(source)
        assert [one.feature_index for one in features] == list(range(N_FEATURES))
        for found in features:
            compare_circuit_tracer(found, dictionary.feature(found.feature_index))


def compare_circuit_tracer(found: ForeignFeature, expected: Feature) -> None:
    statistics = expected.statistics
    assert found.density == statistics.density
    same_float(found.max_activation, statistics.max_activation)
    same_histogram(found, expected.histogram)
    if expected.logit_lens is not None:
        assert found.logits is not None
        side = expected.logit_lens.adjusted.negative
        assert list(found.logits.suppressed) == [one.token.replace("\x00", "") for one in side]
        assert np.isnan(found.logits.suppressed_logits).all()
    examples = [*held(expected, "top"), *strongest_band_first(held(expected, "interval"))]
    assert [one.group for one in found.examples] == [one.group for one in examples]
    for one, example in zip(found.examples, examples, strict=True):
        start = max(1, example.window_start)
        tokens = [token.replace("\x00", "") for token in example.context.tokens]
        same_text(one, tokens[start : example.window_stop], example, start)
        if example.band is not None and one.band is not None:
            same_ends(one, example)
