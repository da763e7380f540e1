"""Whether the job's memory grows with the corpus: its peak at three corpus sizes.

The real job in a process of its own for each size, over a small random model and dictionary; the
peak is that of the job and its workers together. Run by `make bench`; `--tokens` takes other sizes.
Writes the section "Memory" of RESULTS.md.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.given import write_given
from benchmarks.measure import Run, run_alone
from benchmarks.results import table, write_section
from benchmarks.run_job import RUN_JOB

SIZES = (2**18, 2**20, 2**22)
D_SAE = 512
L0 = 16
MODEL = {"n_layers": 2, "d_model": 64, "hook_name": "blocks.0.hook_resid_post"}
WANTED = 1.15
"""Most that the peak may grow from the second size to the last."""


def main() -> None:
    """Measures every size, prints and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=SIZES)
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    runs: dict[int, Run] = {}
    for n_tokens in options.tokens:
        runs[n_tokens] = measure(n_tokens)
        print(n_tokens, runs[n_tokens])
    body = section(runs)
    print(body)
    if not options.dry:
        write_section("Memory: `python -m benchmarks.bench_memory`", body)


def measure(n_tokens: int) -> Run:
    """The job over this many tokens."""
    with TemporaryDirectory() as folder:
        work = Path(folder)
        write_given(work, n_tokens, D_SAE, l0=L0, **MODEL)
        return run_alone([*RUN_JOB, work, work])


def section(runs: dict[int, Run]) -> str:
    """The table, and how much the last size took over the one before it."""
    rows = []
    for n_tokens, run in runs.items():
        found = json.loads(run.output)
        rows.append(
            [
                f"{n_tokens:,}",
                f"{run.peak_rss / 2**20:,.0f}",
                f"{run.peak_anonymous / 2**20:,.0f}",
                f"{found['event_bytes'] / 2**20:,.0f}",
                f"{run.cost.cpu:,.0f}",
            ]
        )
    *_, before, last = runs.values()
    growth = last.peak_rss / before.peak_rss
    return "\n\n".join(
        [
            f"The whole job without ablated text and map; {D_SAE:,} features of which {L0} fire on "
            f"a token, at {MODEL['hook_name']} of a random GPT-NeoX ({MODEL['n_layers']} layers, "
            f"d_model {MODEL['d_model']}). The job and its workers together.",
            table(["tokens", "peak RSS, MiB", "of it no files, MiB", "events, MiB", "CPU s"], rows),
            f"The last size over the one before: × {growth:.2f} "
            f"({'at' if growth <= WANTED else 'above the'} most × {WANTED} wanted).",
        ]
    )


if __name__ == "__main__":
    main()
