"""How the server asks the live model: the one module of the server that knows there is one.

The model lives in a process of its own; here are its owner for the length of an application, one
question that ends when whoever asked goes away, and the sentence of pages without a model. Imports
no torch.
"""

import asyncio
from typing import TypeVar

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

from app.live.limits import Limits, LiveError
from app.live.owner import Owner, Start
from app.live.protocol import Answer, Asked, Kind
from app.live.runnable import check_runnable
from app.settings import Settings

Answered = TypeVar("Answered", bound=Answer)

HOW_TO_GET_IT = (
    "This server runs no model: started as `feature-atlas serve ATLAS --live`, with the model and "
    "the dictionary at hand, it tries texts of your own."
)


def start_live(settings: Settings) -> Owner | None:
    """The owner of the model the settings ask for; None where they ask for none.

    Raises:
        AtlasError: nothing of the atlas can be run, or the model is not at hand or not the one the
            atlas was made from.
    """
    if not settings.live:
        return None
    check_runnable(settings.atlas)
    start = Start(settings.atlas, settings.live_model, settings.live_saes, settings.live_device)
    limits = Limits(
        tokens=settings.live_tokens,
        new_tokens=settings.live_new_tokens,
        seconds=settings.live_seconds,
        waiting=settings.live_waiting,
    )
    return Owner.start(start, limits)


def owner_of(request: Request) -> Owner:
    """The application's model. 404 with a sentence where it has none."""
    owner: Owner | None = request.app.state.live
    if owner is None:
        raise HTTPException(404, HOW_TO_GET_IT)
    return owner


async def ask(request: Request, kind: Kind, asked: Asked, answer: type[Answered]) -> Answered:
    """One question; if its asker goes away meanwhile, the model forgets it.

    Raises:
        LiveError: it can't be answered; the text is a sentence.
        ClientDisconnect: nobody waits for the answer.
    """
    pending = owner_of(request).ask(kind, asked)
    waiting = asyncio.wrap_future(pending.future)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((waiting, gone), return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            raise ClientDisconnect
        return answer.model_validate(waiting.result())
    finally:
        gone.cancel()
        if not pending.future.done():
            pending.cancel()
            waiting.cancel()


async def _gone(request: Request) -> None:
    """Returns once the other end is closed."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


__all__ = ["HOW_TO_GET_IT", "LiveError", "ask", "owner_of", "start_live"]
