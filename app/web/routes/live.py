"""`/{model}/{sae}/{feature_index}/live`, `/-/live/…`: pages that ask the model.

Their text stands in the address; what a form sends leads there. Each handler waits for the model
without holding a thread or a connection.
"""

from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.access.viewer import Viewer
from app.db.catalog import Sae
from app.db.engine import Atlas
from app.db.examples import get_contexts
from app.db.features import get_feature, get_features
from app.db.records import FeatureRecord
from app.live.protocol import (
    AblationAnswer,
    AblationAsked,
    ActivationsAnswer,
    ActivationsAsked,
    SteerAnswer,
    TopAnswer,
)
from app.web import urls
from app.web.dependencies import (
    AtlasDep,
    FeatureIndexDep,
    MemoryDep,
    SaeDep,
    ViewerDep,
    get_connection,
)
from app.web.description import ONWARD
from app.web.live import LiveError, ask, owner_of
from app.web.notebook.reader import get_reader
from app.web.pages.live import steer as steer_page
from app.web.pages.live import top as top_page
from app.web.pages.live.at_hand import GONE, live_saes, no_sae, refusal
from app.web.pages.live.reading import TryPage, build_result, chosen_position
from app.web.pages.live.views import SteerView, TextView, TopView, TryView
from app.web.respond import (
    Page,
    is_fresh,
    respond,
    validators,
    wants_json,
)

router = APIRouter()
_connected = contextmanager(get_connection)
_reading = contextmanager(get_reader)


@router.get(
    "/{model}/{sae}/{feature_index:number}/live",
    summary="One's own text on one feature (live)",
    responses=ONWARD,
)
@router.get(
    "/{model}/{sae}/{feature_index:number}/live.json",
    summary="One's own text on one feature (live), as JSON",
    responses=ONWARD,
)
async def try_text(
    request: Request,
    atlas: AtlasDep,
    memory: MemoryDep,
    viewer: ViewerDep,
    sae: SaeDep,
    feature_index: FeatureIndexDep,
    view: Annotated[TryView, Query()],
) -> Response:
    """The activation on every token, what the model expected, and what is measured of a token."""
    if sae.address not in (known := live_saes(request, atlas, memory, viewer)):
        raise HTTPException(404, no_sae(sae.address, known))
    if view.plain:
        return _to_canonical(request, view, lambda v: urls.live_url(sae, feature_index, v))
    if fresh := await run_in_threadpool(_if_fresh, request):
        return fresh
    problem: LiveError | None = None
    answer = measured = None
    try:
        text = await run_in_threadpool(_text_of, atlas, viewer, sae, view)
        if text is not None:
            asked = {**text, "sae": sae.address}
            first = ActivationsAsked(**asked, features=[feature_index], at=view.position)
            answer = await ask(request, "activations", first, ActivationsAnswer)
            if view.measure:
                second = AblationAsked(
                    **asked,
                    feature_index=feature_index,
                    position=chosen_position(answer, view),
                    measures=[view.measure],
                )
                measured = await ask(request, "ablation", second, AblationAnswer)
    except LiveError as error:
        problem = error
    except ClientDisconnect:
        return Response(status_code=GONE)

    def page() -> TryPage:
        with _connected(atlas, viewer) as connection:
            record = get_feature(connection, sae.sae_id, feature_index)
            assert record is not None
            result = None
            if answer is not None:
                ids = {*answer.token_ids, *(item.token_id for item in answer.predictions)}
                vocabulary = memory.tokens(connection, sae.model_id, ids)
                result = build_result(sae, record, view, answer, measured, vocabulary)
        action = urls.live_url(sae, feature_index)
        typed = view.typed
        if answer is not None and view.context is not None:
            typed = ""
        said = "" if problem is None else str(problem)
        return TryPage(sae, record, view, typed, action, said, result, answer, measured)

    return await _answer(request, "live", page, problem)


@router.get("/-/live/top", summary="The features that fire on a text (live)", responses=ONWARD)
@router.get(
    "/-/live/top.json",
    summary="The features that fire on a text (live), as JSON",
    responses=ONWARD,
)
async def top(
    request: Request,
    atlas: AtlasDep,
    memory: MemoryDep,
    viewer: ViewerDep,
    view: Annotated[TopView, Query()],
) -> Response:
    """Of one dictionary or all of them, for a token, a span or the whole text."""
    saes = live_saes(request, atlas, memory, viewer)
    if view.plain:
        return _to_canonical(request, view, urls.live_top_url)
    if view.sae and view.sae not in saes:
        raise HTTPException(404, no_sae(view.sae, saes))
    if fresh := await run_in_threadpool(_if_fresh, request):
        return fresh
    first_model = next((sae.record.model for sae in saes.values()), "")
    chosen = [view.sae] if view.sae else [
        address for address, sae in saes.items() if sae.record.model == first_model
    ]  # fmt: skip
    problem, answer = None, None
    try:
        if view.typed and chosen:
            answer = await ask(request, "top", top_page.question(view, chosen), TopAnswer)
    except LiveError as error:
        problem = error
    except ClientDisconnect:
        return Response(status_code=GONE)

    def page() -> top_page.TopPage:
        result = None
        if answer is not None:
            with _connected(atlas, viewer) as connection:
                wanted = ((item.sae, item.feature_index) for item in answer.features)
                records = _records(connection, saes, wanted)
                vocabulary = memory.tokens(
                    connection, saes[chosen[0]].model_id, set(answer.token_ids)
                )
            result = top_page.build_top(
                view, answer, saes, records, vocabulary, several=len(chosen) > 1
            )
        said = "" if problem is None else str(problem)
        action = urls.live_top_url()
        return top_page.TopPage(view, view.typed, action, list(saes), said, result, answer)

    return await _answer(request, "live-top", page, problem)


