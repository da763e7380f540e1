"""The page of one thing somebody wrote: its text, the form that changes it, its history.

The same page answers a form that couldn't be kept: what was sent stays in the fields, beside it
stands what somebody else wrote meanwhile, or why it can't be kept. Takes things and what was sent,
gives what the template prints. Knows no table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from app.notebook.limits import LONGEST
from app.notebook.markdown import markdown_html
from app.notebook.records import Explanation, Kind, Revision
from app.notebook.things import SAID, Record
from app.web.pages.notebook import words
from app.web.pages.notebook.scores import ScoreRow, score_rows


@dataclass(frozen=True)
class FieldKind:
    """One field of a kind of thing."""

    name: str
    label: str
    limit: str
    """which limit of `limits.LONGEST` holds"""
    rows: int
    """of a text area; 0 for one line"""
    hint: str = ""


FIELDS: Mapping[Kind, tuple[FieldKind, ...]] = {
    "label": (
        FieldKind("text", "Label", "label", 0, "what it is, in a few words"),
        FieldKind("reading", "Reading", "reading", 0, "optional: the claim as one that is tested"),
    ),
    "note": (FieldKind("text", "Note", "note", 14, "Markdown"),),
    "list": (
        FieldKind("title", "Title", "title", 0),
        FieldKind("text", "What it is for", "description", 8, "Markdown"),
    ),
    "entry": (FieldKind("remark", "Remark", "remark", 4),),
}


@dataclass(frozen=True)
class FormField:
    """A field as it stands in the form."""

    kind: FieldKind
    value: str
    theirs: str | None
    """what stands in the notebook now, where it is another text and both are to be seen"""

    @property
    def longest(self) -> int:
        """Characters it may have."""
        return LONGEST[self.kind.limit]


@dataclass(frozen=True)
class HistoryLine:
    """One version."""

    revision: Revision
    texts: list[tuple[FieldKind, str]]
    """field and text as they were after it; empty ones are left out"""
    evidence: str


@dataclass(frozen=True)
class ThingPage:
    """Context of `pages/notebook-thing.html`."""

    kind: Kind
    said: str
    """the kind, in a word"""
    action: str
    """where its form is sent"""
    fields: list[FormField]
    version: int
    """the form was made on; 0 for something new"""
    problem: str
    """why what was sent wasn't kept; empty where nothing was sent"""
    is_conflict: bool
    thing: Record | None
    """as it stands in the notebook; None for something new"""
    html: str
    """its Markdown, where it has any"""
    about: str
    """what it is about, in words"""
    about_url: str
    may_write: bool
    history: list[HistoryLine]
    scores: list[ScoreRow] = field(default_factory=list)
    """of a label that a language model was asked to find the feature by"""
    explanation: Explanation | None = None
    """how a label was made here by a language model"""

    @property
    def made_from(self) -> str:
        """From how many texts it was made and scored."""
        return "" if self.explanation is None else words.split(self.explanation.split)

    def as_json(self) -> dict[str, Any]:
        """The thing and its history, the newest version first."""
        return {
            "kind": self.kind,
            "thing": None if self.thing is None else asdict(self.thing),
            "problem": self.problem or None,
            "sent": {field.kind.name: field.value for field in self.fields}
            if self.problem
            else None,
            "explanation": None if self.explanation is None else asdict(self.explanation),
            "history": [asdict(line.revision) for line in self.history],
        }


def build_thing_page(
    kind: Kind,
    thing: Record | None,
    history: Sequence[Revision],
    action: str,
    about: tuple[str, str],
    may_write: bool,
    sent: Mapping[str, str] | None = None,
    problem: str = "",
    is_conflict: bool = False,
    explanation: Explanation | None = None,
) -> ThingPage:
    """The page of a thing, or of one that isn't kept yet.

    Args:
        about: what it is about, and its address.
        sent: what a form brought that wasn't kept.
        explanation: how a label was made, where a language model made it here.
    """
    fields = [_field(own, thing, sent, is_conflict) for own in FIELDS[kind]]
    text = getattr(thing, "text", "") if kind in ("note", "list") else ""
    return ThingPage(
        kind=kind,
        said=SAID[kind],
        action=action,
        fields=fields,
        version=0 if thing is None else thing.version,
        problem=problem,
        is_conflict=is_conflict,
        thing=thing,
        html=markdown_html(text) if text else "",
        about=about[0],
        about_url=about[1],
        may_write=may_write,
        history=[_history_line(kind, revision) for revision in history],
        scores=score_rows(getattr(thing, "scores", {})),
        explanation=explanation,
    )


def _field(
    own: FieldKind, thing: Record | None, sent: Mapping[str, str] | None, is_conflict: bool
) -> FormField:
    here = "" if thing is None else str(getattr(thing, own.name))
    if sent is None:
        return FormField(own, here, None)
    value = sent.get(own.name, "")
    return FormField(own, value, here if is_conflict and here != value else None)


def _history_line(kind: Kind, revision: Revision) -> HistoryLine:
    record = revision.record
    texts = [(own, str(record.get(own.name) or "")) for own in FIELDS[kind]]
    found = record.get("evidence")
    return HistoryLine(
        revision,
        [(own, text) for own, text in texts if text],
        words.evidence(found) if isinstance(found, Mapping) else "",
    )
