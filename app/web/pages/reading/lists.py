"""The lists of a reading's answer: places where it is wrong on either side, and where it is right.

Takes an answer and the view, gives lists whose tokens offer the reading changed there. Knows
neither how a reading is matched nor any query.
"""

from dataclasses import dataclass

from app.web import text
from app.web.pages.feature.material import Material
from app.web.pages.reading.answer import Answer, TokenShare
from app.web.pages.reading.cases import Case, CaseWindow, shown_case
from app.web.pages.reading.links import ReadingLinks
from app.web.pages.reading.suggestions import written
from app.web.token_text import Pieces, text_pieces
from app.web.views import FeatureView

N_EACH, N_HITS = 10, 6
"""Counterexamples of each side, and places where both agree, on the page."""
N_EACH_BESIDE, N_HITS_BESIDE = 2, 1
"""The same beside an example opened with every value: the page has room for one of the two."""
MOST_CHARACTERS = 400
"""Of a reading, as the address takes it."""
_ORDER_WORDS = {
    "strongest": "strongest first",
    "weakest": "weakest first",
    "drawn": "drawn at random",
    "corpus": "in the order of the corpus",
}


@dataclass(frozen=True)
class Change:
    """A token on which the reading is wrong, and the reading changed there."""

    pieces: Pieces
    counts: str
    label: str
    """what the link does"""
    url: str
    """empty where the language can't say it, or the reading is right at most places of the token"""


@dataclass(frozen=True)
class CaseList:
    """Places under one heading."""

    name: str
    heading: str
    detail: str
    cases: list[Case]
    tokens_note: str
    """how to read the tokens' counts"""
    changes: list[Change]


def missed_list(
    material: Material, view: FeatureView, answer: Answer, links: ReadingLinks
) -> CaseList:
    """Firings to which the reading says no."""
    n = answer.score.n_missed
    return CaseList(
        "missed",
        "Fires though the reading says no",
        _list_words(n, len(answer.missed), "tokens", _ORDER_WORDS[view.order])
        if n
        else "nowhere: the reading says yes wherever it fires",
        _cases(material, answer.missed),
        "By token, of the places where the reading says no",
        [_change(side, view, links, "add it", "{0} | {1}") for side in answer.missed_tokens],
    )


def silent_list(
    material: Material, view: FeatureView, answer: Answer, links: ReadingLinks
) -> CaseList:
    """Places without a firing to which it says yes."""
    n = answer.score.n_silent
    order = _ORDER_WORDS["corpus" if view.order == "corpus" else "drawn"]
    if view.order in ("strongest", "weakest"):
        order += ", silence having no strength"
    return CaseList(
        "silent",
        "Silent though the reading says yes",
        _list_words(n, len(answer.silent), "tokens", order)
        if n
        else "nowhere: it fires wherever the reading says yes",
        _cases(material, answer.silent),
        "By token, of the places where the reading says yes",
        [
            _change(side, view, links, "leave it out", "({0}) and not {1}")
            for side in answer.silent_tokens
        ],
    )


def hits_list(material: Material, view: FeatureView, answer: Answer) -> CaseList:
    """Firings to which it says yes."""
    n = answer.score.n_both
    return CaseList(
        "hit",
        "Fires, and the reading says yes",
        _list_words(n, len(answer.hits), "tokens", _ORDER_WORDS[view.order]) if n else "nowhere",
        _cases(material, answer.hits),
        "",
        [],
    )


def _change(
    side: TokenShare, view: FeatureView, links: ReadingLinks, label: str, form: str
) -> Change:
    """The reading changed at one token; a link only where most of its places are wrong now."""
    exact = written(side.token)
    changed = form.format(view.reading.strip(), exact)
    usable = exact and 2 * side.n > side.n_of and len(changed) <= MOST_CHARACTERS
    return Change(
        text_pieces(side.token.token),
        f"{text.count(side.n)} of {text.count(side.n_of)}",
        label,
        links.to(reading=changed) if usable else "",
    )


def _list_words(n: int, n_shown: int, things: str, order: str) -> str:
    if n == n_shown:
        return (
            f"1 {things.removesuffix('s')}" if n == 1 else f"all {text.count(n)} {things}, {order}"
        )
    return f"{n_shown} of {text.count(n)} {things}, {order}; one per context as far as there are"


def _cases(material: Material, windows: list[CaseWindow]) -> list[Case]:
    record = material.record
    maximum = record.max_activation or 0.0
    return [
        shown_case(material.sae, record.feature_index, window, maximum)
        for window in windows[:N_EACH]
    ]
