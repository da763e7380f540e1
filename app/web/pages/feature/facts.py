"""The six figures under a feature's summary, each with its place among the dictionary's features.

Takes a feature's material and the ranks; knows no query.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.web import text
from app.web.pages.feature.material import Material
from app.web.ranks import Ranks
from app.web.token_text import Pieces, text_pieces


@dataclass(frozen=True)
class Fact:
    """One figure."""

    name: str
    value: str
    unit: str
    detail: str
    token: Pieces
    """a token that ends the detail; usually empty"""
    percentile: str
    """p91: larger than in 91% of the living features; empty where there is no rank"""
    rank_x: str
    """where the mark stands on the line from 0 to 100%"""


def build_facts(material: Material, ranks: Ranks) -> list[Fact]:
    """Density, max activation, context share, single-token share, run length, contexts; of an
    import those its source holds."""
    if material.sae.record.imported is not None:
        return [*_held(material, ranks)]
    return [
        _density(material, ranks),
        _max_activation(material, ranks),
        _fact(
            ranks,
            "context_share",
            material.record.context_share,
            "From the peak token alone",
            text.percent(material.record.context_share),
            _context_detail(material),
        ),
        _single_token(material, ranks),
        _fact(
            ranks,
            "run_length",
            material.record.run_length,
            "Run length",
            text.number(material.record.run_length),
            _run_detail(material),
        ),
        _contexts(material, ranks),
    ]


def _held(material: Material, ranks: Ranks) -> Iterator[Fact]:
    record = material.record
    if record.density is not None:
        yield _density(material, ranks)
    if record.max_activation is not None:
        yield _max_activation(material, ranks)
    for column, name, detail in (
        ("skewness", "Skewness", "of the active values"),
        ("kurtosis", "Kurtosis", "of the active values, 3 for a normal"),
        ("max_logit", "Largest logit", "direct effect on the token promoted most"),
    ):
        value = getattr(record, column)
        if value is not None:
            yield _fact(ranks, column, value, name, text.number(value), detail)


def _density(material: Material, ranks: Ranks) -> Fact:
    record, n_tokens = material.record, material.sae.corpus.n_tokens
    detail = "of the tokens its source counted"
    if record.n_active is not None and n_tokens is not None:
        detail = f"{record.n_active:,} of {n_tokens:,} tokens"
    elif n_tokens is not None:
        detail = f"of {n_tokens:,} tokens"
    density = record.density
    return _fact(ranks, "density", density, "Density", text.percent(density), detail)


def _max_activation(material: Material, ranks: Ranks) -> Fact:
    record = material.record
    moments = [("mean", record.mean_activation), ("sd", record.std_activation)]
    said = [f"{name} {text.number(value)}" for name, value in moments if value is not None]
    detail = f"{', '.join(said)} where active" if said else ""
    return _fact(
        ranks,
        "max_activation",
        record.max_activation,
        "Max activation",
        text.number(record.max_activation),
        "never fired" if record.never_fired else detail,
    )


def _contexts(material: Material, ranks: Ranks) -> Fact:
    record, corpus = material.record, material.sae.corpus
    n_active, n_contexts = record.n_active or 0, record.n_contexts_active or 0
    detail = f"{n_contexts:,} of {corpus.n_contexts:,}"
    if n_contexts:
        detail += f"; {n_active / n_contexts:.3g} firings in each"
    return _fact(
        ranks,
        "n_contexts_active",
        float(n_contexts),
        "Contexts",
        text.percent(n_contexts / max(corpus.n_contexts, 1)),
        detail,
    )


def _fact(
    ranks: Ranks,
    column: str,
    value: float | None,
    name: str,
    shown: str,
    detail: str,
    token: Pieces = (),
) -> Fact:
    share = ranks.share_below(column, value)
    number, unit = (shown[:-1], "%") if shown.endswith("%") else (shown, "")
    return Fact(
        name,
        number,
        unit,
        detail,
        token,
        "" if share is None else f"p{round(100 * share)}",
        "" if share is None else f"{100 * share:.4g}%",
    )


def _single_token(material: Material, ranks: Ranks) -> Fact:
    record = material.record
    token: Pieces = ()
    detail = "no firings"
    if record.top_token_id is not None:
        token = text_pieces(material.token(record.top_token_id).token)
        detail = "of its activation is on"
    return _fact(
        ranks,
        "top_token_share",
        record.top_token_share,
        "Single-token share",
        text.percent(record.top_token_share),
        detail,
        token,
    )


def _context_detail(material: Material) -> str:
    if material.record.context_share is None:
        return "not measured"
    ablations = material.ablations.get("top")
    alone = np.zeros(0) if ablations is None else ablations.context_filled[:, ablations.kept == 0]
    n = int(np.isfinite(alone).sum())
    return f"is left with other text before it ({n} top example{'s' if n != 1 else ''})"


def _run_detail(material: Material) -> str:
    panel = material.panels.locality
    if panel is None or math.isnan(panel.single_run_share):
        return "no firings"
    return f"{text.percent(panel.single_run_share)} of {panel.n_runs:,} runs are one token"
