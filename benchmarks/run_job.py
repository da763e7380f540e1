"""The real job over given files, in a process of its own: prints what each stage cost, as JSON.

Takes the folder of `given` and a folder to write to; runs `pipeline.run` as the command line does,
without the stages that `OFF` names. A stage's CPU seconds hold those of workers it has waited for.
Prints {"stages": {name: {"cpu", "wall"}}, "bytes", "event_bytes"}: of the atlas with its decoder
rows, of its events.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.db.directions import decoders_folder
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import NAMES as STUDIES
from app.stats.event_places import events_folder
from benchmarks.given import Given
from benchmarks.measure import Cost, begin, cost_of

RUN_JOB = (sys.executable, "-c", "from benchmarks.run_job import main; main()")
"""The command; its arguments are the two folders. Not `-m`: a module that is run is imported again
by every worker process, which the installed command's workers don't do."""

OFF: dict[str, Any] = {
    "ablation_examples": 0,
    "ablation_interval_examples": 0,
    "context_examples": 0,
    "direction_map": "none",
    "verify": False,
    "skip": list(STUDIES),
}
"""Ablated text and studies have benchmarks of their own, and no peer has them; random dictionaries
explain nothing, which the job would refuse."""


class CountingReporter(Reporter):
    """A reporter that keeps what every stage cost."""

    def __init__(self) -> None:
        super().__init__()
        self.costs: dict[str, Cost] = {}

    @contextmanager
    def stage(
        self, name: str, total: int | None, unit: str, tokens: int = 0
    ) -> Iterator[Callable[[int], None]]:
        """As a reporter's; a stage entered twice adds up."""
        found = begin()
        with super().stage(name, total, unit, tokens) as advance:
            yield advance
        cost, before = found(), self.costs.get(name, Cost(0.0, 0.0))
        self.costs[name] = before + cost


def main() -> None:
    """Runs, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("given", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    given, atlas = Given(options.given), options.output / "atlas.db"
    settings = PrecomputeSettings(
        model=str(given.model),
        sae=[str(given.dictionary)],
        name=["made/given"],
        corpus=str(given.tokens),
        output=atlas,
        **OFF,
    )
    reporter = CountingReporter()
    whole = cost_of(lambda: run(settings, reporter=reporter))
    stages = {**reporter.costs, "whole": whole}
    print(
        json.dumps(
            {
                "stages": {name: vars(cost) for name, cost in stages.items()},
                "bytes": atlas.stat().st_size + _size(decoders_folder(atlas)),
                "event_bytes": _size(events_folder(atlas)),
            }
        )
    )


def _size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
