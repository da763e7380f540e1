"""Invented activations and reconstructions, and what the studies of quality find in them.

Takes the text and a dictionary's firings. Activations share a large mean, as real ones do; position
0 is far longer than all others, and a few token ids are loud wherever they stand. Reconstructions
keep most of every deviation. Figures follow by the definitions of `app.stats`; cross-entropies,
which need a model, are invented with the dictionary's record. Knows no page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from app.db.records import QualityRecord
from app.db.study_records.norms import Norms
from app.db.study_records.reconstruction import Reconstruction
from app.db.study_records.variants import Variants
from app.db.writer import AtlasWriter
from app.demo.synthetic.firings import Firings
from app.precompute.studies.norms.record import norms_record
from app.precompute.studies.spreads import spread_of
from app.precompute.studies.variants.batch import Batch, Losses, OfDictionary
from app.precompute.studies.variants.record import variants_record
from app.stats.corpus import Corpus
from app.stats.norms import hook_norms
from app.stats.quality import QualityFigures, QualitySums
from app.stats.reconstruction import TokenSquares
from app.stats.token_measures import MEASURES, measured
from app.stats.variants import BatchSums

LOUD = 240
"""Every so many token ids one is loud."""
LOUDER, SINK = 9.0, 30.0
"""Times as long: a loud token, position 0."""
_SAMPLE, _BATCH = 16, 8
"""Contexts of the figures of other tools, and of one batch of them."""

Vectors = Float[np.ndarray, "n_contexts context_size d_in"]


@dataclass(frozen=True)
class Invented:
    """What one dictionary reads and makes of it."""

    corpus: Corpus
    x: Vectors
    x_hat: Vectors
    l0_counts: np.ndarray

    def figures(self) -> QualityFigures:
        """Over all counted tokens."""
        counted = self.corpus.counted
        n_active = int(self.l0_counts @ np.arange(self.l0_counts.size))
        return QualitySums.of(self.x[counted], self.x_hat[counted], n_active).figures()

    def store(self, writer: AtlasWriter, sae_id: int, hook_name: str, sae: QualityRecord) -> None:
        """The records of the three studies."""
        for record in (self._reconstruction(), self._norms(hook_name), self._variants(sae)):
            writer.add_study(sae_id, record)

    def _squares(self) -> TokenSquares:
        parts = (self.x - self.x_hat, self.x, self.x_hat)
        squares = np.stack([np.square(part).sum(axis=-1) for part in parts], axis=-1)
        squares[~self.corpus.counted] *= [np.nan, 1, np.nan]
        return TokenSquares([squares.astype(np.float32)])

    def _reconstruction(self) -> Reconstruction:
        squares = self._squares()
        spreads: dict[str, Any] = {
            name: spread_of(measured(squares, self.corpus, name)) for name in MEASURES
        }
        return Reconstruction(
            l0_counts=self.l0_counts,
            ce_recovered_mean_error=0.0021,
            ce_recovered_zero_error=0.0018,
            **spreads,
        )

    def _norms(self, hook_name: str) -> Norms:
        d_vocab = self.corpus.d_vocab
        columns = np.random.default_rng(7).normal(1.4, 0.12, d_vocab).astype(np.float32)
        columns[LOUD - 7 :: LOUD] *= 2.5
        found = hook_norms(self._squares(), self.corpus)
        return norms_record(found, hook_name, self.x.shape[-1], columns, np.arange(d_vocab) > 0)

    def _variants(self, quality: QualityRecord) -> Variants:
        """Sums of the invented activations, losses as those of the dictionary's record."""
        assert quality.ce_clean and quality.ce_spliced and quality.ce_zero_ablated and quality.kl
        x = self.x[self.corpus.counted]
        mean = x.mean(axis=0)
        batches = []
        for first in range(0, min(_SAMPLE, len(self.x)), _BATCH):
            here = slice(first, first + _BATCH)
            x, x_hat, counted = self.x[here], self.x_hat[here], self.corpus.counted[here]
            n, n_predicted = counted.size, counted[:, 1:].size
            residual = np.square(x - x_hat)[counted].sum(axis=1)
            explained = 1 - residual / np.square(x - mean)[counted].sum(axis=1)
            spliced = Losses(n_predicted * (quality.ce_spliced + 0.03), n * 1.4 * quality.kl)
            every = np.ones_like(counted)
            found = OfDictionary(
                BatchSums.of(x[counted], x_hat[counted]), BatchSums.of(x[every], x_hat[every]),
                explained.astype(np.float32), spliced,
            )  # fmt: skip
            zero = Losses(n_predicted * (quality.ce_zero_ablated + 0.4), n * 4.6)
            clean = n_predicted * quality.ce_clean
            batches.append(Batch(len(x), n_predicted, n, clean, {"hook": zero}, {"sae": found}))
        return variants_record(batches, "sae", "hook", _BATCH)


def invent(
    corpus: Corpus, firings: Sequence[Firings], d_in: int, seed: int, number: int
) -> Invented:
    """The same arguments give the same activations; dictionaries two apart share a hook."""
    rng = np.random.default_rng([seed, number % 2, 11])
    ids = rng.standard_normal((corpus.d_vocab, d_in))
    x = (
        2.5 * rng.standard_normal(d_in)
        + ids[corpus.tokens]
        + 0.7 * rng.standard_normal((*corpus.tokens.shape, d_in))
    )
    x[corpus.tokens % LOUD == LOUD - 7] *= LOUDER
    x[:, 0] *= SINK
    own = np.random.default_rng([seed, number, 12])
    mean = x[corpus.counted].mean(axis=0)
    deviation = x - mean
    size = np.linalg.norm(deviation, axis=-1, keepdims=True) / np.sqrt(d_in)
    noise = own.uniform(0.1, 0.45, size.shape) * own.standard_normal(x.shape)
    x_hat = mean + 0.93 * deviation + size * noise
    return Invented(corpus, x, x_hat, _l0_counts(corpus, firings))


def _l0_counts(corpus: Corpus, firings: Sequence[Firings]) -> np.ndarray:
    active = np.zeros(corpus.tokens.shape, np.int64)
    for found in firings:
        np.add.at(active, (found.context_id, found.position), 1)
    return np.bincount(active[corpus.counted])
