"""Stage 3 from files: any cut into ranges and any number of threads give the same features."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from app.precompute import counting
from app.precompute.panels import coactive_panels, range_bundles
from app.precompute.workplace import result_file
from app.stats.corpus import Corpus, write_corpus
from app.stats.event_writer import write_manifest, write_shard
from app.stats.events import EventStore
from app.stats.feature import StatisticsSettings

D_SAE, N_CONTEXTS, SIZE = 30, 20, 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Random events over a random corpus, as the earlier stages leave them."""
    counting.forget()
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 9, (N_CONTEXTS, SIZE)).astype(np.uint16)
    counted = np.ones(tokens.shape, np.bool_)
    counted[:, 0] = False
    corpus = Corpus(tokens, counted, np.zeros(tokens.shape, np.int32), 9, ["all"])
    write_corpus(tmp_path / "corpus", corpus)
    events = tmp_path / "events"
    write_manifest(
        events, d_sae=D_SAE, context_size=SIZE, contexts_per_shard=8, n_contexts=N_CONTEXTS
    )
    for index, first in enumerate(range(0, N_CONTEXTS, 8)):
        part = counted[first : first + 8].reshape(-1, 1)
        token, feature = np.nonzero(part & (rng.random((part.size, D_SAE)) < 0.1))
        activation = rng.gamma(2.0, size=token.size).astype(np.float32)
        write_shard(events, index, feature, token, activation, D_SAE)
    return tmp_path


def described(folder: Path, part: tuple[int, int]) -> list[dict]:
    """The records of the features of a range."""
    places = folder / "events", folder / "corpus"
    found = counting.describe_range(*places, StatisticsSettings(), part)
    partners = counting.describe_partners(*places, 100, part)
    bundles = [
        asdict(replace(bundle, examples=dict(bundle.examples))) for bundle in range_bundles(found)
    ]
    for bundle, panel in zip(bundles, coactive_panels(partners), strict=True):
        bundle["panels"]["coactive"] = None if panel is None else asdict(panel)
    return bundles


@pytest.mark.parametrize("at_once", [1, 40, 10**6])
def test_ranges_change_nothing(folder: Path, at_once: int) -> None:
    whole = described(folder, (0, D_SAE))
    assert [item["record"]["feature_index"] for item in whole] == list(range(D_SAE))
    parts = list(EventStore.open(folder / "events").ranges(at_once))
    np.testing.assert_equal([item for part in parts for item in described(folder, part)], whole)


def test_threads_change_nothing(folder: Path) -> None:
    parts = [(first, first + 3) for first in range(0, D_SAE, 3)]
    counting.forget()
    with ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(lambda part: described(folder, part), parts))
    together = [item for part in beside for item in part]
    np.testing.assert_equal(together, described(folder, (0, D_SAE)))


def test_a_result_survives_its_file(folder: Path, tmp_path: Path) -> None:
    found = counting.describe_range(
        folder / "events", folder / "corpus", StatisticsSettings(), (3, 9)
    )
    result_file.save(tmp_path / "found", found)
    np.testing.assert_equal(asdict(result_file.load(tmp_path / "found")), asdict(found))


def test_another_run_is_not_taken_for_the_one_before(folder: Path) -> None:
    described(folder, (0, 1))
    (folder / "corpus" / "corpus.json").write_text('{"d_vocab": 12}')
    counting.forget()
    found = counting.describe_range(
        folder / "events", folder / "corpus", StatisticsSettings(), (0, 1)
    )
    assert found.pairs.n_features.size == 12
