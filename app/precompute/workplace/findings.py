"""Reading what stages found: the results of finished pieces, from the workplace.

Takes the ledger's word for what is there. Knows the files' names and the order of pieces, no stage.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from app.db.records import ExampleGroup, Group
from app.errors import AtlasError
from app.precompute.job import Job
from app.precompute.panels import range_examples
from app.precompute.ranges.describe import RangeStatistics
from app.precompute.workplace import result_file, seals
from app.precompute.workplace.ledger import Ledger
from app.precompute.workplace.stage_recipes import stage_name


class Findings:
    """The results of one run."""

    def __init__(self, job: Job, ledger: Ledger) -> None:
        self._job = job
        self._ledger = ledger

    def of(self, stage: str) -> Iterator[Any]:
        """What every finished piece of a stage found, in the order of the pieces' names.

        Raises:
            AtlasError: a file is not what was written.
        """
        for piece, sealed in sorted(self._ledger.finished(stage).items()):
            fault = seals.damage(self._job.folder, sealed)
            if fault:
                raise AtlasError(
                    f"In {self._job.folder} {fault}: run the same command again to make it anew."
                )
            yield result_file.load(self._job.result(stage, piece))

    def single(self, stage: str) -> Any:
        """What the one piece of a stage found."""
        (found,) = self.of(stage)
        return found

    def ranges(self, sae: str) -> Iterator[RangeStatistics]:
        """The statistics of a dictionary's features, range by range, in feature order."""
        yield from self.of(stage_name("statistics", sae))

    def examples(
        self, saes: Sequence[str], groups: Sequence[Group]
    ) -> Iterator[tuple[str, int, Group, ExampleGroup]]:
        """(dictionary, feature_index, group, examples) of these groups, in feature order."""
        for sae in saes:
            for found in self.ranges(sae):
                columns = [range_examples(found, group) for group in groups]
                for row, listed in enumerate(zip(*columns, strict=True)):
                    for group, examples in zip(groups, listed, strict=True):
                        if examples is not None:
                            yield sae, found.first + row, group, examples
