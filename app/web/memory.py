"""What is read once per build of an atlas and kept: ranks, vocabulary entries, open event files.

An atlas never changes while it is open, and its build id says when another has taken its place.
Takes a connection where something is missing yet. Knows no page.
"""

from collections.abc import Iterable
from pathlib import Path
from threading import Lock

import numpy as np
from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.columns import FeatureColumns, read_columns
from app.db.engine import Atlas
from app.db.feature_texts import read_texts
from app.db.fulltext.queries import Examples, Text, load_examples, load_text
from app.db.maps import has_direction_map
from app.db.matches import Compared, load_matches
from app.db.records import TokenRecord
from app.db.tokens import TokenPairs, get_tokens, load_token_pairs
from app.evidence.event_files import SaeEvents, open_events
from app.evidence.ground import make_ground
from app.stats.corpus import Corpus
from app.stats.reading.ground import Ground
from app.web.ranks import Ranks
from app.web.recent import Recent

MOST_COLUMNS = 500_000
"""Features whose scalars are kept, about 90 MB: twenty dictionaries of 25,000."""
MOST_TEXTS = 150_000
"""Features whose texts are kept, about 50 MB."""
MOST_EXAMPLES = 12_000_000
"""Example windows kept for full-text search, about 350 MB: eight dictionaries of 25,000."""
MOST_PAIRS = 12_000_000
"""Pairs of token and feature kept, about 240 MB: as many dictionaries again."""
MOST_MATCHES = 1_500_000
"""Features in comparisons of dictionaries that are kept, about 24 MB."""
MOST_TOKENS = 100_000
"""Entries kept, about 50 MB; a larger vocabulary is read again piece by piece."""


