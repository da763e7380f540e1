"""`/{model}/{sae}/{feature_index}/labels`, `/notes`, `/star`, `/lists`: forms about one feature.

Each writes and leads back to the feature (303); what can't be kept comes back as a page with the
text still in it.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from app.access.viewer import Viewer
from app.db.catalog import Sae
from app.errors import echoed
from app.notebook import labels, lists, notes
from app.notebook.errors import NotAllowed
from app.notebook.limits import SLUG, checked_line
from app.notebook.records import Kind, Subject
from app.web import urls
from app.web.dependencies import ConnectionDep, FeatureIndexDep, MemoryDep, SaeDep, ViewerDep
from app.web.notebook.evidence import measure
from app.web.notebook.forms import LabelText, NoteText, ReadingText, Remark, Slug, Title
from app.web.notebook.reader import NotebookDep
from app.web.notebook.saving import NotSaved, save
from app.web.pages.notebook.thing import build_thing_page
from app.web.respond import respond
from app.web.same_site import check_same_site

router = APIRouter(dependencies=[])
_WRITES = [Depends(check_same_site)]


async def get_writer(viewer: ViewerDep, sae: SaeDep) -> Viewer:
    """Who may write about features of this dictionary."""
    if not viewer.may_write(sae.record.model, sae.record.sae):
        raise HTTPException(
            403, "You may read this, not write: ask whoever runs the atlas for a key that writes."
        )
    return viewer


WriterDep = Annotated[Viewer, Depends(get_writer)]


@router.post(
    "/{model}/{sae}/{feature_index:number}/labels", summary="Label a feature (303)",
    dependencies=_WRITES,
)  # fmt: skip
def add_label(
    request: Request,
    connection: ConnectionDep,
    memory: MemoryDep,
    notebook: NotebookDep,
    sae: SaeDep,
    feature_index: FeatureIndexDep,
    writer: WriterDep,
    text: LabelText = "",
    reading: ReadingText = "",
) -> Response:
    """A new label; with a reading, precision, recall and activation explained are kept with it."""

    def write(pen: Connection) -> None:
        about = subject(sae, feature_index)
        labels.add_label(pen, about, writer.name, text, reading, evidence)

    evidence, failed = None, None
    try:
        # Measured before anybody waits for the transaction; what can't be kept isn't measured.
        checked_line("label", text)
        if asked := checked_line("reading", reading, required=False):
            measured = measure(connection, memory, sae, feature_index, asked)
            evidence = None if measured is None else measured.as_json()
    except NotAllowed as error:
        failed = NotSaved(400, str(error))
    sent = {"text": text, "reading": reading}
    failed = failed or save(notebook, write)
    return _answer(request, sae, feature_index, "label", "labels", sent, failed)


@router.post(
    "/{model}/{sae}/{feature_index:number}/notes", summary="Write a note on a feature (303)",
    dependencies=_WRITES,
)  # fmt: skip
def add_note(
    request: Request,
    notebook: NotebookDep,
    sae: SaeDep,
    feature_index: FeatureIndexDep,
    writer: WriterDep,
    text: NoteText = "",
) -> Response:
    """A new note, in Markdown."""

    def write(pen: Connection) -> None:
        notes.add_note(pen, subject(sae, feature_index), writer.name, text)

    failed = save(notebook, write)
    return _answer(request, sae, feature_index, "note", "notes", {"text": text}, failed)


@router.post(
    "/{model}/{sae}/{feature_index:number}/star", summary="Star a feature, or no longer (303)",
    dependencies=_WRITES,
)  # fmt: skip
def star(
    notebook: NotebookDep,
    sae: SaeDep,
    feature_index: FeatureIndexDep,
    writer: WriterDep,
    starred: Annotated[bool, Form()] = True,
) -> Response:
    """Marks it for the reader's own list of stars."""

    def write(pen: Connection) -> None:
        notes.set_star(pen, subject(sae, feature_index), writer.name, starred)

    if failed := save(notebook, write):
        raise HTTPException(failed.status, failed.sentence)
    return RedirectResponse(urls.feature_url(sae, feature_index), 303)


@router.post(
    "/{model}/{sae}/{feature_index:number}/lists", summary="Put a feature on a list (303)",
    dependencies=_WRITES,
)  # fmt: skip
def add_to_list(
    request: Request,
    notebook: NotebookDep,
    sae: SaeDep,
    feature_index: FeatureIndexDep,
    writer: WriterDep,
    slug: Slug = "",
    title: Title = "",
    remark: Remark = "",
) -> Response:
    """On the list of an address, or, with a title, on the one of that title: there or new."""

    def write(pen: Connection) -> None:
        if slug and not SLUG.fullmatch(slug):
            raise NotAllowed(f"{echoed(slug)!r} is no address of a list: choose one again.")
        if title.strip():
            named = lists.find_by_title(pen, checked_line("title", title), writer.dictionary)
            to = named or lists.add_list(pen, writer.name, title)
        elif slug:
            to = lists.find_list(pen, slug, writer.dictionary)
            if to.withdrawn:
                raise NotAllowed(f"The list “{to.title}” was withdrawn: restore it first.")
        else:
            raise NotAllowed("No list was named: choose one, or give a new one a title.")
        lists.add_entry(pen, to, subject(sae, feature_index), writer.name, remark)

    failed = save(notebook, write)
    sent = {"remark": remark, "slug": slug, "title": title}
    return _answer(request, sae, feature_index, "entry", "lists", sent, failed)


def subject(sae: Sae, feature_index: int) -> Subject:
    """What is written about: the feature, and the dictionary as it is now."""
    record = sae.record
    return Subject(record.model, record.sae, feature_index, record.weights_hash)


def _answer(
    request: Request,
    sae: Sae,
    feature_index: int,
    kind: Kind,
    what: str,
    sent: dict[str, str],
    failed: NotSaved | None,
) -> Response:
    url = urls.feature_url(sae, feature_index)
    if failed is None:
        return RedirectResponse(f"{url}#notebook", 303)
    page: Callable = lambda: build_thing_page(  # noqa: E731
        kind,
        None,
        [],
        urls.write_url(sae, feature_index, what),
        (f"feature {feature_index} of {sae.address}", url),
        True,
        sent,
        failed.sentence,
    )
    return respond(request, "notebook-thing", page, status=failed.status)
