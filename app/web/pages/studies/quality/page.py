"""`/{model}/{sae}/quality`: how well a dictionary reconstructs, token by token, and what it costs.

`build` gives the figures with their formulas, the distributions, and what other tools would print;
`QualityPage` is all the template may show. Works without any study, with what is left.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.study_records.spread import Spread
from app.web.memory import Memory
from app.web.pages.dictionary.quality_figures import quality_sentence
from app.web.pages.policy import corpus_sentence
from app.web.pages.studies.quality.charts import (
    QuantileTable,
    SpreadPanel,
    quantile_table,
    spread_panels,
)
from app.web.pages.studies.quality.figures import FigureGroup, figure_groups
from app.web.pages.studies.quality.measured import Measured
from app.web.pages.studies.quality.variants import VariantTable, variant_table
from app.web.pages.studies.ways import Way, refuse_import, ways_of

PAGE = "quality"


@dataclass(frozen=True)
class QualityPage:
    """Context of `pages/studies/quality.html`."""

    sae: Sae
    ways: list[Way]
    lede: list[list[str]]
    groups: list[FigureGroup]
    panels: list[SpreadPanel]
    """charts; none where the study was skipped"""
    quantiles: QuantileTable | None
    variants: VariantTable | None
    """what other tools would print; None where that study was skipped"""
    skipped: list[str]
    """studies the atlas was built without"""
    corpus_note: str
    measured: Measured = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """The same numbers before they became text."""
        return _twin(self.measured)


def build(connection: Connection, sae: Sae, memory: Memory) -> QualityPage:
    """The page of a dictionary.

    Raises:
        HTTPException: 404 of an import, of which nothing was measured.
    """
    refuse_import(sae)
    measured = Measured.read(connection, sae, memory)
    studies = {
        "reconstruction": measured.single,
        "norms": measured.norms,
        "variants": measured.variants,
    }
    return QualityPage(
        sae=sae,
        ways=ways_of(connection, sae, PAGE),
        lede=quality_sentence(sae),
        groups=figure_groups(measured),
        panels=spread_panels(measured),
        quantiles=quantile_table(measured),
        variants=None if measured.variants is None else variant_table(measured.variants),
        skipped=[name for name, found in studies.items() if found is None],
        corpus_note=corpus_sentence(sae),
        measured=measured,
    )


def _twin(measured: Measured) -> dict[str, Any]:
    sae, single, variants = measured.sae, measured.single, measured.variants
    spreads = ("norm", "reconstruction_norm", "norm_ratio", "squared_error", "relative_error")
    names = (*spreads, "cosine")
    found: dict[str, Any] = {} if single is None else {n: getattr(single, n) for n in names}
    if variants is not None:
        found["explained_variance"] = variants.explained
    return {
        "model": sae.record.model,
        "sae": sae.record.sae,
        "hook_name": sae.record.hook_name,
        "hook_name_out": sae.record.hook_name_out,
        "n_tokens": sae.corpus.n_tokens,
        "quality": {name: plain(value) for name, value in asdict(sae.record.quality).items()}
        | {
            "ce_recovered_mean_error": single and single.ce_recovered_mean_error,
            "ce_recovered_zero_error": single and single.ce_recovered_zero_error,
        },
        "d_sae": sae.record.d_sae,
        "n_living": measured.n_living,
        "n_single_token": measured.n_single_token,
        "l0": None if single is None else {
            "median": measured.l0_median, "counts": single.l0_counts.tolist(),
        },
        "distributions": {name: spread_json(value) for name, value in found.items()},
        "variants": None if variants is None else _variants_json(variants),
    }  # fmt: skip


def _variants_json(variants: Any) -> dict[str, Any]:
    told = {k: v for k, v in vars(variants).items() if k not in ("explained", "counted", "every")}
    return {
        **{name: plain(value) for name, value in told.items()},
        "counted": {name: plain(value) for name, value in variants.counted.items()},
        "every": {name: plain(value) for name, value in variants.every.items()},
    }


def spread_json(found: Spread) -> dict[str, Any]:
    """A distribution as JSON has it."""
    quantiles = zip(found.shares.tolist(), found.quantiles.tolist(), strict=True)
    return {
        "n": found.n,
        "mean": plain(found.mean),
        "std": plain(found.std),
        "quantiles": {f"{share:g}": plain(value) for share, value in quantiles},
        "histogram": {
            "edges": found.edges.tolist(),
            "counts": found.counts.tolist(),
            "n_below": found.n_below,
            "n_above": found.n_above,
        },
    }


def plain(value: Any) -> Any:
    """A number as JSON has it: null for what is none."""
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
