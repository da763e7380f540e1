"""What a reading scores on a feature now, from what the server keeps in memory. Knows no form."""

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.evidence.reading import evidence_of
from app.notebook.errors import NotAllowed
from app.notebook.records import Evidence
from app.stats.reading.errors import ReadingError
from app.stats.reading.grammar import parse
from app.web.memory import Memory


def measure(
    connection: Connection, memory: Memory, sae: Sae, feature_index: int, reading: str
) -> Evidence | None:
    """The reading held against every firing looked at; None without event files.

    Raises:
        NotAllowed: the reading can't be read; the sentence says where.
    """
    try:
        parse(reading)
        source = memory.events(connection, sae)
        if source is None:
            return None
        ground = memory.ground(connection, sae, source.corpus)
        return evidence_of(reading, source, ground, feature_index, sae.corpus.hash)
    except ReadingError as error:
        raise NotAllowed(f"The reading can't be tested: {error}") from error
