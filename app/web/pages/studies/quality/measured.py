"""What the figures of the page are made of: a dictionary with all that was measured of it.

Takes a connection; studies that were skipped are None. Knows no template.
"""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.columns import FeatureColumns
from app.db.studies import get_study
from app.db.study_records.norms import Norms
from app.db.study_records.reconstruction import Reconstruction
from app.db.study_records.spread import Spread
from app.db.study_records.variants import Variants
from app.web.memory import Memory

SINGLE_TOKEN = 0.9
"""Share of a feature's activation on its strongest token from which it is called single-token."""


@dataclass(frozen=True)
class Measured:
    """A dictionary and its studies."""

    sae: Sae
    columns: FeatureColumns
    single: Reconstruction | None
    norms: Norms | None
    variants: Variants | None

    @classmethod
    def read(cls, connection: Connection, sae: Sae, memory: Memory) -> "Measured":
        """Everything the page shows."""
        return cls(
            sae,
            memory.columns(connection, sae.sae_id),
            get_study(connection, Reconstruction, sae.sae_id),
            get_study(connection, Norms, sae.sae_id),
            get_study(connection, Variants, sae.sae_id),
        )

    @property
    def n_living(self) -> int:
        """Features that fired."""
        return int(self.columns.living.sum())

    @property
    def n_single_token(self) -> int:
        """Living features with at least `SINGLE_TOKEN` of their activation on one token."""
        return int((self.columns["top_token_share"] >= SINGLE_TOKEN).sum())

    @property
    def l0_median(self) -> int | None:
        """The lower of the middle two where their number is even."""
        if self.single is None:
            return None
        counts = self.single.l0_counts
        return int(np.searchsorted(np.cumsum(counts), -(-counts.sum() // 2)))

    @property
    def l0_spread(self) -> Spread | None:
        """L0 as a distribution, its quantiles at the shares of the others."""
        if self.single is None:
            return None
        counts, shares = self.single.l0_counts, self.single.norm.shares
        n, values = int(counts.sum()), np.arange(self.single.l0_counts.size)
        rank = np.clip(np.ceil(n * shares), 1, n)
        mean = float(counts @ values) / n
        std = float(np.sqrt(counts @ np.square(values - mean) / n))
        quantiles = np.searchsorted(np.cumsum(counts), rank).astype(np.float64)
        return Spread(n, mean, std, shares, quantiles, np.zeros(0), np.zeros(0, np.int64), 0, 0)
