"""Pieces done by a real Ray of two workers on this machine: the same atlas, whatever happens."""

import errno
import itertools
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.errors import AtlasError
from app.precompute.drivers import ray_cluster, ray_driver
from app.precompute.drivers.driver import Piece
from app.precompute.drivers.interruption import Interrupted, Stop
from app.precompute.drivers.ray_cluster import Cluster, check_workers, cluster, share
from app.precompute.drivers.ray_driver import RayDriver, elsewhere
from app.precompute.drivers.ray_worker import Worker
from app.precompute.job import Job
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Advance, Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.workplace.result_file import load
from app.precompute.workplace.stage_recipes import program_versions
from tests.precompute.ray_tasks import DIE, DOUBLE, FAIL
from tests.torture.conftest import WORDS, content

# Not imported here: it must be told to keep to itself before.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture
def settings(
    tmp_path: Path, model_folder: Callable[[str], Path], write_sae: Callable[..., Path]
) -> Callable[..., PrecomputeSettings]:
    """Settings of a job with every stage over two dictionaries; each output has its own folder."""
    text = tmp_path / "text.txt"
    text.write_text("".join(np.random.default_rng(1).choice(WORDS, 500)))
    saes = [
        write_sae(tmp_path / "resid", "jumprelu"),
        write_sae(tmp_path / "mlp", "topk", "blocks.1.hook_mlp_out", seed=1),
    ]

    def make(name: str = "here", **options: Any) -> PrecomputeSettings:
        (tmp_path / name).mkdir()
        defaults: dict[str, Any] = {
            "model": str(model_folder("neox")),
            "sae": saes,
            "name": ["tiny/resid", "tiny/mlp"],
            "corpus": str(text),
            "output": tmp_path / name / "atlas.db",
            "threads": 2,
            "batch_contexts": 2,
            "contexts_per_shard": 4,
            "ablation_examples": 2,
            "ablation_interval_examples": 0,
            "ablation_window": 2,
            "replacements": 1,
            "context_draws": 1,
            "quality_contexts": 3,
            "pruning_contexts": 5,
            "pruning_thresholds": 1,
            "pruning_draws": 1,
            "direction_map": "pca",
        }
        return PrecomputeSettings(**(defaults | options))

    return make


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def ray_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Ray with two processors."""
    torch.set_num_threads(2)
    with cluster(any_settings(tmp_path_factory.mktemp("any"))) as found:
        yield found


@pytest.fixture
def driver(ray_here: Cluster, job: Job) -> Callable[..., RayDriver]:
    """A driver for tasks that only count: no model is there."""

    def make(stop: Stop | None = None, **changes: Any) -> RayDriver:
        return RayDriver(ray_here, replace(job, **changes), stop or Stop())

    return make


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job in an empty folder."""
    return Job(any_settings(tmp_path), tmp_path, "tiny", ("resid",), 4, False, 2, 64)


def any_settings(folder: Path, **options: Any) -> PrecomputeSettings:
    """What is required, nothing of it there."""
    required: dict[str, Any] = {
        **{"model": "m", "sae": [folder], "corpus": "c", "output": folder / "a.db"},
        "workers": "ray",
    }
    return PrecomputeSettings(**(required | options))


def pieces(matter: Iterable[Any]) -> Iterator[Piece]:
    """A piece for everything."""
    for index, each in enumerate(matter):
        yield Piece(("count",), f"{index:03d}", 1, each)


def test_a_worker_killed_in_the_middle_changes_nothing(
    settings: Callable[..., PrecomputeSettings], quiet: Reporter
) -> None:
    here = settings()
    run(here, reporter=quiet)
    killer = Killer()
    there = settings("there", workers="ray")
    run(there, reporter=killer)
    assert killer.killed
    assert not ours("ray")  # nothing is left of Ray
    found, expected = content(there.output), content(here.output)
    assert [key for key in expected.keys() | found.keys() if found.get(key) != expected[key]] == []


class Killer(Reporter):
    """Kills a worker that has one of several event shards in hand, when another is done."""

    def __init__(self) -> None:
        super().__init__(kind="plain")
        self.killed: list[int] = []

    def stage(self, name: str, *arguments: Any, **options: Any) -> Any:
        """The stage, watched if it is the one with the events."""
        return Watched(super().stage(name, *arguments, **options), self, name == "events")

    def strike(self) -> None:
        """Holds a worker, which is then given a piece if it has none, and kills it."""
        if not self.killed:
            victim = ours("ray::Worker")[0]
            self.killed.append(victim)
            os.kill(victim, signal.SIGSTOP)
            threading.Timer(1.0, os.kill, (victim, signal.SIGKILL)).start()


