"""The panel that tests a reading: its form, what is wrong with the reading, or its answer.

Takes a feature's material and the view, gives what the template prints. Without a reading no event
is read. Knows neither how a reading is matched nor any query.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from app.evidence.event_files import missing_sentence
from app.stats.reading.errors import ReadingError
from app.stats.reading.grammar import HELP, HelpRow
from app.web.memory import Memory
from app.web.pages.feature.material import Material
from app.web.pages.reading.answer import Answer, answer_reading
from app.web.pages.reading.links import Link, ReadingLinks
from app.web.pages.reading.lists import N_EACH, N_EACH_BESIDE, N_HITS, N_HITS_BESIDE
from app.web.pages.reading.result import Result, build_result
from app.web.pages.reading.suggestions import suggested_readings
from app.web.urls import feature_url
from app.web.views import FeatureView

N_EACH_JSON = 100
"""Counterexamples of each side, and places where both agree, in the twin."""
ASKS_FOR_HELP = "?"
"""A reading that shows the language instead of an answer."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a reading, and the reading cut at the place."""

    sentence: str
    before: str
    marked: str
    """empty where the sentence is about the end"""
    after: str


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
    untestable: bool
    """whether no reading can be asked: an import's firings aren't at hand"""
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
    untestable = material.sae.record.imported is not None
    if untestable:
        absent = missing_sentence(memory.atlas, material.sae)
    elif typed and typed != ASKS_FOR_HELP:
        source = memory.events(connection, material.sae)
        n_each, n_hits = _n_listed(view, everything)
        if source is None:
            absent = missing_sentence(memory.atlas, material.sae)
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
    links = ReadingLinks(material, view)
    return ReadingPanel(
        typed=view.reading,
        action=feature_url(material.sae, material.record.feature_index),
        kept=view.arguments(reading="", order="strongest"),
        suggestions=[]
        if answer is not None or untestable
        else [Link(reading, links.to(reading=reading)) for reading in suggested_readings(material)],
        help_url=links.to(reading=ASKS_FOR_HELP),
        clear_url=links.to(reading="", order="strongest"),
        help=HELP if typed and not untestable else (),
        help_open=typed == ASKS_FOR_HELP,
        problem=None if error is None else _problem(view.reading, error),
        absent=absent,
        untestable=untestable,
        result=None if answer is None else build_result(material, view, answer, links),
        answer=answer,
        error=error,
    )


def _problem(typed: str, error: ReadingError) -> Problem:
    return Problem(
        str(error), typed[: error.start], typed[error.start : error.stop], typed[error.stop :]
    )


def _n_listed(view: FeatureView, everything: bool) -> tuple[int, int]:
    """Counterexamples of each side, and places where both agree."""
    if everything:
        return N_EACH_JSON, N_EACH_JSON
    return (N_EACH_BESIDE, N_HITS_BESIDE) if view.example else (N_EACH, N_HITS)
