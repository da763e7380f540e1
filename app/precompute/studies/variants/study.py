"""The study "variants": the figures other tools print, for the same dictionaries.

They differ from this project's by formula, by which tokens count and by taking batch by batch; here
they are computed as those tools do, on the contexts the cross-entropies are measured on. A piece is
one batch, of all dictionaries. `app/stats/variants.py` has the formulas.
"""

from app.precompute.drivers.driver import Piece, Task
from app.precompute.preparation import Run
from app.precompute.quality import stretches
from app.precompute.studies.catalog import VARIANTS
from app.precompute.studies.study import Harvest, Price, Study
from app.precompute.studies.variants.batch import Batch
from app.precompute.studies.variants.measure import measure_batch
from app.precompute.studies.variants.record import variants_record
from app.precompute.workplace.findings import Findings

CONTEXTS_A_BATCH = 8
"""What those tools average over batches depends on their size; SAELens' own is 8."""


def price(run: Run) -> Price:
    """A clean pass of the sample, one for each hook, one for each dictionary."""
    n_contexts = min(run.job.settings.variant_contexts, run.corpus.n_contexts)
    hooks = {target.output_hook for target in run.targets}
    n_passes = 1 + len(hooks) + len(run.targets)
    words = f"{n_contexts:,} contexts, {n_passes} times: clean, zeroed and with each dictionary"
    return Price(n_contexts * run.corpus.context_size * n_passes, words)


def pieces(run: Run, _findings: Findings) -> list[Piece]:
    """One for each batch; none where no context is asked for."""
    return [
        Piece((VARIANTS.name,), f"{number:06d}", len(stretch.context_ids), stretch)
        for number, stretch in enumerate(
            stretches(run, run.job.settings.variant_contexts, CONTEXTS_A_BATCH)
        )
    ]


def harvest(run: Run, findings: Findings) -> Harvest:
    """A record for each dictionary; none where no context was asked for."""
    batches: list[Batch] = list(findings.of(VARIANTS.name))
    if not batches:
        return Harvest()
    return Harvest(
        of_dictionaries={
            target.sae: variants_record(batches, target.sae, target.output_hook, CONTEXTS_A_BATCH)
            for target in run.targets
        }
    )


STUDY = Study(VARIANTS, "contexts", Task(measure_batch, "model"), price, pieces, harvest)
