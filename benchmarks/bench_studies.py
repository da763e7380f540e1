"""What each study of a dictionary costs, as a ratio to the events stage of the same run.

One run of the whole job over the bundled model and its three dictionaries; the tokens of forward
pass are those the job names before it starts. `--tokens` takes another size. Without `--ablated`
there is no ablated text, which the study "combined" takes its examples from: it costs nothing then.
Writes the section "Studies" of RESULTS.md.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from app.demo.build import demo_documents, demo_settings
from app.precompute.pipeline import run
from app.precompute.studies.catalog import NAMES
from benchmarks.measure import Cost
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
    how = "with" if options.ablated else "without"
    body = section(reporter.costs, reporter.prices, options.tokens, len(settings.sae), how)
    print(body)
    if not options.dry:
        command = "python -m benchmarks.bench_studies" + " --ablated" * options.ablated
        write_section(f"Studies: `{command}`", body)


def section(
    costs: dict[str, Cost], prices: dict[str, str], n_tokens: int, n_saes: int, how: str
) -> str:
    """The table: every study, then all together."""
    events, none = costs["events"], Cost(0.0, 0.0)
    found = [(name, costs.get(name, none), prices.get(name, "")) for name in NAMES]
    whole = sum((cost for _, cost, _ in found), none)
    rows = [
        [name, f"{cost.cpu:,.1f}", f"{cost.cpu / events.cpu:.2f}", price]
        for name, cost, price in [("events", events, ""), *found, ("all studies", whole, "")]
    ]
    return "\n\n".join(
        [
            f"The bundled model over {n_tokens:,} tokens, {n_saes} dictionaries in one run, "
            f"{how} ablated text. Ratios are to the CPU time of the stage that runs the corpus "
            "through the model and spills the events.",
            table(["stage", "CPU s", "× events", "named before it starts"], rows),
        ]
    )


if __name__ == "__main__":
    main()
