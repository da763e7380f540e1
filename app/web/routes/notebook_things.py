"""`/-/notebook/{kind}/{uid:name}`: what somebody wrote, its history, and the forms that change it.

Every form carries the version it was made on. Where that is no longer the newest the answer is 409:
the same page, with what was sent still in its fields and what stands now beside it.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection, Engine

from app.access.viewer import Viewer
from app.db.catalog import Sae
from app.db.features import has_feature
from app.notebook import labels, lists, notes
from app.notebook.errors import Absent, NotAllowed
from app.notebook.explanations import explanation_behind
from app.notebook.limits import checked_line
from app.notebook.records import FeatureList
from app.notebook.things import (
    Record,
    absent,
    get_thing,
    history_of,
    restore_thing,
    withdraw_thing,
)
from app.web import urls
from app.web.dependencies import AtlasDep, ConnectionDep, MemoryDep, ViewerDep
from app.web.memory import Memory
from app.web.notebook.evidence import measure
from app.web.notebook.forms import NoteText, ReadingText, Remark, Title, Uid, Version
from app.web.notebook.reader import NotebookDep
from app.web.notebook.saving import NotSaved, save
from app.web.pages.notebook.thing import build_thing_page
from app.web.respond import respond
from app.web.same_site import check_same_site
from app.web.views import PlainView

router = APIRouter(prefix="/-/notebook")
_WRITES = [Depends(check_same_site)]

Kinds = Literal["label", "note", "list", "entry"]


def get_one(notebook: NotebookDep, viewer: ViewerDep, kind: Kinds, uid: Uid) -> Record:
    """The thing of the path; one about a dictionary the viewer may not see isn't there."""
    with notebook.connect() as connection:
        thing = get_thing(connection, kind, uid)
        if isinstance(thing, FeatureList):
            there = lists.is_there(connection, thing.uid, viewer.dictionary)
        else:
            there = viewer.may_read(thing.model, thing.sae)
    if not there:
        raise Absent(absent(kind))
    return thing


ThingDep = Annotated[Record, Depends(get_one)]


def may_write(viewer: Viewer, thing: Record) -> bool:
    """Whether somebody may change a thing."""
    if isinstance(thing, FeatureList):
        return viewer.writes
    return viewer.may_write(thing.model, thing.sae)


async def get_writer(viewer: ViewerDep, thing: ThingDep) -> Viewer:
    """Who may change the thing of the path."""
    if not may_write(viewer, thing):
        raise HTTPException(
            403, "You may read this, not write: ask whoever runs the atlas for a key that writes."
        )
    return viewer


WriterDep = Annotated[Viewer, Depends(get_writer)]


@router.get("/{kind}/{uid:name}", summary="A label, note, list or remark, and its history")
@router.get("/{kind}/{uid:name}.json", summary="The same as JSON")
def thing_page(
    request: Request,
    atlas: AtlasDep,
    notebook: NotebookDep,
    viewer: ViewerDep,
    kind: Kinds,
    thing: ThingDep,
    view: Annotated[PlainView, Query()],
) -> Response:
    """Every version of it, and the form that changes it for those who may."""
    return _page(request, notebook, viewer, kind, thing)


@router.post("/{kind}/{uid:name}", summary="Change it (303)", dependencies=_WRITES)
def change(
    request: Request,
    atlas: AtlasDep,
    connection: ConnectionDep,
    memory: MemoryDep,
    notebook: NotebookDep,
    writer: WriterDep,
    kind: Kinds,
    thing: ThingDep,
    version: Version,
    text: NoteText = "",
    reading: ReadingText = "",
    title: Title = "",
    remark: Remark = "",
) -> Response:
    """Texts that stayed as they are need not be sent the same; a version seen is needed always."""
    failed, evidence = None, None
    if kind == "label":
        try:
            evidence = _evidence(connection, memory, memory.saes(atlas), thing, reading)
        except NotAllowed as error:
            failed = NotSaved(400, str(error))

    def write(pen: Connection) -> None:
        who, uid = writer.name, thing.uid
        if kind == "label":
            labels.change_label(pen, uid, version, who, text, reading, evidence)
        elif kind == "note":
            notes.change_note(pen, uid, version, who, text)
        elif kind == "list":
            lists.change_list(pen, uid, version, who, title, text)
        else:
            lists.change_entry(pen, uid, version, who, remark)

    failed = failed or save(notebook, write)
    if failed is None:
        return RedirectResponse(_about(thing, notebook)[1], 303)
    sent = {"text": text, "reading": reading, "title": title, "remark": remark}
    return _page(request, notebook, writer, kind, thing, sent, failed)


