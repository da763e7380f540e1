"""How long the server takes for its pages, on an invented atlas of 25,000 features.

Every page is asked for over HTTP on this machine, many different ones of each kind in turn. The
table gives what a client waits for (milliseconds at the median and the 99th percentile), what the
server computes for it (milliseconds of processor time for each answer, which other work on the
machine changes less; "–" where the system doesn't tell) and the size of the largest answer. Run
by `make bench-pages`, which writes the section "Pages" of RESULTS.md; `--atlas` takes an atlas
made before, `--features` the size of a new one.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from app.db.schema import SORTABLE
from app.demo.synthetic import build_synthetic_atlas
from benchmarks.results import table, write_section

ROUNDS = 100
SAE = "/synthetic/resid-25k"
GROUPS = ("top", "interval", "quantile", "silent", "near")


def pages(ask: Callable[[str], Any]) -> dict[str, list[str]]:
    """Addresses of each kind of page.

    Args:
        ask: gives the JSON of an address, for what differs from feature to feature.
    """
    n_features = ask(f"{SAE}.json?size=1")["d_sae"]
    indices = [(7919 * i) % n_features for i in range(ROUNDS)]
    return dictionary_pages() | search_pages() | feature_pages(ask, indices) | other_pages(indices)


def dictionary_pages() -> dict[str, list[str]]:
    """The index, and a dictionary's list under many views."""
    words = ("self", "def", "return", "the", "b", "s")
    return {
        "index": ["/"],
        "dictionary": [SAE, f"{SAE}?sort=-max_activation", f"{SAE}?sort=run_length"],
        "dictionary, scatter of other columns": [
            f"{SAE}?x={x}&y={y}&sort=-{x}" for x, y in pairwise(SORTABLE)
        ],
        "list, two filters": [f"{SAE}?density=0.1%25..1%25&top_token_share=50%25..&sort=-density"],
        "list, any column": [f"{SAE}?sort={way}{name}" for name in SORTABLE for way in ("", "-")],
        "list, many filters": [
            f"{SAE}?density=0.1%25..&top_token_share=5%25..&context_share=..90%25"
            f"&lives_as=point&dead=no&max_activation=1..&sort={name}"
            for name in SORTABLE
        ],
        "list, by text": [f"{SAE}?contains={word}&sort=-run_length" for word in words],
        "list, by top token": [f"{SAE}?top_token=self&sort=max_activation"],
        "points of the scatter, JSON": [
            f"{SAE}/points.json?x=density&y={name}" for name in SORTABLE
        ],
    }


def search_pages() -> dict[str, list[str]]:
    """Search in every kind, and what it suggests."""
    words = ("self", "def", "return", "the", "b", "s")
    return {
        "search, all rankings": [f"/-/search?q={word}" for word in words],
        "search, fires": [f"/-/search?q={word}&mode=fires" for word in words],
        "search, phrase": [f"/-/search?q=%22{q}%22" for q in ("raise+ValueError", "return+self")],
        "search, prefix": [f"/-/search?q={word}*" for word in ("re", "def", "val")],
        "search, combination": [f"/-/search?q={q}" for q in ("self+def", "self+-def", "the+-of")],
        "search, examples": [f"/-/search?q={word}&mode=examples" for word in words],
        "suggest": [f"/-/suggest.json?q={q}" for q in ("s", "se", "self", "raise+Val", "%2312")],
        "search, promotes": [f"/-/search?q={word}&mode=promotes" for word in words],
    }


