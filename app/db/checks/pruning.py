"""What pruning found agrees with the densities of the features, and its numbers with each other.

Takes a connection, gives contradictions as sentences.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from sqlalchemy import Connection, select

from app.db import schema
from app.db.checks.rows import address
from app.db.studies import get_study
from app.db.study_records.pruning import Measured, Pruning, Sweep


def pruning_problems(connection: Connection) -> Iterator[str]:
    """L0 and what is removed at every threshold; costs, shares recovered and their sums."""
    for row in connection.execute(select(schema.sae)).all():
        record = get_study(connection, Pruning, row.sae_id)
        if record is None:
            continue
        table = schema.feature
        counts = connection.scalars(
            select(table.c.n_active)
            .where(table.c.sae_id == row.sae_id)
            .order_by(table.c.feature_index)
        ).all()
        n_active = np.array(counts, np.int64)
        for problem in (*_counted(record, n_active), *_measured(record)):
            yield f"{address(row)}: pruning: {problem}"


def _counted(record: Pruning, n_active: Int64[ndarray, " d_sae"]) -> Iterator[str]:
    living = n_active[n_active > 0]
    if record.n_living != living.size:
        yield f"{record.n_living} features fire, the list has {living.size}."
    if not np.isclose(record.l0, n_active.sum() / record.n_tokens, rtol=1e-9):
        yield f"L0 is {record.l0:.6g}, Σ n_active / N is {n_active.sum() / record.n_tokens:.6g}."
    density = living / record.n_tokens
    for name, sweep in (("denser", record.dense), ("rarer", record.rare)):
        yield from _thresholds(name, sweep, living, density, record.n_tokens)


def _thresholds(
    name: str,
    sweep: Sweep,
    living: Int64[ndarray, " n"],
    density: Float64[ndarray, " n"],
    n_tokens: int,
) -> Iterator[str]:
    for t, n_removed, l0 in zip(sweep.threshold, sweep.n_removed, sweep.l0, strict=True):
        gone = density > t if name == "denser" else density < t
        if gone.sum() != n_removed:
            yield (
                f"{n_removed} features {name} than {t:.6g} are removed, the list has {gone.sum()}."
            )
        left = living[~gone].sum() / n_tokens
        if not np.isclose(l0, left, rtol=1e-9, atol=1e-12):
            yield f"L0 without those {name} than {t:.6g} is {l0:.6g}, expected {left:.6g}."


def _measured(record: Pruning) -> Iterator[str]:
    parts = {
        "nothing removed": record.whole,
        "everything removed": record.none,
        "the dense ones zeroed": record.dense.zeroed,
        "the dense ones folded": record.dense.folded,
        "the rare ones zeroed": record.rare.zeroed,
        "the rare ones folded": record.rare.folded,
        "random ones zeroed": record.random.zeroed,
        "random ones folded": record.random.folded,
    }
    for name, found in parts.items():
        if not _sums_agree(record, found):
            yield f"{name}: ΔCE is not the mean over the contexts."
        for kind, ablated, shares in (
            ("mean", record.ce_mean_ablated, found.recovered_mean),
            ("zero", record.ce_zero_ablated, found.recovered_zero),
        ):
            span = ablated - record.ce_clean
            known = np.isfinite(shares)
            expected = 1 - found.delta_ce[known] / span if span else shares[known]
            if not np.allclose(shares[known], expected, rtol=1e-6, atol=1e-9):
                yield f"{name}: what is recovered against {kind} does not follow from ΔCE."


def _sums_agree(record: Pruning, found: Measured) -> bool:
    mean = found.delta_by_context.sum(axis=-1, dtype=np.float64) / record.n_ce_tokens
    return np.allclose(found.delta_ce, mean, rtol=1e-4, atol=1e-5)
