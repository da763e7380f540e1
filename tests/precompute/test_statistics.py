"""Ranges of features computed in other processes are the same features, and end with their job."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from app.precompute import statistics
from app.stats.event_writer import write_manifest, write_shard
from app.stats.feature import FeatureStatistics, StatisticsSettings

D_SAE, N_CONTEXTS, SIZE = 30, 20, 12

SCRIPT = """
import multiprocessing, sys, time
from pathlib import Path
from app.precompute import statistics
from app.stats.feature import StatisticsSettings

if __name__ == "__main__":
    statistics.EVENTS_AT_ONCE = 50
    folder = Path(sys.argv[1])
    described = statistics.describe_features(
        folder / "events", folder / "corpus", StatisticsSettings(), workers=2
    )
    next(described)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Random events over a random corpus, as the earlier stages leave them."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 9, (N_CONTEXTS, SIZE)).astype(np.uint16)
    counted = np.ones(tokens.shape, np.bool_)
    counted[:, 0] = False
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    np.save(corpus / "tokens.npy", tokens)
    np.save(corpus / "counted.npy", counted)
    np.save(corpus / "document_ids.npy", np.zeros(tokens.shape, np.int32))
    (corpus / "documents.json").write_text('["all"]')
    (corpus / "corpus.json").write_text('{"d_vocab": 9}')
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


def describe(folder: Path, workers: int) -> list[FeatureStatistics]:
    settings = StatisticsSettings()
    found = statistics.describe_features(folder / "events", folder / "corpus", settings, workers)
    return list(found)


def test_workers_give_what_one_process_gives(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = describe(folder, 1)
    assert [item.feature_index for item in alone] == list(range(D_SAE))
    monkeypatch.setattr(statistics, "EVENTS_AT_ONCE", 50)
    for workers in (1, 2):
        assert repr(describe(folder, workers)) == repr(alone)


def test_one_range_needs_no_other_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "ProcessPoolExecutor", lambda *_, **__: pytest.fail("a pool"))
    assert len(describe(folder, 8)) == D_SAE


def test_workers_end_with_a_killed_job(folder: Path) -> None:
    (folder / "job.py").write_text(SCRIPT)
    job = subprocess.Popen(
        [sys.executable, str(folder / "job.py"), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(statistics.__file__).parents[2])},
    )
    assert job.stdout is not None
    with job, job.stdout:
        workers = [int(pid) for pid in job.stdout.readline().split()]
        job.send_signal(signal.SIGKILL)
    assert len(workers) == 2
    deadline = time.monotonic() + 30
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < deadline, workers
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Neither gone nor waiting for its parent to notice that it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
