"""Ray, started on this machine or found at an address, and what of it a run may use.

Takes settings; gives the counts of processors and GPUs, and shuts down what it started. A Ray of
ours is private: it listens on the loopback address alone, asks for a token, has no dashboard and
reports to nobody. Knows no piece. Imports Ray when it is asked for: it is an extra.
"""

import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from app.errors import AtlasError
from app.precompute.settings import PrecomputeSettings

STORE_BYTES = 100 * 2**20
"""Of Ray's object store: pieces and seals go through it, results don't."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a warning about what a later Ray will do
}
_PRIVATE = {
    # Named for the systems where it is so by default: every process listens on 127.0.0.1 alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
}


@dataclass(frozen=True)
class Cluster:
    """What of Ray a run may use."""

    ray: Any
    """the library, connected"""
    n_cpus: int
    n_gpus: int
    device: str
    """what workers run the model on"""


def check_workers(settings: PrecomputeSettings) -> None:
    """Refuses, before anything is loaded, options that don't go together.

    Raises:
        AtlasError: Ray is asked for and not installed, or only its options are given.
    """
    if settings.workers == "loop":
        for option, value in (
            ("--num-gpus", settings.num_gpus),
            ("--ray-address", settings.ray_address),
        ):
            if value is not None:
                raise AtlasError(f"{option} is for --workers ray: give both, or neither.")
        return
    if find_spec("ray") is None:
        raise AtlasError(
            "--workers ray needs Ray, which is not installed: run "
            "`pip install 'feature-atlas[precompute,ray]'`."
        )
    if settings.num_gpus and settings.device in ("cpu", "mps"):
        raise AtlasError(
            f"--num-gpus is {settings.num_gpus}, but --device is {settings.device}: "
            "leave one of them out."
        )


@contextmanager
def cluster(settings: PrecomputeSettings) -> Iterator[Cluster]:
    """Ray for as long as it lasts; one that was started here ends with it.

    Raises:
        AtlasError: there is no Ray at that address, it can't be started, or it has too few GPUs.
    """
    os.environ.update(_QUIET)
    if settings.ray_address is None:
        _keep_private()
    import ray

    # Sockets lie in this folder, and their paths must be short.
    short = "/tmp" if Path("/tmp").is_dir() else None
    with TemporaryDirectory(prefix="ray-", dir=short, ignore_cleanup_errors=True) as folder:
        try:
            with _handlers_kept():
                begin(ray, settings.ray_address, folder)
            yield share(ray, settings, ray.cluster_resources())
        finally:
            with _handlers_kept():
                ray.shutdown()


def share(ray: Any, settings: PrecomputeSettings, resources: Mapping[str, float]) -> Cluster:
    """What settings ask for of these resources.

    Raises:
        AtlasError: there are fewer GPUs than that.
    """
    n_cpus, there = max(1, int(resources.get("CPU", 0))), int(resources.get("GPU", 0))
    device, asked = settings.device, settings.num_gpus
    if asked is not None and asked > there:
        raise AtlasError(f"--num-gpus is {asked}, but Ray has {there}: ask for at most as many.")
    n_gpus = 0 if device in ("cpu", "mps") else there if asked is None else asked
    if n_gpus:
        return Cluster(ray, n_cpus, n_gpus, "cuda")  # a worker sees the one GPU it was given
    if device.startswith("cuda"):
        raise AtlasError(f"--device is {device}, but Ray has no GPU for it: use --device cpu.")
    return Cluster(ray, n_cpus, 0, "cpu" if device == "auto" else device)


def _keep_private() -> None:
    """Ray reads all this when it is imported, and one token as long as the process lives."""
    if "ray" in sys.modules and any(os.environ.get(k) != v for k, v in _PRIVATE.items()):
        raise AtlasError(
            "This process has loaded Ray already, too late to keep it to this machine: run "
            "`feature-atlas precompute` in a process of its own, or give --ray-address."
        )
    os.environ.update(_PRIVATE)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def begin(ray: Any, address: str | None, folder: str) -> None:
    """Connects to the Ray at an address, or starts one that keeps its files in a folder.

    Raises:
        AtlasError: there is none, or it can't be started.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "critical"}
    try:
        if address is None:
            ray.init(
                address="local",
                num_cpus=torch.get_num_threads(),
                include_dashboard=False,
                object_store_memory=STORE_BYTES,
                _temp_dir=folder,
                **quiet,
            )
        elif address.startswith("ray://"):
            raise AtlasError(
                f"--ray-address is {address!r}, an address for Ray's clients: run the command on a "
                "machine of the cluster, and give `auto` or an address like 10.0.0.1:6379."
            )
        else:
            _knock(address)
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = "can't be started" if address is None else f"can't be reached at {address}"
        first, *_ = str(error).strip().splitlines() or [type(error).__name__]
        raise AtlasError(f"Ray {where}: {first.rstrip('.')}.") from error


def _knock(address: str) -> None:
    """OSError where nobody listens, which Ray takes minutes to find out; `auto` it finds itself."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself; how a run is stopped is decided elsewhere."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)
