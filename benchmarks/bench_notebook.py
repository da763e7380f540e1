"""What a full notebook costs the pages: every kind of page with and without one, in turns.

Two real commands serve the same invented atlas, one without a notebook and one with labels on its
features; each address is asked of both one after the other, so that whatever else the machine does
meets both alike. The table gives the median of what a client waits for without a notebook and, for
each number of labels, with one, as a ratio of the medians, and how long the first page waits that
names features. Labels are made of few words, so that with four labels to a feature each word stands
in those of a third of all features: what a search ranks is as long as it can get. Run by
`make bench-pages`, which writes its section of RESULTS.md; `--atlas` takes an atlas made before,
`--features` the size of a new one.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from sqlalchemy import insert

from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.demo.synthetic import build_synthetic_atlas
from app.notebook import schema
from app.notebook.database import open_notebook, writing
from app.notebook.records import Label
from app.notebook.things import row_of
from benchmarks.bench_pages import ROUNDS, SAE, pages, running
from benchmarks.results import table, write_section

LABELS = (25_000, 100_000)
TEXT = (
    "first last opening closing argument parameter bracket class method module import error raise "
    "return value string number list key token line comment docstring name private public before "
    "after inside outside only mostly never self cls the of a in and or not with for while if"
)
"""Words that labels are made of"""
TITLE = "Pages with a notebook: `make bench-pages`"


def write_notebook(path: Path, atlas: Path, n_labels: int) -> None:
    """A notebook of so many labels, spread over all features, three to eight words each.

    Written as rows: a history of a hundred thousand changes is none of the pages' business.
    """
    opened = open_atlas(atlas)
    with opened.connect() as connection:
        sae = next(sae for sae in list_saes(connection) if f"/{sae.address}" == SAE).record
    opened.close()
    draw, words = random.Random(n_labels), TEXT.split()
    notebook = open_notebook(str(path))
    at = "2026-03-01T12:00:00.000Z"
    with writing(notebook) as pen:
        rows = []
        for number in range(n_labels):
            label = Label(
                uid=f"{number:032x}", version=1, author="Ada", created_at=at, changed_by="Ada",
                changed_at=at, withdrawn=False, model=sae.model, sae=sae.sae,
                feature_index=number % sae.n_features, weights_hash=sae.weights_hash,
                text=" ".join(draw.choices(words, k=draw.randint(3, 8))),
                source="bench" if number >= sae.n_features else "",
            )  # fmt: skip
            rows.append(row_of(label))
        pen.execute(insert(schema.label), rows)
        pen.execute(schema.notebook_state.update().values(counter=n_labels))
    notebook.dispose()


def searches_of_labels() -> dict[str, list[str]]:
    """Pages that only a notebook has: what they cost has nothing to be compared with."""
    words = ("argument", "first", "of", "clos*", "raise error", "return -value")
    return {
        "search, has:label and words": [f"/-/search?q=has:label+{word}" for word in words],
        "search, labels": [f"/-/search?q={word}&mode=labels" for word in words],
        "suggest, labels": [f"/-/suggest.json?q={word}" for word in ("ar", "arg", "argument")],
        "list, has label": [f"{SAE}?has=label&sort=-density"],
    }


def in_turns(
    clients: Sequence[httpx.Client], addresses: Sequence[str], rounds: int = ROUNDS
) -> list[float]:
    """The median seconds each of some servers takes for these addresses, asked in turns."""
    seconds: list[list[float]] = [[] for _ in clients]
    for address in addresses:  # what a server reads once is read now
        for client in clients:
            client.get(address).raise_for_status()
    for address in islice(cycle(addresses), rounds):
        for client, own in zip(clients, seconds, strict=True):
            start = time.perf_counter()
            client.get(address).raise_for_status()
            own.append(time.perf_counter() - start)
    return [statistics.median(own) for own in seconds]


def first_page(client: httpx.Client) -> float:
    """Seconds of the first list of a server that has just started."""
    start = time.perf_counter()
    client.get(SAE).raise_for_status()
    return time.perf_counter() - start


def compared(
    path: Path, folder: Path, n_labels: int, say: Callable[[str], None] = print
) -> tuple[dict[str, tuple[float, float]], dict[str, float], tuple[float, float]]:
    """Median seconds of every kind of page without and with a notebook of so many labels.

    Returns:
        both medians by kind; those of pages that only a notebook has; the first page of either.
    """
    place = folder / f"{n_labels}.db"
    write_notebook(place, path, n_labels)
    with running(path) as (without, _), running(path, str(place)) as (with_one, _):
        first = first_page(without), first_page(with_one)

        def ask(address: str) -> Any:
            return without.get(address).raise_for_status().json()

        found: dict[str, tuple[float, float]] = {}
        for name, addresses in pages(ask).items():
            bare, full = in_turns([without, with_one], addresses)
            found[name] = bare, full
            say(f"{n_labels} labels, {name}: {1e3 * bare:.1f} ms, {full / bare:.2f} times with")
        own = {
            name: in_turns([with_one], addresses)[0]
            for name, addresses in searches_of_labels().items()
        }
    return found, own, first


def main() -> None:
    """Builds or opens the atlas, asks, prints, writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atlas", type=Path, help=f"an atlas with {SAE.lstrip('/')}")
    parser.add_argument("--features", type=int, default=25_000)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = options.atlas or build_synthetic_atlas(
            Path(folder) / "atlas.db", n_features=options.features,
            saes=(SAE.rsplit("/", 1)[1],), events=True,
        )  # fmt: skip
        measured = {n: compared(path, Path(folder), n) for n in LABELS}
    pairs = {n: found for n, (found, _, _) in measured.items()}
    rows = [
        [name, f"{1e3 * pairs[LABELS[0]][name][0]:.1f}",
         *(f"{pairs[n][name][1] / pairs[n][name][0]:.2f}" for n in LABELS)]
        for name in pairs[LABELS[0]]
    ]  # fmt: skip
    head = ["page of 25,000 features", "p50 ms without", *(f"× with {n:,} labels" for n in LABELS)]
    own = [
        [name, *(f"{1e3 * measured[n][1][name]:.1f}" for n in LABELS)]
        for name in measured[LABELS[0]][1]
    ]
    first = [
        ["the first list after a start, without a notebook",
         *(f"{1e3 * measured[n][2][0]:.0f}" for n in LABELS)],
        ["the first list after a start, which reads all labels",
         *(f"{1e3 * measured[n][2][1]:.0f}" for n in LABELS)],
    ]  # fmt: skip
    own_head = ["pages that only a notebook has, p50 ms", *(f"{n:,} labels" for n in LABELS)]
    largest = {n: max(full / bare for bare, full in found.values()) for n, found in pairs.items()}
    said = "The largest ratio is " + ", ".join(
        f"{ratio:.2f} with {n:,} labels" for n, ratio in largest.items()
    )
    said += (
        f". Labels are made of {len(TEXT.split())} words: a search for one of them ranks thousands."
    )
    body = f"{table(head, rows)}\n\n{said}\n\n{table(own_head, [*own, *first])}"
    write_section(TITLE, body, packages=["fastapi", "sqlalchemy"])
    print(body)


if __name__ == "__main__":
    main()
