"""Two to four features side by side, of one dictionary or of several: the page, its twin.

Takes a dictionary, the features and the view; reads each feature as its own page does, their events
where they lie beside the atlas, and the stored decoder directions. Features of another dictionary
of the model are told by `sae:number`. Knows no template.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jaxtyping import Float32
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae, find_sae
from app.db.directions import directions_problem, get_directions
from app.db.features import get_features, has_feature
from app.db.records import AblationGroup, ExampleGroup, FeatureRecord, Group
from app.stats.events import FeatureEvents
from app.web.charts.plot import Chart
from app.web.feature_numbers import FEWEST, MOST, Named, in_dictionary, named_in
from app.web.memory import Memory
from app.web.pages.compare.chart import SpreadRow, build_chart, build_spread, chart_note
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
from app.web.urls import compare_url, feature_url
from app.web.views import CompareView

_TEXTS_READ = 12
"""Top examples of each feature that are read: some may lie in one context with another's."""


@dataclass(frozen=True)
class Compared:
    """One feature of the page."""

    sae: Sae
    record: FeatureRecord
    named: Named
    url: str
    without_url: str
    """the page without it: of one feature, where it was one of two"""
    css: str
    """class of its line in the chart"""


@dataclass(frozen=True)
class ComparePage:
    """Everything the template prints."""

    sae: Sae
    view: CompareView
    indices: list[Named]
    saes: list[Sae]
    """their dictionaries, each once"""
    features: list[Compared]
    facts: list[FactRow]
    chart: Chart | None
    """None where none of them ever fired or has bins to draw"""
    chart_note: str
    """why there is none, or a feature isn't in it; else empty"""
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
    connection: Connection, sae: Sae, named: Sequence[Named], view: CompareView, memory: Memory
) -> ComparePage:
    """The page of two to four different features.

    Raises:
        LookupError: there is no such feature or dictionary; the message is a sentence.
    """
    places = _places(connection, sae, named)
    materials = [
        _material(connection, sae, found, index, memory) for found, index in places.values()
    ]
    events = _events(connection, places, memory)
    pairs = build_pairs(materials, _directions(connection, places), events)
    texts = build_compared_texts(materials, events)
    saes = list({found.sae_id: found for found, _ in places.values()}.values())
    problems = [directions_problem(connection, found.sae_id) for found in saes]
    return ComparePage(
        sae=sae,
        view=view,
        indices=list(places),
        saes=saes,
        features=[
            _compared(sae, material, place, places, view)
            for place, material in enumerate(materials)
        ],
        facts=build_fact_rows(
            materials, [memory.ranks(connection, found.sae_id) for found, _ in places.values()]
        ),
        chart=build_chart(materials, view),
        chart_note=chart_note(materials),
        spread=build_spread(materials),
        pairs=[pair_row(pair) for pair in pairs.rows],
        pairs_note=" ".join(filter(None, (pairs_note(sae, pairs), *problems))),
        tokens=build_compared_tokens(materials),
        logits=build_compared_logits(materials),
        texts=texts,
        texts_note=_texts_note(texts, events is not None),
        all_known=all(line.known for item in texts for line in item.lines),
        full=len(places) == MOST,
        corpus_note=corpus_sentence(sae),
        materials=materials,
        pair_values=pairs,
    )


Places = Mapping[Named, tuple[Sae, int]]
"""(dictionary, feature_index) of each feature, in order"""


def _places(connection: Connection, home: Sae, named: Sequence[Named]) -> Places:
    """A feature of the dictionary at hand that was named like one of another is told by number."""
    found: dict[Named, tuple[Sae, int]] = {}
    for each in named:
        name, index = in_dictionary(each)
        sae = find_sae(connection, home.record.model, name) if name else home
        if sae is None:
            raise LookupError(f"There is no dictionary {name!r} of {home.record.model} here.")
        if not has_feature(connection, sae, index):
            raise LookupError(f"{sae.address} has no feature {index}: it has {sae.numbers}.")
        found[named_in(sae.record.sae, home.record.sae, index)] = sae, index
    if len(found) < FEWEST:
        raise LookupError("This names one feature alone: two to four can be compared.")
    return found


def _material(connection: Connection, home: Sae, sae: Sae, index: int, memory: Memory) -> Material:
    record = get_features(connection, sae.sae_id, [index])[index]
    found = load_material(connection, sae, record, _strongest, memory)
    named = named_in(sae.record.sae, home.record.sae, index)
    return replace(found, elsewhere="" if isinstance(named, int) else named)


def _directions(connection: Connection, places: Places) -> dict[Named, Float32[ndarray, " d_out"]]:
    """Unit decoder rows, as far as they are kept."""
    found: dict[Named, Float32[ndarray, " d_out"]] = {}
    for named, (sae, index) in places.items():
        if sae.record.d_in is None:
            continue
        rows = get_directions(connection, sae.sae_id, sae.record.output_width, [index])
        if index in rows:
            found[named] = rows[index]
    return found


def _compared(
    home: Sae, material: Material, place: int, places: Places, view: CompareView
) -> Compared:
    sae, index = places[material.named]
    others = [named for named in places if named != material.named]
    if len(others) == 1:
        left, number = places[others[0]]
        without = feature_url(left, number)
    else:
        without = compare_url(home, others, view.arguments(features=""))
    return Compared(
        sae, material.record, material.named, feature_url(sae, index), without,
        f"series-{place + 1}",
    )  # fmt: skip


def _strongest(
    groups: dict[Group, ExampleGroup], _ablations: dict[Group, AblationGroup]
) -> Mapping[Group, range]:
    top = groups.get("top")
    return {} if top is None else {"top": range(min(_TEXTS_READ, top.context_id.size))}


def _events(
    connection: Connection, places: Places, memory: Memory
) -> dict[Named, FeatureEvents] | None:
    """None unless those of all lie beside the atlas."""
    found: dict[Named, FeatureEvents] = {}
    for named, (sae, index) in places.items():
        events = memory.events(connection, sae)
        if events is None:
            return None
        found[named] = events.feature(index)
    return found


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
