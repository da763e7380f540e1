"""What studies say of single tokens agrees with itself and with the dictionary's own figures.

Takes a connection, gives contradictions as sentences.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from app.db import schema
from app.db.catalog import list_saes
from app.db.studies import get_study
from app.db.study_records.norms import Norms
from app.db.study_records.reconstruction import Reconstruction
from app.db.study_records.spread import Spread
from app.db.study_records.variants import Variants

CLOSE = 1e-6
"""Relative: sums of float32 values beside sums of float64 ones."""


def token_figure_problems(connection: Connection) -> Iterator[str]:
    """Distributions sum to their tokens, means are those of the quality, tokens are the model's."""
    for sae in list_saes(connection):
        if sae.record.imported is not None:
            continue
        quality, n_tokens = sae.record.quality, sae.corpus.n_counted
        single = get_study(connection, Reconstruction, sae.sae_id)
        if single is not None:
            yield from _reconstruction(connection, sae, single)
        norms = get_study(connection, Norms, sae.sae_id)
        if norms is not None:
            yield from _norms(sae, norms)
        variants = get_study(connection, Variants, sae.sae_id)
        if variants is not None:
            yield from _spread(f"{sae.address}, study variants", "explained", variants.explained)
            if not variants.explained.n <= variants.n_counted <= min(variants.n_all, n_tokens):
                yield (
                    f"{sae.address}, study variants: {variants.n_counted} counted tokens of "
                    f"{variants.n_all}; the corpus has {n_tokens}."
                )
        if single is not None and quality.mse is not None and single.squared_error.n:
            mean = single.squared_error.mean / sae.record.output_width
            if not np.isclose(mean, quality.mse, rtol=CLOSE):
                yield (
                    f"{sae.address}, study reconstruction: the mean of the squared errors over "
                    f"{sae.record.width_name} is {mean:.9g}, MSE is {quality.mse:.9g}."
                )


def _reconstruction(connection: Connection, sae: Any, found: Reconstruction) -> Iterator[str]:
    where, n_tokens = f"{sae.address}, study reconstruction", sae.corpus.n_tokens
    n, n_active = int(found.l0_counts.sum()), int(found.l0_counts @ np.arange(found.l0_counts.size))
    column = schema.feature.c
    total = connection.scalar(select(func.sum(column.n_active)).where(column.sae_id == sae.sae_id))
    if (n, n_active) != (n_tokens, total):
        yield (
            f"{where}: L0 is of {n} tokens with {n_active} firings; the corpus has {n_tokens}, "
            f"the features have {total}."
        )
    for name in ("norm", "reconstruction_norm", "squared_error", "cosine"):
        if getattr(found, name).n != n_tokens:
            yield f"{where}: {name} is of {getattr(found, name).n} tokens, not of {n_tokens}."
    for name in ("norm", "reconstruction_norm", "norm_ratio", "squared_error", "relative_error"):
        yield from _spread(where, name, getattr(found, name))
    yield from _spread(where, "cosine", found.cosine)


def _norms(sae: Any, found: Norms) -> Iterator[str]:
    where, n_tokens = f"{sae.address}, study norms", sae.corpus.n_tokens
    yield from _spread(where, "norm", found.norm)
    if found.hook_name != sae.record.output_hook:
        own = sae.record.output_hook
        yield f"{where}: it is of {found.hook_name}, the dictionary reconstructs {own}."
    n = int(found.position_n.sum())
    if not n == found.norm.n == n_tokens:
        yield f"{where}: {n} tokens by position and {found.norm.n} in all, not {n_tokens}."
    if found.position_n.size != sae.corpus.context_size or found.position_n[:1].any():
        yield f"{where}: the positions are not those of contexts of {sae.corpus.context_size}."
    tokens = found.tokens
    if (np.diff(tokens.token_id) <= 0).any() or (tokens.token_id >= sae.model.d_vocab).any():
        yield f"{where}: the token ids are not ascending ids of the model."
    if (tokens.n_outlier > tokens.n).any() or int(tokens.n_outlier.sum()) > found.n_outlier:
        yield f"{where}: there are more outliers by token id than tokens, or than in all."


def _spread(where: str, name: str, found: Spread) -> Iterator[str]:
    if (np.diff(found.quantiles) < 0).any():
        yield f"{where}: the quantiles of {name} are not in order."
    total = found.n_below + int(found.counts.sum()) + found.n_above
    if found.edges.size and total != found.n:
        yield f"{where}: the histogram of {name} holds {total} of {found.n} tokens."
