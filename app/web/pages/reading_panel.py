"""The panel that tests a reading: its form, what is wrong with the reading, or the answer in words.

Takes a feature's material and the view, gives what the template prints. Without a reading no event
is read. Knows neither how a reading is matched nor any query.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from app.stats.reading.errors import ReadingError
from app.stats.reading.grammar import HELP, HelpRow
from app.stats.reading.score import Score
from app.web import text
from app.web.event_files import missing_sentence
from app.web.memory import Memory
from app.web.pages.feature_material import Material
from app.web.pages.reading_answer import Answer, PartMeaning, TokenShare, answer_reading
from app.web.pages.reading_cases import Case, CaseWindow, shown_case
from app.web.pages.reading_suggestions import suggested_readings, written
from app.web.token_text import Pieces, text_pieces
from app.web.urls import feature_url
from app.web.views import FeatureView

N_EACH, N_HITS = 10, 6
"""Counterexamples of each side, and places where both agree, on the page."""
N_EACH_JSON = 100
"""The same in the twin, hits as well."""
MOST_CHARACTERS = 400
"""Of a reading, as the address takes it."""
ASKS_FOR_HELP = "?"
"""A reading that shows the language instead of an answer."""
_ORDERS = ("strongest", "weakest", "drawn", "corpus")
_ORDER_WORDS = {
    "strongest": "strongest first",
    "weakest": "weakest first",
    "drawn": "drawn at random",
    "corpus": "in the order of the corpus",
}


@dataclass(frozen=True)
class Link:
    """An address of this page with another reading or order."""

    label: str
    url: str
    current: bool = False


@dataclass(frozen=True)
class Problem:
    """What is wrong with a reading, and the reading cut at the place."""

    sentence: str
    before: str
    marked: str
    """empty where the sentence is about the end"""
    after: str


@dataclass(frozen=True)
class Figure:
    """One number of the answer with what it is made of."""

    name: str
    value: str
    detail: str
    title: str
    """its definition in a sentence"""


@dataclass(frozen=True)
class Band:
    """The firings of one band of activation."""

    label: str
    share: str
    counts: str
    bar: float
    """percent of the bar's width"""


@dataclass(frozen=True)
class Part:
    """What one part of the reading stands for."""

    source: str
    meaning: str
    tokens: list[tuple[Pieces, str]]
    more: str
    """how many tokens are not listed; empty where all are"""


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


@dataclass(frozen=True)
class ReadingPanel:
    """Everything the partial `reading` prints."""

    typed: str
    action: str
    """the address of the page, without arguments"""
    kept: list[tuple[str, str]]
    """arguments of the view the form hands on"""
    suggestions: list[Link]
    help_url: str
    clear_url: str
    help: tuple[HelpRow, ...]
    """the whole language; empty where nothing was typed, to keep the page small"""
    help_open: bool
    problem: Problem | None
    absent: str
    """why there is no answer though the reading was asked; usually empty"""
    result: Result | None
    answer: Answer | None = field(repr=False)
    """what the twin is made of; no template prints it"""
    error: ReadingError | None = field(repr=False)


def build_reading_panel(
    connection: Connection,
    material: Material,
    view: FeatureView,
    memory: Memory,
    everything: bool = False,
) -> ReadingPanel:
    """The panel; with a reading, its answer.

    Args:
        everything: list as many places as the twin does.
    """
    typed = view.reading.strip()
    error, answer, absent = None, None, ""
    if typed and typed != ASKS_FOR_HELP:
        source = memory.events(connection, material.sae)
        n_each, n_hits = (N_EACH_JSON, N_EACH_JSON) if everything else (N_EACH, N_HITS)
        if source is None:
            absent = missing_sentence(memory.atlas)
        else:
            try:
                answer = answer_reading(
                    connection,
                    material.sae,
                    memory,
                    source,
                    material.record.feature_index,
                    view.reading,
                    view.order,
                    n_each,
                    n_hits,
                )
            except ReadingError as caught:
                error = caught
    links = _Links(material, view)
    return ReadingPanel(
        typed=view.reading,
        action=feature_url(material.sae, material.record.feature_index),
        kept=view.arguments(reading="", order="strongest"),
        suggestions=[]
        if answer is not None
        else [Link(reading, links.to(reading=reading)) for reading in suggested_readings(material)],
        help_url=links.to(reading=ASKS_FOR_HELP),
        clear_url=links.to(reading="", order="strongest"),
        help=HELP if typed else (),
        help_open=typed == ASKS_FOR_HELP,
        problem=None if error is None else _problem(view.reading, error),
        absent=absent,
        result=None if answer is None else _result(material, view, answer, links),
        answer=answer,
        error=error,
    )


class _Links:
    """Addresses of this page with another reading or order."""

    def __init__(self, material: Material, view: FeatureView) -> None:
        self._material = material
        self._view = view

    def to(self, **changes: str) -> str:
        arguments = self._view.arguments(**changes)
        record = self._material.record
        return feature_url(self._material.sae, record.feature_index, arguments) + "#reading"


def _problem(typed: str, error: ReadingError) -> Problem:
    return Problem(
        str(error), typed[: error.start], typed[error.start : error.stop], typed[error.stop :]
    )


