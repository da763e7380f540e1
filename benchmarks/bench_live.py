"""What a live model under full load costs everybody else: the same pages, with and without it.

A server with the bundled model runs as a user's would (`serve --live`). One reader asks for pages
of the atlas one after the other; first alone, then while 32 clients keep the model busy with texts,
ablations and steering, asking again as soon as they are answered. Alternating rounds, so that
whatever else the machine does falls on both. The table gives what the reader waits for at the
median and the 99th percentile, and the ratio; the bound is 1.5. Run by itself, with `--atlas` for
an atlas made before (`feature-atlas demo`).
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.results import table, write_section

BOUND = 1.5
CLIENTS = 32
ROUNDS = 6
"""of each kind, alternating"""
PAGES_A_ROUND = 250
MODEL = Path(__file__).parent.parent / "app" / "demo" / "model"
DICTIONARY = Path(__file__).parent.parent / "app" / "demo" / "dictionaries" / "resid-2-1k"
SAE = "pystdlib-3m/resid-2-1k"
TEXT = "class Reader:\n    def __init__(self, path):\n        self.path = path\n" * 6


def main() -> None:
    """Measures and writes the section "A live model under load" of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atlas", type=Path, help=f"one that holds {SAE}")
    parser.add_argument("--load", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.load:
        load(asked.load)
        return
    with TemporaryDirectory() as folder:
        atlas = asked.atlas or build(Path(folder) / "atlas.db")
        with serving(atlas) as address:
            found = measure(address)
    alone, loaded, answered = found
    rows = [
        [name, f"{a:.1f}", f"{b:.1f}", f"{b / a:.2f}"]
        for name, a, b in zip(("median", "99th percentile"), alone, loaded, strict=True)
    ]
    ratio = loaded[1] / alone[1]
    body = table(["a page, ms", "alone", "under live load", "ratio"], rows)
    body += (
        f"\n\n{CLIENTS} clients of the model at once, {answered:.0f} of their requests answered a "
        f"second; {ROUNDS * PAGES_A_ROUND:,} pages each way. Bound on the ratio at the 99th "
        f"percentile: {BOUND}; {'kept' if ratio <= BOUND else 'NOT KEPT'}."
    )
    write_section("A live model under load (`python -m benchmarks.bench_live`)", body)
    print(body)
    sys.exit(ratio > BOUND)


def build(path: Path) -> Path:
    """A small atlas of the bundled model and one of its dictionaries."""
    from app.demo.build import demo_documents, demo_settings
    from app.precompute.pipeline import run

    changes = {"sae": [DICTIONARY], "name": [SAE], "max_tokens": 65_536}
    run(demo_settings(path).model_copy(update=changes), documents=demo_documents())
    return path


@contextmanager
def serving(atlas: Path) -> Iterator[str]:
    """The address of a live server, once it answers."""
    port = 8571
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve", str(atlas)]
    command += ["--port", str(port), "--notebook", "off", "--live"]
    command += ["--model", str(MODEL), "--sae", str(DICTIONARY)]
    server = subprocess.Popen(command, env=os.environ | {"FEATURE_ATLAS_REQUESTS_PER_SECOND": "0"})
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                httpx.get(f"{address}/-/health")
                break
            except httpx.ConnectError:
                assert server.poll() is None and time.monotonic() < deadline, "no server"
                time.sleep(0.2)
        yield address
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def measure(address: str) -> tuple[list[float], list[float], float]:
    """((median, p99) alone, the same under load, live answers a second)."""
    alone: list[float] = []
    loaded: list[float] = []
    rates = []
    with httpx.Client(base_url=address) as client:
        paths = [f"/{SAE}/{(7919 * i) % 1024}" for i in range(PAGES_A_ROUND)]
        paths[::5] = [f"/{SAE}?sort=-max_activation"] * len(paths[::5])
        paths[1::5] = ["/-/search?q=self"] * len(paths[1::5])
        read(client, paths)  # what is read once is read
        for _ in range(ROUNDS):
            alone += read(client, paths)
            with loading(address) as loader:
                time.sleep(2)
                loaded += read(client, paths)
            rates.append(float(loader["rate"]))
    return _quantiles(alone), _quantiles(loaded), statistics.mean(rates)


def read(client: httpx.Client, paths: Sequence[str]) -> list[float]:
    """Milliseconds of each page."""
    taken = []
    for path in paths:
        started = time.perf_counter()
        answer = client.get(path)
        taken.append(1000 * (time.perf_counter() - started))
        assert answer.status_code == 200, answer.text
    return taken


@contextmanager
def loading(address: str) -> Iterator[dict[str, Any]]:
    """Clients in a process of their own, which stands for machines elsewhere: it yields."""
    command = [sys.executable, "-m", "benchmarks.bench_live", "--load", address]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    found: dict[str, Any] = {}
    assert process.stdout is not None and process.stdin is not None
    process.stdout.readline()  # it has begun
    try:
        yield found
    finally:
        process.stdin.close()
        found["rate"] = process.stdout.readline()
        process.wait(60)


def load(address: str) -> None:
    """Asks until its input ends, then prints how many answers came a second."""
    import asyncio

    os.nice(15)

    async def ask(client: httpx.AsyncClient, which: int, done: list[int]) -> None:
        bodies = [
            ("activations", {"text": TEXT, "sae": SAE, "features": [which]}),
            ("ablation", {"text": TEXT, "sae": SAE, "feature_index": which}),
            ("top", {"text": TEXT, "saes": [SAE]}),
            (
                "steer",
                {
                    "text": TEXT,
                    "n_tokens": 16,
                    "changes": [{"sae": SAE, "feature_index": which, "strength": 5}],
                },
            ),
        ]
        for turn in range(10**9):
            kind, body = bodies[(which + turn) % len(bodies)]
            answer = await client.post(f"/-/live/{kind}.json", json=body)
            assert answer.status_code == 200, answer.text
            done.append(which)

    async def ask_all() -> None:
        done: list[int] = []
        limits = httpx.Limits(max_connections=CLIENTS)
        async with httpx.AsyncClient(base_url=address, limits=limits, timeout=120) as client:
            tasks = [asyncio.create_task(ask(client, i, done)) for i in range(CLIENTS)]
            started = time.monotonic()
            print("begun", flush=True)
            await asyncio.to_thread(sys.stdin.read)
            print(len(done) / (time.monotonic() - started), flush=True)
            for task in tasks:
                task.cancel()

    asyncio.run(ask_all())


def _quantiles(taken: Sequence[float]) -> list[float]:
    cuts = statistics.quantiles(taken, n=100)
    return [statistics.median(taken), cuts[98]]


if __name__ == "__main__":
    main()
