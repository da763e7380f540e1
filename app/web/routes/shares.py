"""`/-/shares`: share links are made, listed and revoked; `/-/open/…` is one of them, followed.

Who may write makes links and sees their own; an admin sees and ends everybody's.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from app.access import times
from app.access.shares import (
    LONGEST_DAYS,
    SHORTEST_DAYS,
    Share,
    create_share,
    find_shares,
    list_shares,
    read_secret,
    revoke_share,
    sign,
    signed_id,
)
from app.errors import echoed
from app.notebook.errors import Absent
from app.notebook.lists import Only, find_list
from app.web import urls
from app.web.access.visit import Visit
from app.web.dependencies import (
    AtlasDep,
    MemoryDep,
    ViewerDep,
    get_feature_index,
    get_sae,
)
from app.web.pages.shares import ShareEntry, SharePage, build
from app.web.respond import respond
from app.web.same_site import check_same_site
from app.web.share_links.grant import Grant, grant_of
from app.web.views import PlainView

router = APIRouter()

ShareId = Annotated[str, Path(json_schema_extra={"pattern": "^[0-9a-f]{16}$"})]
ShareText = Annotated[
    str,
    Path(
        json_schema_extra={"pattern": r"^[0-9a-f]{16}\.[A-Za-z0-9_-]{43}$"},
        description="id and signature of a link",
    ),
]

_OPENS_NOTHING = "This link opens nothing: it is cut off or was changed. Copy it once more, whole."


def get_notebook(request: Request) -> Engine:
    """The notebook links are kept in."""
    if request.app.state.notebook is None:
        raise HTTPException(404, "This server keeps no notebook (--notebook off): it has no links.")
    return request.app.state.notebook


NotebookDep = Annotated[Engine, Depends(get_notebook)]


async def get_writer(request: Request, viewer: ViewerDep) -> Visit:
    """The visit of somebody who may make links."""
    if not viewer.writes:
        raise HTTPException(403, "Share links are for those who may write: ask for another key.")
    return request.state.visit


WriterDep = Annotated[Visit, Depends(get_writer)]


async def get_grant(
    request: Request,
    atlas: AtlasDep,
    memory: MemoryDep,
    notebook: NotebookDep,
    writer: WriterDep,
    address: Annotated[str, Form(max_length=4_000, description="path and query of the page")],
) -> Grant:
    """What a link to the address sent opens; it must be there, and the viewer's to give away."""
    try:
        grant = grant_of(address)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    if grant.dictionary is None:
        await run_in_threadpool(_find_list, notebook, grant.address, writer.viewer.dictionary)
        return grant
    sae = await get_sae(request, atlas, memory, writer.viewer, *grant.dictionary)
    for index in grant.feature_indices:
        await get_feature_index(atlas, memory, sae, index)
    return grant


@router.get("/-/shares", summary="Share links")
@router.get("/-/shares.json", summary="Share links, as JSON")
def shares(
    request: Request,
    atlas: AtlasDep,
    notebook: NotebookDep,
    writer: WriterDep,
    view: Annotated[PlainView, Query()],
) -> Response:
    """Those the viewer made, the newest first; an admin sees all."""
    found = [share for share in list_shares(notebook) if _may_end(writer, share)]
    return respond(request, "shares", lambda: build(found, writer.viewer.is_admin), kept=False)


@router.post(
    "/-/shares", summary="Make a share link (303)", dependencies=[Depends(check_same_site)]
)
def make_share(
    notebook: NotebookDep,
    writer: WriterDep,
    grant: Annotated[Grant, Depends(get_grant)],
    days: Annotated[float, Form(ge=SHORTEST_DAYS, le=LONGEST_DAYS)] = 7,
) -> Response:
    """A link that opens the page at `address`, read-only, for so many days; leads to its page."""
    viewer = writer.viewer
    share = create_share(
        notebook,
        grant.kind,
        grant.address,
        grant.dictionary or viewer.dictionary,
        viewer.name,
        writer.key_id,
        days,
    )
    return RedirectResponse(urls.share_url(share.share_id), 303)


@router.get("/-/shares/{share_id:name}", summary="One share link")
@router.get("/-/shares/{share_id:name}.json", summary="One share link, as JSON")
def share(
    request: Request,
    atlas: AtlasDep,
    notebook: NotebookDep,
    writer: WriterDep,
    share_id: ShareId,
    view: Annotated[PlainView, Query()],
) -> Response:
    """What it opens and until when, and the link to give away."""
    with notebook.connect() as connection:
        found = _own(writer, find_shares(connection, [share_id]), share_id)
        text = sign(read_secret(connection), found.share_id)
    base = request.app.state.public_url or str(request.base_url).rstrip("/")
    link = base + urls.open_share_url(text) if found.state == "open" else ""
    return respond(request, "share", lambda: SharePage(ShareEntry(found), link), kept=False)


@router.post(
    "/-/shares/{share_id:name}/revoke",
    summary="Revoke a share link (303)",
    dependencies=[Depends(check_same_site)],
)
def end_share(notebook: NotebookDep, writer: WriterDep, share_id: ShareId) -> Response:
    """From now on it opens nothing."""
    with notebook.connect() as connection:
        found = _own(writer, find_shares(connection, [share_id]), share_id)
    revoke_share(notebook, found.share_id, writer.viewer.name)
    return RedirectResponse(urls.shares_url(), 303)


@router.get(
    "/-/open/{text}",
    summary="Follow a share link (303)",
    status_code=303,
    response_class=RedirectResponse,
)
def open_share(request: Request, notebook: NotebookDep, text: ShareText) -> Response:
    """Leads to the page it opens; the browser keeps what opens it in a cookie."""
    with notebook.connect() as connection:
        share_id = signed_id(read_secret(connection), text)
        found = find_shares(connection, [share_id]) if share_id else []
    if not found:
        raise HTTPException(404, _OPENS_NOTHING)
    [link] = found
    if link.state != "open":
        ended = "has expired" if link.state == "expired" else "was revoked"
        raise HTTPException(410, f"It {ended}: ask {link.made_by} for a new one.")
    answer = RedirectResponse(link.address, 303, {"Cache-Control": "no-store"})
    seconds = times.seconds_until(link.expires_at) or 0
    request.app.state.cookies.add_link(answer, request, text, seconds)
    return answer


def _may_end(writer: Visit, share: Share) -> bool:
    own = (share.made_by, share.made_with) == (writer.viewer.name, writer.key_id)
    return own or writer.viewer.is_admin


def _own(writer: Visit, found: list[Share], share_id: ShareId) -> Share:
    """The link asked for; others' links are not there for who isn't an admin."""
    for link in found:
        if _may_end(writer, link):
            return link
    raise HTTPException(404, f"There is no share link {echoed(share_id)!r} of yours.")


def _find_list(notebook: Engine, address: str, only: Only) -> None:
    try:
        with notebook.connect() as connection:
            find_list(connection, address.rpartition("/")[2], only)
    except Absent as error:
        raise HTTPException(404, str(error)) from error
