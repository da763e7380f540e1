"""The six figures under a feature's summary, each with its place among the dictionary's features.

Takes a feature's material and the ranks; knows no query.
"""

import math
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
    """Density, max activation, context share, single-token share, run length, contexts."""
    record, corpus = material.record, material.sae.corpus
    return [
        _fact(
            ranks,
            "density",
            record.density,
            "Density",
            text.percent(record.density),
            f"{record.n_active:,} of {corpus.n_tokens:,} tokens",
        ),
        _fact(
            ranks,
            "max_activation",
            record.max_activation,
            "Max activation",
            text.number(record.max_activation),
            "never fired"
            if record.n_active == 0
            else f"mean {text.number(record.mean_activation)}, sd "
            f"{text.number(record.std_activation)} where active",
        ),
        _fact(
            ranks,
            "context_share",
            record.context_share,
            "From the peak token alone",
            text.percent(record.context_share),
            _context_detail(material),
        ),
        _single_token(material, ranks),
        _fact(
            ranks,
            "run_length",
            record.run_length,
            "Run length",
            text.number(record.run_length),
            _run_detail(material),
        ),
        _fact(
            ranks,
            "n_contexts_active",
            float(record.n_contexts_active),
            "Contexts",
            text.percent(record.n_contexts_active / max(corpus.n_contexts, 1)),
            _contexts_detail(material),
        ),
    ]


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


def _contexts_detail(material: Material) -> str:
    record = material.record
    detail = f"{record.n_contexts_active:,} of {material.sae.corpus.n_contexts:,}"
    if record.n_contexts_active:
        detail += f"; {record.n_active / record.n_contexts_active:.3g} firings in each"
    return detail