class Watched:
    """A stage of a reporter that strikes after every piece."""

    def __init__(self, stage: Any, killer: Killer, strikes: bool) -> None:
        self._stage, self._killer, self._strikes = stage, killer, strikes

    def __enter__(self) -> Advance:
        advance = self._stage.__enter__()

        def advanced(n: int) -> None:
            advance(n)
            if self._strikes:
                self._killer.strike()

        return advanced

    def __exit__(self, *error: Any) -> Any:
        return self._stage.__exit__(*error)


def ours(name: str) -> list[int]:
    """Processes that descend from this one and whose command line begins with, or runs, that."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
            command = (folder / "cmdline").read_bytes().decode()
        except OSError:
            continue
        if command.startswith(name) or f"/{name}/" in command:
            found.append(int(folder.name))

    def descends(pid: int) -> bool:
        while pid in parents:
            pid = parents[pid]
            if pid == os.getpid():
                return True
        return False

    return sorted(pid for pid in found if descends(pid))


@pytest.mark.parametrize(
    ("needs", "n_gpus", "at_once"),
    [
        *(("events", 0, 2), ("model", 0, 2), ("machine", 0, 1)),
        *(("events", 3, 2), ("model", 3, 6), ("machine", 3, 3)),
    ],
)
def test_how_many_pieces_are_in_hand(
    ray_here: Cluster, job: Job, needs: Any, n_gpus: int, at_once: int
) -> None:
    """Of two processors and so many GPUs; what wants a whole machine has a GPU for itself."""
    driver, seen = RayDriver(replace(ray_here, n_gpus=n_gpus), job, Stop()), list[int]()
    driver._done = lambda crew, task, pieces, at_once: iter(seen.append(at_once) or [])
    assert not list(driver.map(replace(DOUBLE, needs=needs), []))
    assert seen == [at_once]


def test_every_piece_leaves_its_result_in_the_folder(
    driver: Callable[..., RayDriver], job: Job
) -> None:
    outcomes = dict(driver().map(DOUBLE, pieces(range(7))))
    assert len(outcomes) == 7
    for piece, outcome in outcomes.items():
        path = job.result("count", piece.name)
        assert load(path) == 2 * piece.matter
        assert outcome["count"].keys() == {path.relative_to(job.folder).as_posix()}


def test_no_more_pieces_are_taken_than_workers_can_hold(driver: Callable[..., RayDriver]) -> None:
    taken = itertools.count()
    endless = driver().map(DOUBLE, pieces(next(taken) for _ in itertools.count()))
    for n_done in range(1, 6):
        next(endless)
        assert next(taken) <= 2 * n_done + 2  # each look takes a number as well
    endless.close()  # type: ignore[attr-defined]


def test_errors_are_those_of_the_task(driver: Callable[..., RayDriver]) -> None:
    def of(how: str) -> BaseException:
        with pytest.raises(Exception) as caught:
            list(driver().map(FAIL, pieces([how])))
        return caught.value

    assert type(of("atlas")) is AtlasError and str(of("atlas")) == "A sentence."
    full = of("disk")
    assert type(full) is OSError and full.errno == errno.ENOSPC
    fault = of("other")
    assert type(fault) is ValueError
    assert "in fail" in "".join(fault.__notes__)  # where it was, for whoever mends it


def test_a_folder_that_a_worker_cant_see(driver: Callable[..., RayDriver], tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=rf"on {socket.gethostname()} sees no folder .*gone"):
        list(driver(folder=tmp_path / "gone").map(DOUBLE, pieces([1])))


def test_a_piece_that_kills_every_worker_is_a_sentence(
    driver: Callable[..., RayDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_driver, "TRIES", 1)
    with pytest.raises(AtlasError, match=r"count 000: its worker was lost 2 times.* goes on\.$"):
        list(driver().map(DIE, pieces([None])))


def test_a_signal_lets_what_runs_end(driver: Callable[..., RayDriver]) -> None:
    """SIGTERM too, which Ray would take for itself."""
    done = []
    with pytest.raises(Interrupted), Stop().listening() as stop:
        for piece, _ in driver(stop).map(DOUBLE, pieces(itertools.count())):
            done.append(piece)
            if len(done) == 3:
                os.kill(os.getpid(), signal.SIGTERM)
    assert 3 <= len(done) <= 5


def test_nobody_else_can_reach_it(ray_here: Cluster) -> None:
    """Every socket that any process of Ray listens on has the address of this machine alone."""
    listening = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A":
                listening[rest[5]] = local.split(":")[0]
    found = set()
    for pid in [os.getpid(), *ours("ray")]:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = os.readlink(link)
            except OSError:
                continue
            inode = target.removeprefix("socket:[").removesuffix("]")
            if inode in listening:
                found.add(listening[inode])
    assert found
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert found <= loopback


def test_another_version_is_refused(job: Job) -> None:
    versions = program_versions() | {"torch": "1.0"}
    with pytest.raises(AtlasError, match=r"has torch 2.*was started with 1\.0: install the same"):
        Worker(job, versions, 1, 1).do(DOUBLE, next(pieces([1])))


def test_paths_hold_in_any_folder(job: Job, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    own = any_settings(tmp_path, model="model", sae=["dictionary"])
    sent = elsewhere(replace(job, settings=own), "cuda").settings
    assert (sent.model, sent.sae) == (str(tmp_path / "model"), [str(tmp_path / "dictionary")])
    assert sent.device == "cuda"
    hub = any_settings(tmp_path, model="some/model", sae=["hf://some/saes/layer_3"])
    sent = elsewhere(replace(job, settings=hub), "cpu").settings
    assert (sent.model, sent.sae) == ("some/model", ["hf://some/saes/layer_3"])


@pytest.mark.parametrize(
    ("options", "resources", "expected"),
    [
        ({}, {"CPU": 8.0}, (8, 0, "cpu")),
        ({}, {"CPU": 8.0, "GPU": 4.0}, (8, 4, "cuda")),
        ({"num_gpus": 3}, {"CPU": 8.0, "GPU": 4.0}, (8, 3, "cuda")),
        ({"num_gpus": 0}, {"CPU": 8.0, "GPU": 4.0}, (8, 0, "cpu")),
        ({"device": "cuda:1"}, {"CPU": 8.0, "GPU": 4.0}, (8, 4, "cuda")),
        ({"device": "cpu"}, {"CPU": 8.0, "GPU": 4.0}, (8, 0, "cpu")),
        ({"num_gpus": 5}, {"GPU": 4.0}, "--num-gpus is 5, but Ray has 4"),
        ({"device": "cuda"}, {"CPU": 8.0}, "--device is cuda, but Ray has no GPU"),
    ],
)
def test_what_is_used_of_a_cluster(
    tmp_path: Path, options: dict[str, Any], resources: dict[str, float], expected: Any
) -> None:
    own = any_settings(tmp_path, **options)
    if isinstance(expected, str):
        with pytest.raises(AtlasError, match=expected):
            share(None, own, resources)
    else:
        found = share(None, own, resources)
        assert (found.n_cpus, found.n_gpus, found.device) == expected


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:1", r"^Ray can't be reached at 127\.0\.0\.1:1: .*refused\.$"),
        ("ray://127.0.0.1:1", r"--ray-address is 'ray://.*on a machine of the cluster"),
    ],
)
def test_an_address_without_a_ray(
    ray_here: Cluster, tmp_path: Path, address: str, sentence: str
) -> None:
    with pytest.raises(AtlasError, match=sentence):
        ray_cluster.begin(ray_here.ray, address, str(tmp_path))


def test_options_that_dont_go_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, sentence in (
        ({"workers": "loop", "num_gpus": 1}, "--num-gpus is for --workers ray"),
        ({"workers": "loop", "ray_address": "auto"}, "--ray-address is for --workers ray"),
        ({"num_gpus": 1, "device": "cpu"}, "--num-gpus is 1, but --device is cpu"),
    ):
        with pytest.raises(AtlasError, match=sentence):
            check_workers(any_settings(tmp_path, **options))
    check_workers(any_settings(tmp_path))
    monkeypatch.setattr("app.precompute.drivers.ray_cluster.find_spec", lambda _: None)
    with pytest.raises(AtlasError, match=r"needs Ray, which is not installed: run `pip install"):
        check_workers(any_settings(tmp_path))