@router.get(
    "/-/live/steer", summary="A text continued with features changed (live)", responses=ONWARD
)
@router.get(
    "/-/live/steer.json",
    summary="A text continued with features changed (live), as JSON",
    responses=ONWARD,
)
async def steer(
    request: Request,
    atlas: AtlasDep,
    memory: MemoryDep,
    viewer: ViewerDep,
    view: Annotated[SteerView, Query()],
) -> Response:
    """With and without, side by side, and how likely either model finds each token."""
    saes = live_saes(request, atlas, memory, viewer)
    if view.sent:
        return _to_canonical(request, view, urls.live_steer_url)
    changes = view.changes()
    for change in changes:
        if change.sae not in saes:
            raise HTTPException(404, no_sae(change.sae, saes))
        if change.feature_index >= (n := saes[change.sae].record.n_features):
            raise HTTPException(
                404,
                f"{change.sae} has no feature {change.feature_index}: it has features 0 to "
                f"{n - 1:,}.",
            )
    if fresh := await run_in_threadpool(_if_fresh, request):
        return fresh
    problem, answer = None, None
    try:
        if view.typed and changes:
            answer = await ask(request, "steer", steer_page.question(view), SteerAnswer)
    except LiveError as error:
        problem = error
    except ClientDisconnect:
        return Response(status_code=GONE)

    def page() -> steer_page.SteerPage:
        with _connected(atlas, viewer) as connection:
            records = _records(connection, saes, ((c.sae, c.feature_index) for c in changes))
            vocabulary = {}
            if answer is not None:
                written = (item.token_id for item in (*answer.plain, *answer.steered))
                vocabulary = memory.tokens(
                    connection, saes[changes[0].sae].model_id, {*answer.token_ids, *written}
                )
        return steer_page.SteerPage(
            view=view,
            typed=view.typed,
            action=urls.live_steer_url(),
            saes=list(saes),
            changes=steer_page.build_changes(view, saes, records),
            problem="" if problem is None else str(problem),
            prompt=[] if answer is None else steer_page.prompt_pieces(answer, vocabulary),
            continuations=[]
            if answer is None
            else steer_page.build_continuations(answer, vocabulary),
            again_url="" if answer is None else steer_page.next_seed_url(view),
            most_tokens=owner_of(request).limits.new_tokens,
            answer=answer,
        )

    return await _answer(request, "live-steer", page, problem)


def _to_canonical(
    request: Request, view: TextView, url: Callable[[Iterable[tuple[str, str]]], str]
) -> Response:
    """From what a form sent to the address that can be kept."""
    packed = view.packed()
    address = url(packed)
    if wants_json(request):
        address = urls.json_twin(address)
    return RedirectResponse(address, 303, {"Cache-Control": "no-store"})


async def _answer(
    request: Request, template: str, page: Callable[[], Page], problem: LiveError | None
) -> Response:
    """The page, made in a thread; what could not be answered is said on it, or by the envelope."""
    if problem is not None and wants_json(request):
        return refusal(request, problem)
    headers = {}
    if problem is not None and problem.retry_after:
        headers["Retry-After"] = str(problem.retry_after)
    status = 200 if problem is None else problem.status

    def answer() -> Response:
        with _reading(request):
            return respond(request, template, page, headers, status)

    return await run_in_threadpool(answer)


def _if_fresh(request: Request) -> Response | None:
    """304 where the asker has the page already; the notebook is let go while the model works."""
    with _reading(request):
        headers = validators(request)
    return Response(status_code=304, headers=headers) if is_fresh(request, headers) else None


def _text_of(
    atlas: Atlas, viewer: Viewer, sae: Sae, view: TryView
) -> dict[str, str | list[int]] | None:
    """What the model is to read; None where nothing was typed."""
    if view.context is None:
        return {"text": view.typed} if view.typed else None
    with _connected(atlas, viewer) as connection:
        found = get_contexts(connection, sae.corpus_id, [view.context])
    if view.context not in found:
        raise LiveError(404, f"The atlas stores no context {view.context} of {sae.corpus.name}.")
    return {"token_ids": found[view.context].token_ids.tolist()}


def _records(
    connection: Connection, saes: dict[str, Sae], wanted: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], FeatureRecord]:
    by_sae: dict[str, set[int]] = {}
    for address, index in wanted:
        by_sae.setdefault(address, set()).add(index)
    return {
        (address, index): record
        for address, indices in by_sae.items()
        for index, record in get_features(connection, saes[address].sae_id, indices).items()
    }
