"""The study "norms": how long the activations at a dictionary's hook are, and what outliers do.

The hook is the one it reconstructs: of a transcoder that which it writes.

Reads what the events stage left beside the events; a piece is one dictionary. The unembedding's
norms are added when the records are made. No forward pass, no sample.
"""

from dataclasses import dataclass

from app.precompute.drivers.driver import Piece, Task
from app.precompute.job import Job
from app.precompute.preparation import Run
from app.precompute.studies.catalog import NORMS
from app.precompute.studies.norms.record import norms_record
from app.precompute.studies.study import Harvest, Price, Study
from app.precompute.workplace.findings import Findings
from app.stats.corpus import Corpus
from app.stats.events import EventStore
from app.stats.norms import HookNorms, hook_norms
from app.stats.reconstruction import TokenSquares


@dataclass(frozen=True)
class Measured:
    """The norms a dictionary reads."""

    sae: str
    norms: HookNorms


def measure(job: Job, sae: str) -> Measured:
    """One dictionary. Memory: one shard's squares, some numbers for each token id."""
    store, corpus = EventStore.open(job.events_folder(sae)), Corpus.open(job.corpus_folder)
    squares = TokenSquares.open(store.folder, len(store.shards))
    return Measured(sae, hook_norms(squares, corpus))


def price(run: Run) -> Price:
    """No forward pass."""
    n_bytes = 12 * run.corpus.tokens.size
    return Price(0, f"no forward pass; reads {n_bytes / 1e6:,.0f} MB of each dictionary")


def pieces(run: Run, _findings: Findings) -> list[Piece]:
    """One for each dictionary."""
    return [Piece((NORMS.name,), sae, 1, sae) for sae in run.job.saes]


def harvest(run: Run, findings: Findings) -> Harvest:
    """A record for each dictionary."""
    columns = run.language_model.W_U.detach().float().norm(dim=0).cpu().numpy()
    producible = run.vocabulary.producible
    return Harvest(
        of_dictionaries={
            found.sae: norms_record(
                found.norms, target.output_hook, target.d_out, columns, producible
            )
            for found in findings.of(NORMS.name)
            for target in [run.target(found.sae)]
        }
    )


STUDY = Study(NORMS, "dictionaries", Task(measure, "events"), price, pieces, harvest)
