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
from app.web.notebook.reader import Reader
from app.web.pages.notebook import words
from app.web.views import FeatureView

_BYTES_OF_FORMS = 5_500
_BYTES_OF_LINE = 900
MOST_CHARACTERS = 6_000
"""Of notes shown on a feature's page; longer ones, and those beyond, are linked to."""


@dataclass(frozen=True)
class LabelLine:
    """One label."""

    label: Label
    is_chosen: bool
    is_stale: bool
    """written about another dictionary under the same name"""
    origin: str
    when: str
    score: str
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
    when: str
    url: str


@dataclass(frozen=True)
class NotebookPanel:
    """Everything the partials of the notebook print."""

    kept: bool = False
    """a notebook is kept at all"""
    problem: str = ""
    """why it can't be read; usually empty"""
    labels: list[LabelLine] = field(default_factory=list)
    """the one shown first comes first"""
    shown: Shown = field(default_factory=Shown)
    notes: list[NoteLine] = field(default_factory=list)
    starred_by: list[str] = field(default_factory=list)
    on_lists: list[tuple[FeatureList, Entry]] = field(default_factory=list)
    other_lists: list[FeatureList] = field(default_factory=list)

    @property
    def first(self) -> LabelLine | None:
        """The label that stands in the page's head; none about another dictionary does."""
        return self.labels[0] if self.labels and not self.labels[0].is_stale else None

    @property
    def says_anything(self) -> bool:
        """Whether there is something to read, besides forms."""
        return bool(self.problem or self.labels or self.notes or self.on_lists or self.starred_by)

    @property
    def n_bytes(self) -> int:
        """What it takes of the page, nearly: its forms, then what people wrote."""
        if not self.kept:
            return 0
        found = _BYTES_OF_FORMS + _BYTES_OF_LINE * (len(self.labels) + len(self.on_lists))
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
    try:
        shown = labels.shown_of(connection, *about)
        found = labels.labels_of(connection, *about)
        written = notes.notes_of(connection, *about)
        starred_by = [star.author for star in notes.starring(connection, *about)]
        on_lists = lists.entries_about(connection, *about)
        every_list = [one for one, _ in lists.all_lists(connection, reader.only)]
    except NotebookError as error:
        return NotebookPanel(kept=True, problem=str(error))
    ordered = labels.in_order(found, shown.label_uid, sae.record.weights_hash)
    on = {one.uid for one, _ in on_lists}
    return NotebookPanel(
        kept=True,
        labels=[_label_line(label, shown, sae) for label in ordered],
        shown=shown,
        notes=_note_lines(written, sae),
        starred_by=starred_by,
        on_lists=on_lists,
        other_lists=[one for one in every_list if one.uid not in on],
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
        when=words.day(label.changed_at),
        score=words.score(label),
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
                when=words.day(note.changed_at),
                url=urls.thing_url("note", note.uid),
            )
        )
    return found