def feature_pages(ask: Callable[[str], Any], indices: list[int]) -> dict[str, list[str]]:
    """The page of a feature in its views."""
    histograms = {i: ask(f"{SAE}/{i}.json")["activation_histogram"] for i in indices}
    living = [i for i in indices if histograms[i] is not None]
    views = {
        "": "",
        ", delete and replace": "?ablation=both",
        ", whole contexts": "?window=whole",
        **{f", {group} examples": f"?group={group}" for group in GROUPS},
        ", an example opened": "?example=top-1",
        ", a reading tested": "?reading=self+with+def+within+12+before",
    }
    bands = []
    for i in living:
        edges = histograms[i]["edges"]
        bands.append(f"{SAE}/{i}?band={edges[1]:.6g}..{edges[len(edges) // 2]:.6g}")
    return {
        **{f"feature{name}": [f"{SAE}/{i}{view}" for i in living] for name, view in views.items()},
        "feature, a band": bands,
        "feature, JSON": [f"{SAE}/{i}.json" for i in indices],
    }


def other_pages(indices: list[int]) -> dict[str, list[str]]:
    """Contexts, comparisons and the map."""
    compared = list(zip(indices[:-2], indices[1:-1], indices[2:], strict=True))
    return {
        "context": [f"{SAE}/context/{i}" for i in range(48)],
        "compare, two": [f"{SAE}/compare?features={a},{b}" for a, b, _ in compared],
        "compare, three": [f"{SAE}/compare?features={a},{b},{c}" for a, b, c in compared],
        "map": [f"{SAE}/map"],
        "points of the map, JSON": [f"{SAE}/points.json?x=map_x&y=map_y&color=density"],
    }


def main() -> None:
    """Builds or opens the atlas, asks, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--atlas", type=Path, help=f"an atlas with {SAE.lstrip('/')}, its events beside it"
    )
    parser.add_argument("--features", type=int, default=25_000)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = options.atlas or build_synthetic_atlas(
            Path(folder) / "atlas.db",
            n_features=options.features,
            saes=(SAE.rsplit("/", 1)[1],),
            events=True,
        )
        with running(path) as (client, server):

            def ask(address: str) -> Any:
                return client.get(address).raise_for_status().json()

            d_sae = ask(f"{SAE}.json?size=1")["d_sae"]
            rows = []
            for name, addresses in pages(ask).items():
                rows.append(measure(client, server, name, addresses))
                print(*rows[-1], flush=True)
    head = [f"page of {d_sae:,} features", "p50 ms", "p99 ms", "CPU ms", "KB"]
    times = "p50 and p99 are a client's, over HTTP on the same machine, from the real command."
    body = f"{table(head, rows)}\n\n{times}"
    write_section("Pages: `make bench-pages`", body, packages=["fastapi", "sqlalchemy"])


def measure(client: httpx.Client, server: int, name: str, addresses: list[str]) -> list[str]:
    """One row of the table.

    Args:
        server: number of its process.
    """
    seconds, size = [], 0
    for address in addresses:  # what a server reads once is read now
        client.get(address).raise_for_status()
    before = processor_seconds(server)
    for address in islice(cycle(addresses), ROUNDS):
        start = time.perf_counter()
        answer = client.get(address)
        seconds.append(time.perf_counter() - start)
        size = max(size, len(answer.content))
    after = processor_seconds(server)
    computed = "–"
    if before is not None and after is not None:
        computed = f"{1e3 * (after - before) / ROUNDS:.1f}"
    p99 = statistics.quantiles(seconds, n=100)[98]
    median = statistics.median(seconds)
    return [name, f"{1e3 * median:.1f}", f"{1e3 * p99:.1f}", computed, f"{size / 1024:.0f}"]


def processor_seconds(process: int) -> float | None:
    """Time a process has computed so far, all its threads together; None where no /proc tells."""
    try:
        said = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    fields = said.rsplit(")", 1)[1].split()  # the name before may hold spaces
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(path: Path, notebook: str = "off") -> Iterator[tuple[httpx.Client, int]]:
    """The real command serving the atlas on a free port: a client of it and its process."""
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve", str(path)]
    options = ["--port", "0", "--notebook", notebook]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        address = server.stderr.readline().split()[-1]
        try:
            with httpx.Client(base_url=address, timeout=30) as client:
                yield client, server.pid
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
