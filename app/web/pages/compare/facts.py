"""The figures of compared features, one row each, a column per feature.

Takes the features' material and the ranks in their dictionaries; knows no query.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.web import text
from app.web.pages.feature.facts import build_facts
from app.web.pages.feature.material import Material
from app.web.ranks import Ranks
from app.web.token_text import Pieces


@dataclass(frozen=True)
class FactCell:
    """One figure of one feature."""

    value: str
    percentile: str
    """p91: larger than in 91% of the living features; empty where there is no rank"""
    token: Pieces
    """a token the figure is about; usually empty"""


@dataclass(frozen=True)
class FactRow:
    """One figure of all of them."""

    name: str
    cells: list[FactCell]


def build_fact_rows(materials: Sequence[Material], ranks: Sequence[Ranks]) -> list[FactRow]:
    """The six figures of a feature's page, then what its page says elsewhere.

    Args:
        ranks: those of each feature's own dictionary.
    """
    facts = [build_facts(material, own) for material, own in zip(materials, ranks, strict=True)]
    rows = [
        FactRow(same[0].name, [FactCell(f"{f.value}{f.unit}", f.percentile, f.token) for f in same])
        for same in zip(*facts, strict=True)
    ]
    records = [material.record for material in materials]
    others = (
        ("Active tokens", [text.count(record.n_active) for record in records]),
        ("Mean activation", [text.number(record.mean_activation) for record in records]),
        ("Span fill", [text.percent(record.span_fill) for record in records]),
        ("Largest logit", [text.signed(record.max_logit) for record in records]),
        ("Decoder norm", [text.number(record.decoder_norm) for record in records]),
    )
    rows += [
        FactRow(name, [FactCell(value, "", ()) for value in values]) for name, values in others
    ]
    return rows
