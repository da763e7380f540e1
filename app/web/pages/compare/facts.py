"""The figures of compared features, one row each, a column per feature.

Takes the features' material and the ranks in their dictionaries; knows no query.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.web import text
from app.web.pages.feature.facts import Fact, build_facts
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
    facts = [
        {fact.name: fact for fact in build_facts(material, own)}
        for material, own in zip(materials, ranks, strict=True)
    ]
    names = dict.fromkeys(name for known in facts for name in known)
    rows = [FactRow(name, [_cell(known.get(name)) for known in facts]) for name in names]
    records = [material.record for material in materials]
    others = (
        ("Active tokens", [text.count(record.n_active) for record in records]),
        ("Mean activation", [text.number(record.mean_activation) for record in records]),
        ("Span fill", [text.percent(record.span_fill) for record in records]),
        ("Largest logit", [text.signed(record.max_logit) for record in records]),
        ("Decoder norm", [text.number(record.decoder_norm) for record in records]),
    )
    rows += [
        FactRow(name, [FactCell(value, "", ()) for value in values])
        for name, values in others
        if name not in names and any(value != text.MISSING for value in values)
    ]
    return rows


def _cell(fact: Fact | None) -> FactCell:
    """A dash where nothing is known of it."""
    if fact is None:
        return FactCell(text.MISSING, "", ())
    return FactCell(f"{fact.value}{fact.unit}", fact.percentile, fact.token)