def _result(material: Material, view: FeatureView, answer: Answer, links: _Links) -> Result:
    score = answer.score
    return Result(
        sentence=_sentence(score),
        figures=_figures(score),
        bands=_bands(score),
        parts=[_part(part) for part in answer.parts],
        counterexamples=[
            _missed(material, view, answer, links),
            _silent(material, view, answer, links),
        ],
        hits=_hits(material, view, answer),
        orders=[
            Link(order.capitalize(), links.to(order=order), order == view.order)
            for order in _ORDERS
        ],
        scope=_scope(answer),
    )


def _sentence(score: Score) -> list[tuple[str, str]]:
    n = text.count(score.n_tokens)
    if score.n_fires == 0:
        return [
            ("text", "The feature fires on none of the "),
            ("number", n),
            ("text", " tokens looked at, so there is nothing to hold the reading against. It says "
                     "yes on "),
            ("number", text.count(score.n_says_yes)),
            ("text", " of them."),
        ]  # fmt: skip
    fires = f"{_on_tokens(score.n_fires)}"
    if score.n_says_yes == 0:
        return [
            ("text", "The reading says yes on none of the "),
            ("number", n),
            ("text", f" tokens looked at; the feature fires on {fires}. What the parts stand for "
                     "says where it goes wrong."),
        ]  # fmt: skip
    return [
        ("text", "The reading says yes on "),
        ("number", text.count(score.n_says_yes)),
        ("text", f" of {n} tokens; the feature fires on "),
        ("number", text.count(score.n_both)),
        ("text", f" of them ({text.percent(score.precision)}; of all tokens it fires on "
                 f"{text.percent(score.density)}). It fires on {fires} in all: the reading says "
                 "yes to "),
        ("number", text.percent(score.recall)),
        ("text", " of these, which carry "),
        ("number", text.percent(score.mass_share)),
        ("text", " of its activation."),
    ]  # fmt: skip


def _on_tokens(n: int) -> str:
    return "1 token" if n == 1 else f"{text.count(n)} tokens"


def _figures(score: Score) -> list[Figure]:
    return [
        Figure(
            "Precision",
            text.percent(score.precision),
            f"{text.count(score.n_both)} of {text.count(score.n_says_yes)} yeses fire",
            "Of the tokens the reading says yes to, the share on which the feature fires.",
        ),
        Figure(
            "Recall",
            text.percent(score.recall),
            f"{text.count(score.n_both)} of {text.count(score.n_fires)} firings are yeses",
            "Of the tokens the feature fires on, the share the reading says yes to.",
        ),
        Figure(
            "Activation explained",
            text.percent(score.mass_share),
            f"{text.number(score.mass_both)} of {text.number(score.mass)}, summed",
            "Of the sum of all its activations, the share on tokens the reading says yes to.",
        ),
        Figure(
            "Both at once",
            text.percent(score.f1),
            "F1: high only where precision and recall are",
            "The harmonic mean of precision and recall: high only where both are.",
        ),
        Figure(
            "By chance",
            text.percent(score.density),
            "precision of saying yes at random",
            "The share of all tokens on which it fires: the precision of a reading that says yes "
            "at random.",
        ),
    ]


def _bands(score: Score) -> list[Band]:
    if score.n_fires == 0:
        return []
    rows = zip(
        score.band_edges[:-1],
        score.band_edges[1:],
        score.band_n_fires,
        score.band_n_both,
        strict=True,
    )
    return [
        Band(
            f"{text.number(low)} – {text.number(high)}",
            text.percent(n_both / n_fires) if n_fires else text.MISSING,
            f"{text.count(n_both)} of {text.count(n_fires)}",
            round(100 * n_both / n_fires, 2) if n_fires else 0.0,
        )
        for low, high, n_fires, n_both in rows
    ][::-1]


def _part(part: PartMeaning) -> Part:
    ends = "a match ends on" if part.kind == "expression" else "stands on"
    if part.n_places == 0:
        if part.kind == "expression":
            meaning = "matches nowhere in the text looked at"
        else:
            meaning = (
                "stands nowhere as whole tokens; /"
                + part.source.strip("'\"‘’“”").replace("/", "\\/")
                + "/ finds it inside tokens as well"
            )
        return Part(part.source, meaning, [], "")
    n_left = part.n_token_ids - len(part.tokens)
    return Part(
        part.source,
        f"{ends} {_on_tokens(part.n_places)}",
        [(text_pieces(token.token), text.count(n)) for token, n in part.tokens],
        f"and {text.count(n_left)} other token{'s' if n_left > 1 else ''}" if n_left else "",
    )


def _missed(material: Material, view: FeatureView, answer: Answer, links: _Links) -> CaseList:
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


def _silent(material: Material, view: FeatureView, answer: Answer, links: _Links) -> CaseList:
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


def _hits(material: Material, view: FeatureView, answer: Answer) -> CaseList:
    n = answer.score.n_both
    return CaseList(
        "hit",
        "Fires, and the reading says yes",
        _list_words(n, len(answer.hits), "tokens", _ORDER_WORDS[view.order]) if n else "nowhere",
        _cases(material, answer.hits),
        "",
        [],
    )


def _change(side: TokenShare, view: FeatureView, links: _Links, label: str, form: str) -> Change:
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
        for window in windows[: max(N_EACH, N_HITS)]
    ]


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
