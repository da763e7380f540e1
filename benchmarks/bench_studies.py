"""What each study of a dictionary costs, as a ratio to the events stage of the same run.

One run of the whole job over the bundled model and its three dictionaries. The tokens of forward
pass are those the job names before it starts, an upper bound; what a token of plain forward pass
costs is measured in the same process, so that the last row is what the studies cost besides the
passes they name. Connections go back through layers as well: of their tokens that is not taken off.
`--tokens` takes another size of corpus. Without `--ablated` there is no ablated text, which the
study "combined" takes its examples from: it costs nothing then. Writes the section "Studies" of
RESULTS.md.
"""

import argparse
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from app.demo.build import demo_documents, demo_settings
from app.precompute.model.language_model import LanguageModel
from app.precompute.pipeline import run
from app.precompute.studies.catalog import NAMES
from benchmarks.measure import Cost, cost_of, median
from benchmarks.results import table, write_section
from benchmarks.run_job import CountingReporter

N_TOKENS = 2**18
WITHOUT = {"ablation_examples": 0, "ablation_interval_examples": 0, "context_examples": 0}


class ListeningReporter(CountingReporter):
    """Keeps the price each study names as well."""

    def __init__(self) -> None:
        super().__init__()
        self.prices: dict[str, str] = {}

    def say(self, sentence: str) -> None:
        """As a reporter's."""
        super().say(sentence)
        name, _, price = sentence.removeprefix("Study ").partition(": ")
        if name in NAMES:
            self.prices[name] = price.rpartition(" (--skip")[0]


def main() -> None:
    """Runs the job, prints and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=N_TOKENS)
    parser.add_argument("--ablated", action="store_true", help="with the demo's ablated text")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    reporter = ListeningReporter()
    with TemporaryDirectory() as folder:
        settings = demo_settings(Path(folder) / "atlas.db")
        left_out = {} if options.ablated else WITHOUT
        settings = settings.model_copy(update={**left_out, "max_tokens": options.tokens})
        run(settings, documents=demo_documents(), reporter=reporter)
    forward = forward_seconds(settings.model)
    how = "with" if options.ablated else "without"
    body = section(reporter.costs, reporter.prices, forward, options.tokens, len(settings.sae), how)
    print(body)
    if not options.dry:
        command = "python -m benchmarks.bench_studies" + " --ablated" * options.ablated
        write_section(f"Studies: `{command}`", body)


def forward_seconds(folder: str) -> float:
    """CPU seconds one token of a plain pass to the logits costs, in batches of 32 contexts."""
    model = LanguageModel.load(folder, "cpu", "float32")
    ids = torch.randint(model.d_vocab, (32, 128), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        model.logits(ids)
        return median([cost_of(lambda: model.logits(ids)) for _ in range(9)]).cpu / ids.numel()


def section(
    costs: dict[str, Cost],
    prices: dict[str, str],
    forward: float,
    n_tokens: int,
    n_saes: int,
    how: str,
) -> str:
    """The table: every study, then all together, then what is left without the named passes."""
    events, none = costs["events"].cpu, Cost(0.0, 0.0)
    cpu = {name: costs.get(name, none).cpu for name in NAMES}
    named = {name: _n_tokens(prices.get(name, "")) if cpu[name] else 0 for name in NAMES}
    besides = sum(max(cpu[name] - forward * named[name], 0.0) for name in NAMES)
    stages = [
        ("events", events, n_tokens),
        *((name, cpu[name], named[name]) for name in NAMES),
        ("all studies", sum(cpu.values()), sum(named.values())),
    ]
    rows = [
        [name, f"{seconds:,.1f}", f"{seconds / events:.2f}", *_beside(seconds, n, forward)]
        for name, seconds, n in stages
    ]
    rows.append(["besides the passes named", f"{besides:,.1f}", f"{besides / events:.2f}", "", ""])
    return "\n\n".join(
        [
            f"The bundled model over {n_tokens:,} tokens, {n_saes} dictionaries in one run, "
            f"{how} ablated text. Ratios are to the CPU time of the stage that runs the corpus "
            "through the model and spills the events; in the last column to a plain pass over the "
            "tokens named. Bound on the last row: 1.",
            table(
                ["stage", "CPU s", "× events", "tokens of forward pass named", "× those passes"],
                rows,
            ),
        ]
    )


def _beside(seconds: float, n: int, forward: float) -> tuple[str, str]:
    return (f"{n:,}", f"{seconds / (forward * n):.2f}") if n else ("", "")


def _n_tokens(price: str) -> int:
    found = re.match(r"([\d,]+) tokens of forward pass", price)
    return int(found[1].replace(",", "")) if found else 0


if __name__ == "__main__":
    main()
