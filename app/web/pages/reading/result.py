"""A reading's answer in words: the sentence, its figures, recall by strength, what each part means.

Takes an answer, a feature's material and the view, gives what the template prints. Knows neither
how a reading is matched nor any query.
"""

from dataclasses import dataclass

from app.web import text
from app.web.pages.feature.material import Material
from app.web.pages.reading.answer import Answer, PartMeaning
from app.web.pages.reading.instead import Instead
from app.web.pages.reading.links import Link, ReadingLinks
from app.web.pages.reading.lists import (
    MOST_CHARACTERS,
    CaseList,
    hits_list,
    missed_list,
    silent_list,
)
from app.web.pages.reading.score import (
    Band,
    Figure,
    on_tokens,
    score_bands,
    score_figures,
    score_sentence,
)
from app.web.token_text import Pieces, text_pieces
from app.web.views import FeatureView

_ORDERS = ("strongest", "weakest", "drawn", "corpus")


@dataclass(frozen=True)
class InsteadLink:
    """Another way to write a part."""

    source: str
    url: str
    """this page with the reading so changed"""
    stands: str


@dataclass(frozen=True)
class Part:
    """What one part of the reading stands for."""

    source: str
    meaning: str
    tokens: list[tuple[Pieces, str]]
    more: str
    """how many tokens are not listed; empty where all are"""
    instead: list[InsteadLink]
    """the reading with the part written so that it stands somewhere"""


@dataclass(frozen=True)
class Result:
    """The answer in words."""

    sentence: list[tuple[str, str]]
    """pieces: text or number"""
    figures: list[Figure]
    bands: list[Band]
    """the strongest first; empty where the feature never fires here"""
    parts: list[Part]
    counterexamples: list[CaseList]
    hits: CaseList
    orders: list[Link]
    scope: str
    """over which tokens all numbers are"""


def build_result(
    material: Material, view: FeatureView, answer: Answer, links: ReadingLinks
) -> Result:
    """The answer as the page says it."""
    score = answer.score
    return Result(
        sentence=score_sentence(score),
        figures=score_figures(score),
        bands=score_bands(score),
        parts=[_part(part, links) for part in answer.parts],
        counterexamples=[
            missed_list(material, view, answer, links),
            silent_list(material, view, answer, links),
        ],
        hits=hits_list(material, view, answer),
        orders=[
            Link(order.capitalize(), links.to(order=order), order == view.order)
            for order in _ORDERS
        ],
        scope=_scope(answer),
    )


def _part(part: PartMeaning, links: ReadingLinks) -> Part:
    ends = "a match ends on" if part.kind == "expression" else "stands on"
    if part.n_places == 0:
        if part.kind == "expression":
            meaning = "matches nowhere in the text looked at"
        else:
            meaning = "stands nowhere as whole tokens"
        return Part(part.source, meaning, [], "", _instead(part, links))
    n_left = part.n_token_ids - len(part.tokens)
    return Part(
        part.source,
        f"{ends} {on_tokens(part.n_places)}",
        [(text_pieces(token.token), text.count(n)) for token, n in part.tokens],
        f"and {text.count(n_left)} other token{'s' if n_left > 1 else ''}" if n_left else "",
        [],
    )


def _instead(part: PartMeaning, links: ReadingLinks) -> list[InsteadLink]:
    """Those short enough for an address."""
    return [
        InsteadLink(
            other.source,
            links.to(reading=other.reading),
            f"{_stands(other)} {on_tokens(other.n_places)}",
        )
        for other in part.instead
        if len(other.reading) <= MOST_CHARACTERS
    ]


def _stands(other: Instead) -> str:
    inside = other.source.startswith("/")
    return "finds it inside tokens: a match ends on" if inside else "stands on"


def _scope(answer: Answer) -> str:
    contexts = (
        f"all {text.count(answer.n_contexts_all)} contexts"
        if answer.n_contexts == answer.n_contexts_all
        else f"the first {text.count(answer.n_contexts)} of {text.count(answer.n_contexts_all)} "
        "contexts"
    )
    return (
        f"All numbers are exact counts over the {text.count(answer.score.n_tokens)} counted tokens "
        f"of {contexts}; matches and distances end where a document or a context does."
    )
