"""SAEDashboard and our job on one model, one dictionary and the same tokens; `make bench-peers`.

Each runs in a process of its own, the peers in an environment of their own; each peer first shows
that it computes the activations we compute. The peers work through features in batches that cost
the same, so a few batches are measured and the rest is counted in, which the table says. Writes the
section "Peers" of RESULTS.md. Works without a network.
"""

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.given import CONTEXT_SIZE, write_given
from benchmarks.made import HOOK, L0
from benchmarks.measure import Cost, Run, median, run_alone
from benchmarks.results import table, write_section
from benchmarks.run_job import RUN_JOB

HERE = Path(__file__).parent
PEERS = {
    "SAEDashboard, SaeVisRunner": ("run_sae_vis.py", 25),
    "SAEDashboard, NeuronpediaRunner": ("run_neuronpedia.py", 12),
}
"""Script, and how many times faster our job has to be."""
PEER_PACKAGES = ("sae-dashboard", "sae-lens", "transformer-lens", "torch", "numpy")
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "WANDB_MODE": "disabled"}
TITLE = "Peers: `make bench-peers`"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    cost: Cost
    peak_rss: int | None
    """bytes; of the measured part for what is extrapolated"""
    bytes_per_feature: float | None
    measured: int
    """features that were measured; the rest is extrapolated"""


def main() -> None:
    """Measures all, prints and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(".venv-peers/bin/python"))
    parser.add_argument("--tokens", type=int, default=2**18)
    parser.add_argument("--features", type=int, default=4096)
    parser.add_argument("--measured", type=int, default=512, help="features the peers run")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    measured = min(options.measured, options.features)
    with TemporaryDirectory() as folder:
        given = Path(folder) / "given"
        given.mkdir()
        write_given(given, options.tokens, options.features)
        rows, bounds = [], []
        for name, (script, _) in PEERS.items():
            bounds.append(_bound(given))
            command = [options.python.absolute(), HERE / script, given]
            rows.append(_peer(name, command, measured, options.features))
            _say(rows[-1])
        bounds.append(_bound(given))
        ours = _ours(given, options.features)
        for row in ours:
            _say(row)
        bounds.append(_bound(given))
    bound = Row("bound: forward pass and encoder", median(bounds), None, None, options.features)
    body = section(
        [bound, *ours, *rows], options.tokens, options.features, _versions(options.python)
    )
    print(body)
    if not options.dry:
        write_section(TITLE, body)


def section(rows: list[Row], n_tokens: int, n_features: int, versions: str) -> str:
    """The table and what has to be said about it; ratios are to the bound and to our job."""
    bound, stages, whole, *peers = rows
    lines = []
    for row in rows:
        lines.append(
            [
                row.name if row.measured == n_features else f"{row.name} ({row.measured:,} run)",
                f"{row.cost.wall:,.0f}",
                f"{row.cost.cpu:,.0f}",
                f"{row.cost.wall / bound.cost.wall:,.2f}",
                f"{row.cost.cpu / bound.cost.cpu:,.2f}",
                "" if row.peak_rss is None else f"{row.peak_rss / 2**20:,.0f}",
                "" if row.bytes_per_feature is None else f"{row.bytes_per_feature / 1024:,.1f}",
            ]
        )
    head = ["", "wall s", "CPU s", "× bound, wall", "× bound, CPU", "peak RSS, MiB", "KiB/feature"]
    ratios = [
        [
            peer.name,
            f"{peer.cost.wall / ours.cost.wall:,.1f}",
            f"{peer.cost.cpu / ours.cost.cpu:,.1f}",
            str(PEERS[peer.name][1]),
        ]
        for ours in (stages, whole)
        for peer in peers
    ]
    for index, line in enumerate(ratios):
        line[0] += " / events + statistics" if index < len(peers) else " / whole job"
    return "\n\n".join(
        [
            f"{n_features:,} features ({L0} fire on a token) at `{HOOK}` of a random GPT-NeoX (6 "
            f"layers, d_model 256, 4,096 tokens), {n_tokens:,} tokens in contexts of "
            f"{CONTEXT_SIZE}. The peers: {versions}, at their defaults; both compute the "
            "activations we compute, checked on the first context. They work through features in "
            "batches, each at the same cost: batches of as many features as the table says were "
            "run, the other batches are counted as the mean of those after the first. Their peak "
            "memory is that of the part that was run. Our job ran whole, without ablated text and "
            "map of directions, which the peers don't have; its bytes are the atlas with its "
            "decoder rows, without its event files.",
            table(head, lines),
            table(["peer / ours", "wall", "CPU", "wanted"], ratios),
        ]
    )


def extrapolated(costs: list[Cost], n_batches: int) -> Cost:
    """The cost of `n_batches`: the first as it is, each other as the mean of those measured after.

    The first holds what is done once.
    """
    first, later = costs[0], costs[1:] or costs
    n_more = n_batches - 1
    return Cost(
        first.cpu + n_more * statistics.fmean(cost.cpu for cost in later),
        first.wall + n_more * statistics.fmean(cost.wall for cost in later),
    )


def _peer(name: str, command: list[Path], measured: int, n_features: int) -> Row:
    with TemporaryDirectory() as folder:
        run = run_alone([*command, folder, str(measured)], Path(folder), OFFLINE)
    found = _last_line(run)
    costs = [Cost(**cost) for cost in found["costs"]]
    return Row(
        name,
        extrapolated(costs, n_features // found["batch"]),
        run.peak_rss,
        found["bytes"] / measured,
        measured,
    )


def _ours(given: Path, n_features: int) -> list[Row]:
    with TemporaryDirectory() as folder:
        run = run_alone([*RUN_JOB, given, folder])
    found = _last_line(run)
    stages = {name: Cost(**cost) for name, cost in found["stages"].items()}
    parts = [stages["events"], stages["statistics"]]
    both = Cost(sum(cost.cpu for cost in parts), sum(cost.wall for cost in parts))
    per_feature = found["bytes"] / n_features
    return [
        Row("our job: events + statistics", both, None, None, n_features),
        Row("our job: whole", stages["whole"], run.peak_rss, per_feature, n_features),
    ]


def _bound(given: Path) -> Cost:
    found = _last_line(run_alone([sys.executable, "-m", "benchmarks.run_bound", given]))
    print(found, flush=True)
    return Cost(found["cpu"], found["wall"])


def _last_line(run: Run) -> dict:
    return json.loads(run.output.strip().splitlines()[-1])


def _versions(python: Path) -> str:
    code = (
        "from importlib.metadata import version\n"
        f"print(', '.join(f'{{name}} {{version(name)}}' for name in {PEER_PACKAGES!r}))"
    )
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def _say(row: Row) -> None:
    print(row, flush=True)


if __name__ == "__main__":
    main()
