"""What a feature's page says of the notebook: labels, notes, stars, the lists it is on.

Takes the notebook as the request reads it and the dictionary; gives what the partials print and
what the twin says. A notebook that can't be read is a sentence. Knows no form's fate.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from app.db.catalog import Sae
from app.notebook import labels, lists, notes
from app.notebook.errors import NotebookError
from app.notebook.markdown import markdown_html
from app.notebook.records import Entry, FeatureList, Label, Note, Shown
from app.web import urls
from app.web.access.visit import visit
from app.web.notebook.reader import Reader
from app.web.pages.notebook import words
from app.web.pages.notebook.scores import ScoreRow, score_rows
from app.web.views import FeatureView

_BYTES_OF_FORMS = 3_400
_BYTES_OF_LINE = 900
_BYTES_OF_SCORES = 2_000
_BYTES_OF_CHOICE = 100
MOST_CHARACTERS = 6_000
"""Of notes shown on a feature's page; longer ones, and those beyond, are linked to."""
MOST_LISTS = 40
"""Offered to put the feature on; any other by its title"""
LABELS_IN_SIGHT = 5
"""Further ones are in a fold."""


@dataclass(frozen=True)
class LabelLine:
    """One label."""

    label: Label
    is_chosen: bool
    is_stale: bool
    """written about another dictionary under the same name"""
    origin: str
    score: str
    scores: list[ScoreRow]
    """each of its scores with its counts, or why there is none"""
    evidence: str
    test_url: str
    """this page with the label's reading tested now; empty without one"""
    url: str
    """its history, and where it is edited"""


@dataclass(frozen=True)
class NoteLine:
    """One note."""

    note: Note
    html: str
    """empty where it is too long to stand here"""
    is_stale: bool
    url: str


@dataclass(frozen=True)
class NotebookPanel:
    """Everything the partials of the notebook print."""

    kept: bool = False
    """a notebook is kept at all"""
    problem: str = ""
    """why it can't be read; usually empty"""
    may_write: bool = False
    """whoever looks may write about this feature"""
    labels: list[LabelLine] = field(default_factory=list)
    """the one shown first comes first"""
    shown: Shown = field(default_factory=Shown)
    notes: list[NoteLine] = field(default_factory=list)
    starred_by: list[str] = field(default_factory=list)
    on_lists: list[tuple[FeatureList, Entry]] = field(default_factory=list)
    other_lists: list[FeatureList] = field(default_factory=list)
    """it can be put on: those changed last"""

    @property
    def first(self) -> LabelLine | None:
        """The label that stands in the page's head; none about another dictionary does."""
        return self.labels[0] if self.labels and not self.labels[0].is_stale else None

    @property
    def labels_in_sight(self) -> list[LabelLine]:
        """The first of them."""
        return self.labels[:LABELS_IN_SIGHT]

    @property
    def labels_in_fold(self) -> list[LabelLine]:
        """The rest."""
        return self.labels[LABELS_IN_SIGHT:]

    @property
    def is_shown(self) -> bool:
        """Whether there is something to read or to write."""
        said = self.problem or self.labels or self.notes or self.on_lists or self.starred_by
        return bool(said) or self.may_write

    @property
    def n_bytes(self) -> int:
        """What it takes of the page, nearly: its forms, then what people wrote."""
        found = 0
        if self.may_write:
            found = _BYTES_OF_FORMS + _BYTES_OF_CHOICE * len(self.other_lists)
        found += _BYTES_OF_LINE * (len(self.labels) + len(self.on_lists))
        found += _BYTES_OF_SCORES * sum(bool(line.scores) for line in self.labels)
        return found + sum(_BYTES_OF_LINE + len(line.html.encode()) for line in self.notes)

    def as_json(self) -> dict[str, Any]:
        """For the twin: everything as it is stored, the label shown first in its place."""
        return {
            "label": self.first.label.text if self.first else None,
            "labels": [
                asdict(line.label)
                | {"chosen": line.is_chosen, "of_this_dictionary": not line.is_stale}
                for line in self.labels
            ],
            "notes": [
                asdict(line.note) | {"of_this_dictionary": not line.is_stale} for line in self.notes
            ],
            "starred_by": self.starred_by,
            "lists": [
                {"slug": one.slug, "title": one.title, "remark": entry.remark}
                for one, entry in self.on_lists
            ],
        }


def build_notebook_panel(reader: Reader, sae: Sae, feature_index: int) -> NotebookPanel:
    """The panel of a feature that exists."""
    connection = reader.connection
    if connection is None:
        return NotebookPanel(kept=reader.kept, problem=reader.problem)
    about = (sae.record.model, sae.record.sae, feature_index)
    scope = reader.scope
    may_label = scope.labels and (scope.only is None or (sae.address, feature_index) in scope.only)
    try:
        shown = labels.shown_of(connection, *about)
        found = labels.labels_of(connection, *about) if may_label else []
        written = notes.notes_of(connection, *about) if scope.notes else []
        starred = notes.starring(connection, *about) if scope.lists else []
        on_lists = lists.entries_about(connection, *about) if scope.lists else []
        without = [one.uid for one, _ in on_lists]
        others = (
            lists.changed_last(connection, MOST_LISTS, without, reader.only) if scope.lists else []
        )
    except NotebookError as error:
        return NotebookPanel(kept=True, problem=str(error))
    ordered = labels.in_order(found, shown.label_uid, sae.record.weights_hash)
    return NotebookPanel(
        kept=True,
        may_write=scope.forms and visit().viewer.may_write(*about[:2]),
        labels=[_label_line(label, shown, sae) for label in ordered],
        shown=shown,
        notes=_note_lines(written, sae),
        starred_by=[star.author for star in starred],
        on_lists=on_lists,
        other_lists=others,
    )


def _label_line(label: Label, shown: Shown, sae: Sae) -> LabelLine:
    test = ""
    if label.reading:
        view = FeatureView(reading=label.reading).arguments()
        test = f"{urls.feature_url(sae, label.feature_index, view)}#reading"
    return LabelLine(
        label=label,
        is_chosen=label.uid == shown.label_uid,
        is_stale=label.weights_hash != sae.record.weights_hash,
        origin=words.origin(label),
        score=words.score(label),
        scores=score_rows(label.scores),
        evidence=words.evidence(label.evidence),
        test_url=test,
        url=urls.thing_url("label", label.uid),
    )


def _note_lines(written: list[Note], sae: Sae) -> list[NoteLine]:
    found: list[NoteLine] = []
    left = MOST_CHARACTERS
    for note in written:
        fits = len(note.text) <= left
        left -= len(note.text) if fits else 0
        found.append(
            NoteLine(
                note=note,
                html=markdown_html(note.text) if fits else "",
                is_stale=note.weights_hash != sae.record.weights_hash,
                url=urls.thing_url("note", note.uid),
            )
        )
    return found
