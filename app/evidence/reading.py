"""What a reading scores on a feature: the evidence a label keeps. Knows no page and no form."""

from app.evidence.event_files import SaeEvents
from app.notebook.records import Evidence
from app.stats.reading.grammar import parse
from app.stats.reading.ground import Ground
from app.stats.reading.matching import Matcher
from app.stats.reading.score import score_reading


def evidence_of(
    reading: str, events: SaeEvents, ground: Ground, feature_index: int, corpus_hash: str
) -> Evidence:
    """A reading held against every firing on the ground.

    Raises:
        ReadingError: the reading can't be read; the sentence says where.
    """
    says_yes = Matcher(ground).says_yes(parse(reading))
    score = score_reading(says_yes, events.feature(feature_index), ground)
    return Evidence(
        precision=score.precision,
        recall=score.recall,
        activation_explained=score.mass_share,
        f1=score.f1,
        by_chance=score.density,
        n_tokens=score.n_tokens,
        n_says_yes=score.n_says_yes,
        n_fires=score.n_fires,
        n_both=score.n_both,
        corpus_hash=corpus_hash,
    )
