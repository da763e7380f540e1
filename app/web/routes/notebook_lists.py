"""`/-/lists` and `/-/lists/{slug}`: features with a remark each, and the reader's stars."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from app.access.viewer import Viewer
from app.db.catalog import Sae
from app.db.engine import Atlas
from app.notebook import lists, notes
from app.notebook.errors import Absent
from app.web import urls
from app.web.dependencies import AtlasDep, ConnectionDep, MemoryDep, ViewerDep
from app.web.memory import Memory
from app.web.notebook.forms import Description, ListSlug, Title
from app.web.notebook.reader import NotebookDep, ReaderDep
from app.web.notebook.saving import save
from app.web.pages.notebook.lists import (
    ListPage,
    ListsPage,
    build_list_page,
    feature_lines,
    lines_from,
)
from app.web.pages.notebook.thing import build_thing_page
from app.web.respond import respond
from app.web.same_site import check_same_site
from app.web.views import ListView

router = APIRouter()


@router.get("/-/lists", summary="Lists of features, and your stars")
@router.get("/-/lists.json", summary="Lists of features, and your stars, as JSON")
def all_lists(
    request: Request,
    atlas: AtlasDep,
    connection: ConnectionDep,
    memory: MemoryDep,
    notebook: NotebookDep,
    reader: ReaderDep,
    viewer: ViewerDep,
    view: Annotated[ListView, Query()],
) -> Response:
    """Every list by its title; the features the reader starred, the newest first."""
    if reader.connection is None:
        raise HTTPException(503, reader.problem)
    own = reader.connection

    def page() -> ListsPage:
        stars = notes.stars_by(own, viewer.name)
        seen = _readable(memory, atlas, viewer)
        found = feature_lines(connection, reader, seen, viewer, stars)
        lines = lines_from(found, view.start, urls.lists_url())
        return ListsPage(lists.all_lists(own, viewer.dictionary), found, lines, viewer.writes)

    return respond(request, "notebook-lists", page, kept=False)


@router.post("/-/lists", summary="Begin a list (303)", dependencies=[Depends(check_same_site)])
def add_list(
    request: Request,
    atlas: AtlasDep,
    notebook: NotebookDep,
    viewer: ViewerDep,
    title: Title = "",
    text: Description = "",
) -> Response:
    """A new list at an address made of its title; features are put on it from their pages."""
    if not viewer.writes:
        raise HTTPException(
            403, "You may read this, not write: ask whoever runs the atlas for a key that writes."
        )
    made: list[str] = []

    def write(pen: Connection) -> None:
        made.append(lists.add_list(pen, viewer.name, title, text).slug)

    failed = save(notebook, write)
    if failed is None:
        return RedirectResponse(urls.list_url(made[0]), 303)
    page = build_thing_page(
        "list",
        None,
        [],
        urls.lists_url(),
        ("all lists", urls.lists_url()),
        True,
        {"title": title, "text": text},
        failed.sentence,
    )
    return respond(request, "notebook-thing", lambda: page, status=failed.status)


@router.get("/-/lists/{slug:name}", summary="One list of features")
@router.get("/-/lists/{slug:name}.json", summary="One list of features, as JSON")
def one_list(
    request: Request,
    atlas: AtlasDep,
    connection: ConnectionDep,
    memory: MemoryDep,
    notebook: NotebookDep,
    reader: ReaderDep,
    viewer: ViewerDep,
    slug: ListSlug,
    view: Annotated[ListView, Query()],
) -> Response:
    """Its features in the order they were added, each with its remark."""
    if reader.connection is None:
        raise HTTPException(503, reader.problem)
    own = reader.connection

    def page() -> ListPage:
        one = lists.find_list(own, slug, viewer.dictionary)
        if one.withdrawn and not viewer.writes:
            raise Absent("This list was withdrawn.")
        entries = lists.entries_of(own, one.uid, viewer.dictionary)
        seen = _readable(memory, atlas, viewer)
        found = feature_lines(connection, reader, seen, viewer, entries)
        return build_list_page(one, found, view.start, viewer.writes)

    return respond(request, "notebook-list", page, kept=False)


def _readable(memory: Memory, atlas: Atlas, viewer: Viewer) -> dict[str, Sae]:
    """The dictionaries the viewer may see, by address."""
    return {
        address: sae
        for address, sae in memory.saes(atlas).items()
        if viewer.may_read(sae.record.model, sae.record.sae)
    }
