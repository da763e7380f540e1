"""Two to four features of one dictionary side by side: the page, how it is built, its twin.

Takes a dictionary, the features and the view; reads each feature as its own page does, their events
where they lie beside the atlas, and the stored decoder directions. Knows no template.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.directions import directions_problem, get_directions
from app.db.features import get_features
from app.db.records import AblationGroup, ExampleGroup, FeatureRecord, Group
from app.stats.events import FeatureEvents
from app.web.charts.plot import Chart
from app.web.memory import Memory
from app.web.pages.compare.chart import SpreadRow, build_chart, build_spread
from app.web.pages.compare.contexts import ComparedText, build_compared_texts
from app.web.pages.compare.facts import FactRow, build_fact_rows
from app.web.pages.compare.pair_rows import PairRow, pair_row, pairs_note
from app.web.pages.compare.pairs import Pairs, build_pairs
from app.web.pages.compare.tokens import (
    ComparedLogits,
    ComparedTokens,
    build_compared_logits,
    build_compared_tokens,
)
from app.web.pages.compare.twin import compare_json
from app.web.pages.feature.material import Material, load_material
from app.web.pages.policy import corpus_sentence
from app.web.views import CompareView

_TEXTS_READ = 12
"""Top examples of each feature that are read: some may lie in one context with another's."""


@dataclass(frozen=True)
class Compared:
    """One feature of the page."""

    record: FeatureRecord
    others: list[int]
    """the features left when this one is taken away"""
    css: str
    """class of its line in the chart"""


@dataclass(frozen=True)
class ComparePage:
    """Everything the template prints."""

    sae: Sae
    view: CompareView
    indices: list[int]
    features: list[Compared]
    facts: list[FactRow]
    chart: Chart | None
    """None where none of them ever fired"""
    spread: list[SpreadRow]
    pairs: list[PairRow]
    pairs_note: str
    tokens: ComparedTokens
    logits: ComparedLogits | None
    texts: list[ComparedText]
    texts_note: str
    all_known: bool
    """whether every feature's firings are known in every text shown"""
    full: bool
    """whether no other feature can be added"""
    corpus_note: str
    materials: list[Material] = field(repr=False)
    pair_values: Pairs = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """The twin, made of the same numbers before they became text."""
        return compare_json(self.sae, self.materials, self.pair_values, self.tokens, self.texts)


def build(
    connection: Connection, sae: Sae, indices: Sequence[int], view: CompareView, memory: Memory
) -> ComparePage:
    """The page of two to four different features.

    Raises:
        LookupError: the dictionary lacks one of them; the message is a sentence.
    """
    records = get_features(connection, sae.sae_id, indices)
    missing = [index for index in indices if index not in records]
    if missing:
        raise LookupError(
            f"{sae.address} has no feature {missing[0]}: it has features 0 to "
            f"{sae.record.d_sae - 1:,}."
        )
    materials = [
        load_material(connection, sae, records[index], _strongest, memory) for index in indices
    ]
    events = _events(connection, sae, indices, memory)
    directions = get_directions(connection, sae.sae_id, sae.record.d_in, indices)
    pairs = build_pairs(materials, directions, events)
    texts = build_compared_texts(materials, events)
    return ComparePage(
        sae=sae,
        view=view,
        indices=list(indices),
        features=[
            Compared(records[index], [i for i in indices if i != index], f"series-{place + 1}")
            for place, index in enumerate(indices)
        ],
        facts=build_fact_rows(materials, memory.ranks(connection, sae.sae_id)),
        chart=build_chart(materials, view),
        spread=build_spread(materials),
        pairs=[pair_row(pair) for pair in pairs.rows],
        pairs_note=" ".join(
            sentence
            for sentence in (pairs_note(sae, pairs), directions_problem(connection, sae.sae_id))
            if sentence
        ),
        tokens=build_compared_tokens(materials),
        logits=build_compared_logits(materials),
        texts=texts,
        texts_note=_texts_note(texts, events is not None),
        all_known=all(line.known for item in texts for line in item.lines),
        full=len(indices) == 4,
        corpus_note=corpus_sentence(sae),
        materials=materials,
        pair_values=pairs,
    )


def _strongest(
    groups: dict[Group, ExampleGroup], _ablations: dict[Group, AblationGroup]
) -> Mapping[Group, range]:
    top = groups.get("top")
    return {} if top is None else {"top": range(min(_TEXTS_READ, top.context_id.size))}


def _events(
    connection: Connection, sae: Sae, indices: Sequence[int], memory: Memory
) -> dict[int, FeatureEvents] | None:
    found = memory.events(connection, sae)
    return None if found is None else {index: found.feature(index) for index in indices}


def _texts_note(texts: Sequence[ComparedText], exact: bool) -> str:
    if not texts:
        return "None of them ever fired, so there is no text to show."
    first = (
        "The strongest examples of each, peaks in one column; a line per feature under the same "
        "text, coloured by its own maximum."
    )
    if exact:
        return f"{first} Every firing is drawn."
    return (
        f"{first} Without the events beside the atlas the firings of a feature are known only in "
        "the contexts of its own examples; a hatched line is not known."
    )
