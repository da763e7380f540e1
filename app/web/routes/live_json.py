"""POST `/-/live/….json`: the model asked by programs, bodies and answers described by OpenAPI.

Nothing is written by them, so they need no token of this site. Each handler waits for the model
without holding a thread or a connection.
"""

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from app.access.viewer import Viewer
from app.db.engine import Atlas
from app.live.limits import LiveError
from app.live.protocol import (
    AblationAnswer,
    AblationAsked,
    ActivationsAnswer,
    ActivationsAsked,
    Answer,
    Asked,
    Kind,
    SteerAnswer,
    SteerAsked,
    TopAnswer,
    TopAsked,
)
from app.web.dependencies import AtlasDep, MemoryDep, ViewerDep
from app.web.live import ask
from app.web.memory import Memory
from app.web.pages.live.at_hand import GONE, live_saes, no_sae, refusal
from app.web.respond import json_response

router = APIRouter()


@router.post(
    "/-/live/activations.json",
    summary="Activations of some features on a text (live)",
    response_model=ActivationsAnswer,
)
async def post_activations(
    request: Request, atlas: AtlasDep, memory: MemoryDep, viewer: ViewerDep, body: ActivationsAsked
) -> Response:
    """What each token activates, how likely it was, and what is expected next."""
    return await _json(request, atlas, memory, viewer, "activations", body, ActivationsAnswer)


@router.post(
    "/-/live/ablation.json",
    summary="What an activation rests on (live)",
    response_model=AblationAnswer,
)
async def post_ablation(
    request: Request, atlas: AtlasDep, memory: MemoryDep, viewer: ViewerDep, body: AblationAsked
) -> Response:
    """Ablated text, context needed, occurrences and blocks, pairs, minimal text of one token."""
    return await _json(request, atlas, memory, viewer, "ablation", body, AblationAnswer)


@router.post(
    "/-/live/top.json", summary="The features that fire on a text (live)", response_model=TopAnswer
)
async def post_top(
    request: Request, atlas: AtlasDep, memory: MemoryDep, viewer: ViewerDep, body: TopAsked
) -> Response:
    """Of some dictionaries of one model, for a span or the whole text."""
    return await _json(request, atlas, memory, viewer, "top", body, TopAnswer)


@router.post(
    "/-/live/steer.json",
    summary="A text continued with features changed (live)",
    response_model=SteerAnswer,
)
async def post_steer(
    request: Request, atlas: AtlasDep, memory: MemoryDep, viewer: ViewerDep, body: SteerAsked
) -> Response:
    """With and without, and how likely either model finds each token."""
    return await _json(request, atlas, memory, viewer, "steer", body, SteerAnswer)


async def _json(
    request: Request,
    atlas: Atlas,
    memory: Memory,
    viewer: Viewer,
    kind: Kind,
    body: Asked,
    answer: type[Answer],
) -> Response:
    """One question sent as JSON."""
    saes = live_saes(request, atlas, memory, viewer)
    for name in _named(body):
        if name not in saes:
            raise HTTPException(404, no_sae(name, saes))
    try:
        found = await ask(request, kind, body, answer)
    except LiveError as error:
        return refusal(request, error)
    except ClientDisconnect:
        return Response(status_code=GONE)
    return json_response({"ok": True, **found.model_dump()}, headers={"Cache-Control": "no-store"})


def _named(body: Asked) -> list[str]:
    """The dictionaries a question is about."""
    if isinstance(body, TopAsked):
        return body.saes
    if isinstance(body, SteerAsked):
        return [change.sae for change in body.changes]
    assert isinstance(body, ActivationsAsked | AblationAsked)
    return [body.sae]