class Memory:
    """What is kept of one build; safe to share between threads."""

    def __init__(self, atlas: Path) -> None:
        self.atlas = atlas
        self._saes: dict[str, Sae] | None = None
        self._held: dict[int, frozenset[int]] = {}
        self._events: dict[int, SaeEvents | None] = {}
        self._ranks: dict[int, Ranks] = {}
        self._tokens: dict[tuple[int, int], TokenRecord] = {}
        self._columns: Recent[FeatureColumns] = Recent(MOST_COLUMNS)
        self._texts: Recent[list[str]] = Recent(MOST_TEXTS)
        self._words: dict[int, Text] = {}
        self._examples: Recent[Examples] = Recent(MOST_EXAMPLES)
        self._pairs: Recent[TokenPairs] = Recent(MOST_PAIRS)
        self._matches: Recent[Compared] = Recent(MOST_MATCHES)
        self._maps: dict[int, bool] = {}
        self._grounds: dict[int, Ground] = {}
        self._ground_lock = Lock()
        self._lock = Lock()

    def saes(self, atlas: Atlas) -> dict[str, Sae]:
        """Every dictionary by its address, in the order of the index page."""
        if self._saes is None:
            with atlas.connect() as connection:
                self._saes = {sae.address: sae for sae in list_saes(connection)}
        return self._saes

    def holds(self, atlas: Atlas, sae: Sae, feature_index: int) -> bool:
        """Whether the atlas holds a feature: of an import perhaps not every number."""
        if not 0 <= feature_index < sae.record.n_indices:
            return False
        if not sae.record.has_gaps:
            return True
        if sae.sae_id not in self._held:
            with atlas.connect() as connection:
                found = self.columns(connection, sae.sae_id)["feature_index"]
            self._held[sae.sae_id] = frozenset(found.astype(np.int64).tolist())
        return feature_index in self._held[sae.sae_id]

    def columns(self, connection: Connection, sae_id: int) -> FeatureColumns:
        """Every scalar of a dictionary that lists sort or filter by."""
        return self._columns.get(sae_id, lambda: read_columns(connection, sae_id))

    def texts(self, connection: Connection, sae: Sae) -> list[str]:
        """What a dictionary's list looks at for a filter by text."""
        return self._texts.get(sae.sae_id, lambda: read_texts(connection, sae.sae_id, sae.model_id))

    def ranks(self, connection: Connection, sae_id: int) -> Ranks:
        """Where values stand among the living features of a dictionary."""
        with self._lock:
            if sae_id not in self._ranks:
                self._ranks[sae_id] = Ranks(self.columns(connection, sae_id))
            return self._ranks[sae_id]

    def matches(self, connection: Connection, sae_id: int) -> Compared:
        """Comparisons of a dictionary with others of its hook; none where there are none."""
        return self._matches.get(sae_id, lambda: load_matches(connection, sae_id))

    def has_map(self, connection: Connection, sae_id: int) -> bool:
        """Whether a dictionary has a map of directions."""
        if sae_id not in self._maps:
            self._maps[sae_id] = has_direction_map(connection, sae_id)
        return self._maps[sae_id]

    def events(self, connection: Connection, sae: Sae) -> SaeEvents | None:
        """Every firing of a dictionary; None where its files are missing or of another run."""
        with self._lock:
            if sae.sae_id not in self._events:
                self._events[sae.sae_id] = self._open_events(connection, sae)
            return self._events[sae.sae_id]

    def _open_events(self, connection: Connection, sae: Sae) -> SaeEvents | None:
        if sae.record.imported is not None:
            return None
        n_active = self.columns(connection, sae.sae_id)["n_active"]
        return open_events(self.atlas, sae, n_active.astype(np.int64))

    def ground(self, connection: Connection, sae: Sae, corpus: Corpus) -> Ground:
        """The text readings are tested on, about 35 MB for each corpus; half a second to make."""
        with self._ground_lock:
            if sae.corpus_id not in self._grounds:
                self._grounds[sae.corpus_id] = make_ground(connection, sae, corpus)
            return self._grounds[sae.corpus_id]

    def words(self, connection: Connection, corpus_id: int) -> Text:
        """Where the words of a corpus' stored contexts lie."""
        with self._lock:
            if corpus_id not in self._words:
                self._words[corpus_id] = load_text(connection, corpus_id)
            return self._words[corpus_id]

    def examples(self, connection: Connection, sae: Sae, text: Text) -> Examples:
        """The windows of a dictionary's examples, placed in the text of its corpus."""
        return self._examples.get(
            sae.sae_id,
            lambda: load_examples(connection, sae.sae_id, sae.record.n_indices, text),
        )

    def token_pairs(self, connection: Connection, sae: Sae) -> TokenPairs:
        """Every pair of token and feature that a dictionary's token lists hold."""
        return self._pairs.get(
            sae.sae_id, lambda: load_token_pairs(connection, sae.sae_id, sae.record.n_indices)
        )

    def tokens(
        self, connection: Connection, model_id: int, token_ids: Iterable[int]
    ) -> dict[int, TokenRecord]:
        """Vocabulary entries by id; unknown ids are absent."""
        kept = self._tokens
        found = {i: kept[model_id, i] for i in token_ids if (model_id, i) in kept}
        missing = [i for i in token_ids if i not in found]
        if missing:
            new = get_tokens(connection, model_id, missing)
            with self._lock:
                if len(self._tokens) + len(new) > MOST_TOKENS:
                    self._tokens = {}
                self._tokens |= {(model_id, i): token for i, token in new.items()}
            found |= new
        return found


class MemoryOfBuild:
    """The memory of the build that is shown now; that of a build gone by is dropped."""

    def __init__(self, atlas: Path) -> None:
        self._atlas = atlas
        self._build_id = ""
        self._memory = Memory(atlas)
        self._lock = Lock()

    def get(self, build_id: str) -> Memory:
        """The memory of a build, empty at first."""
        with self._lock:
            if build_id != self._build_id:
                self._build_id, self._memory = build_id, Memory(self._atlas)
            return self._memory
