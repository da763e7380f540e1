"""The text readings are tested on, made from what an atlas and its events hold.

Takes a connection to the atlas and the contexts beside it, gives the ground. Keeps nothing.
"""

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.tokens import get_tokens
from app.stats.corpus import Corpus
from app.stats.reading.ground import Ground
from app.stats.reading.vocabulary import Vocabulary


def make_ground(connection: Connection, sae: Sae, corpus: Corpus) -> Ground:
    """About 35 MB for a corpus, and half a second."""
    entries = get_tokens(connection, sae.model_id, range(corpus.d_vocab))
    texts = [b""] * corpus.d_vocab
    for token_id, entry in entries.items():
        texts[token_id] = entry.token_bytes or entry.token.encode()
    special = {token_id for token_id, entry in entries.items() if entry.special}
    return Ground(corpus, Vocabulary(texts, special))
