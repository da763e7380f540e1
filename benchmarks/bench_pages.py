"""How long the server takes for its pages, on an invented atlas of 25,000 features.

Every page is asked for over HTTP on this machine, many different ones of each kind in turn; the
table gives milliseconds at the median and the 99th percentile and the size of the answer. Run by
`make bench-pages`; `--atlas` takes an atlas made before, `--features` the size of a new one. Writes
the section "Pages" of RESULTS.md.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from app.db.schema import SORTABLE
from app.demo.synthetic import build_synthetic_atlas
from benchmarks.results import table, write_section

ROUNDS = 100
SAE = "/synthetic/resid-25k"


def pages(n_features: int) -> dict[str, list[str]]:
    """Addresses of each kind of page."""
    indices = [(7919 * i) % n_features for i in range(ROUNDS)]
    words = ("self", "def", "return", "the", "b", "s")
    return {
        "index": ["/"],
        "dictionary": [SAE, f"{SAE}?sort=-max_activation", f"{SAE}?sort=run_length"],
        "list, two filters": [f"{SAE}?density=0.1%25..1%25&top_token_share=50%25..&sort=-density"],
        "list, any column": [f"{SAE}?sort={way}{name}" for name in SORTABLE for way in ("", "-")],
        "list, many filters": [
            f"{SAE}?density=0.1%25..&top_token_share=5%25..&context_share=..90%25"
            f"&lives_as=point&dead=no&max_activation=1..&sort={name}"
            for name in SORTABLE
        ],
        "list, by text": [f"{SAE}?contains={word}&sort=-run_length" for word in words],
        "list, by top token": [f"{SAE}?top_token=self&sort=max_activation"],
        "search, all rankings": [f"/-/search?q={word}" for word in words],
        "search, fires": [f"/-/search?q={word}&mode=fires" for word in words],
        "search, phrase": [f"/-/search?q=%22{q}%22" for q in ("raise+ValueError", "return+self")],
        "search, prefix": [f"/-/search?q={word}*" for word in ("re", "def", "val")],
        "search, combination": [f"/-/search?q={q}" for q in ("self+def", "self+-def", "the+-of")],
        "search, examples": [f"/-/search?q={word}&mode=examples" for word in words],
        "suggest": [f"/-/suggest.json?q={q}" for q in ("s", "se", "self", "raise+Val", "%2312")],
        "search, promotes": [f"/-/search?q={word}&mode=promotes" for word in words],
        "feature": [f"{SAE}/{i}" for i in indices],
        "feature, JSON": [f"{SAE}/{i}.json" for i in indices],
    }


def main() -> None:
    """Builds or opens the atlas, asks, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atlas", type=Path, help=f"an atlas with {SAE.lstrip('/')}")
    parser.add_argument("--features", type=int, default=25_000)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = options.atlas or build_synthetic_atlas(
            Path(folder) / "atlas.db", n_features=options.features, saes=("resid-25k",)
        )
        with running(path) as client:
            sae = client.get(f"{SAE}.json?size=1").raise_for_status().json()
            rows = []
            for name, addresses in pages(sae["d_sae"]).items():
                rows.append(measure(client, name, addresses))
                print(*rows[-1], flush=True)
    head = [f"page of {sae['d_sae']:,} features", "p50 ms", "p99 ms", "KB"]
    times = "Times are a client's, over HTTP on the same machine, from the real command."
    body = f"{table(head, rows)}\n\n{times}"
    write_section("Pages: `make bench-pages`", body, packages=["fastapi", "sqlalchemy"])


def measure(client: httpx.Client, name: str, addresses: list[str]) -> list[str]:
    """One row of the table."""
    seconds, size = [], 0
    for address in addresses:  # what a server reads once is read now
        client.get(address).raise_for_status()
    for address in islice(cycle(addresses), ROUNDS):
        start = time.perf_counter()
        answer = client.get(address)
        seconds.append(time.perf_counter() - start)
        size = max(size, len(answer.content))
    p99 = statistics.quantiles(seconds, n=100)[98]
    median = statistics.median(seconds)
    return [name, f"{1e3 * median:.1f}", f"{1e3 * p99:.1f}", f"{size / 1024:.0f}"]


@contextmanager
def running(path: Path) -> Iterator[httpx.Client]:
    """The real command serving the atlas on a free port, and a client of it."""
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve", str(path)]
    with subprocess.Popen([*command, "--port", "0"], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        address = server.stderr.readline().split()[-1]
        try:
            with httpx.Client(base_url=address, timeout=30) as client:
                yield client
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
