"""What a reading scores on a feature now: the evidence a label keeps. Knows no form."""

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.notebook.errors import NotAllowed
from app.notebook.records import Evidence
from app.stats.reading.errors import ReadingError
from app.stats.reading.grammar import parse
from app.stats.reading.matching import Matcher
from app.stats.reading.score import score_reading
from app.web.memory import Memory


def measure(
    connection: Connection, memory: Memory, sae: Sae, feature_index: int, reading: str
) -> Evidence | None:
    """The reading held against every firing looked at; None without event files.

    Raises:
        NotAllowed: the reading can't be read; the sentence says where.
    """
    try:
        tree = parse(reading)
        source = memory.events(connection, sae)
        if source is None:
            return None
        ground = memory.ground(connection, sae, source.corpus)
        says_yes = Matcher(ground).says_yes(tree)
    except ReadingError as error:
        raise NotAllowed(f"The reading can't be tested: {error}") from error
    score = score_reading(says_yes, source.feature(feature_index), ground)
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
        corpus_hash=sae.corpus.hash,
    )