@router.post("/{kind}/{uid:name}/withdraw", summary="Take it back (303)", dependencies=_WRITES)
def withdraw(
    request: Request,
    atlas: AtlasDep,
    notebook: NotebookDep,
    writer: WriterDep,
    kind: Kinds,
    thing: ThingDep,
    version: Version,
) -> Response:
    """It is shown nowhere but on its own page, from where it can be restored."""
    failed = save(notebook, lambda p: withdraw_thing(p, kind, thing.uid, version, writer.name))
    if failed is None:
        return RedirectResponse(urls.thing_url(kind, thing.uid), 303)
    return _page(request, notebook, writer, kind, thing, None, failed)


@router.post("/{kind}/{uid:name}/restore", summary="Put it back (303)", dependencies=_WRITES)
def restore(
    request: Request,
    atlas: AtlasDep,
    notebook: NotebookDep,
    writer: WriterDep,
    kind: Kinds,
    thing: ThingDep,
    version: Version,
) -> Response:
    """What was withdrawn stands where it stood."""
    failed = save(notebook, lambda p: restore_thing(p, kind, thing.uid, version, writer.name))
    if failed is None:
        return RedirectResponse(urls.thing_url(kind, thing.uid), 303)
    return _page(request, notebook, writer, kind, thing, None, failed)


@router.post("/label/{uid:name}/show", summary="Show a label first (303)", dependencies=_WRITES)
def show(
    notebook: NotebookDep,
    viewer: ViewerDep,
    uid: Uid,
    seen: Annotated[int, Form(ge=0, le=2**31, description="version of the choice seen")],
    chosen: Annotated[bool, Form()] = True,
) -> Response:
    """Chooses the label that names its feature, or leaves that to the rule again."""
    thing = get_one(notebook, viewer, "label", uid)
    if not may_write(viewer, thing):
        raise HTTPException(403, "You may read this, not write.")
    assert not isinstance(thing, FeatureList)
    done: list[bool] = []

    def write(pen: Connection) -> None:
        label = get_thing(pen, "label", uid)
        if label.withdrawn:
            raise NotAllowed("This label was withdrawn: restore it first.")
        done.append(labels.choose_label(pen, label, seen, viewer.name, chosen))

    if failed := save(notebook, write):
        raise HTTPException(failed.status, failed.sentence)
    if not done[0]:
        raise HTTPException(
            409,
            "Somebody chose another label while you were looking: go back, load the page again "
            "and choose once more if you still want to.",
        )
    return RedirectResponse(_about(thing, notebook)[1], 303)


def _evidence(
    connection: Connection, memory: Memory, saes: dict[str, Sae], thing: Any, reading: str
) -> dict[str, Any] | None:
    """Of a reading that is another than the label had, measured on the dictionary as it is now."""
    asked = checked_line("reading", reading, required=False)
    sae = saes.get(f"{thing.model}/{thing.sae}")
    if not asked or asked == thing.reading or sae is None:
        return None
    if sae.record.weights_hash != thing.weights_hash:
        return None
    if not has_feature(connection, sae, thing.feature_index):
        return None
    measured = measure(connection, memory, sae, thing.feature_index, asked)
    return None if measured is None else measured.as_json()


def _about(thing: Record, notebook: Engine) -> tuple[str, str]:
    """What a thing is about, in words, and where that is."""
    if isinstance(thing, FeatureList):
        return f"the list “{thing.title}”", urls.list_url(thing.slug)
    address = f"{thing.model}/{thing.sae}"
    said, url = f"feature {thing.feature_index} of {address}", f"/{address}/{thing.feature_index}"
    list_uid = getattr(thing, "list_uid", "")
    if list_uid:
        with notebook.connect() as connection:
            one = get_thing(connection, "list", list_uid)
        return f"{said}, on the list “{one.title}”", urls.list_url(one.slug)
    return said, f"{url}#notebook"


def _page(
    request: Request,
    notebook: Engine,
    viewer: Viewer,
    kind: Kinds,
    thing: Record,
    sent: dict[str, str] | None = None,
    failed: NotSaved | None = None,
) -> Response:
    status = 200 if failed is None else failed.status
    current = thing if failed is None or failed.current is None else failed.current
    with notebook.connect() as connection:
        history = history_of(connection, kind, thing.uid)
        explanation = explanation_behind(connection, thing.uid) if kind == "label" else None
    page = build_thing_page(
        kind,
        current,
        history,
        urls.thing_url(kind, thing.uid),
        _about(thing, notebook),
        may_write(viewer, thing),
        sent,
        "" if failed is None else failed.sentence,
        failed is not None and failed.current is not None,
        explanation,
    )
    return respond(request, "notebook-thing", lambda: page, status=status, kept=False)
