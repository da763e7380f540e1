"""One question until it has an answer that can be read: kept ones first, then the endpoint.

Counts what was asked and what it cost. Knows no feature's texts.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from app.explain.answers import Unreadable
from app.explain.endpoint import Endpoint
from app.explain.failures import Unanswered
from app.explain.prompts.prompt import Prompt
from app.explain.replies import Reply
from app.explain.settings import answer_key
from app.explain.store import Store
from app.notebook.explanations import KeptAnswer
from app.notebook.records import Subject

_T = TypeVar("_T")
READINGS = 2
"""How often an answer that can't be read is asked for"""
_MOST_UNREAD = 2_000
"""Characters of such an answer that are shown to the model again"""


@dataclass
class Usage:
    """What a run asked, and what the endpoint says it took."""

    n_requests: int = 0
    n_kept: int = 0
    """answers of earlier runs that were not asked for again"""
    n_unknown: int = 0
    """answers whose tokens the endpoint didn't count"""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, reply: Reply) -> None:
        """Counts one answer."""
        self.n_requests += 1
        if reply.prompt_tokens is None or reply.completion_tokens is None:
            self.n_unknown += 1
        self.prompt_tokens += reply.prompt_tokens or 0
        self.completion_tokens += reply.completion_tokens or 0


class Asker:
    """Asks for one run."""

    def __init__(
        self, endpoint: Endpoint, store: Store, temperature: float, concurrency: int
    ) -> None:
        """Asks at most `concurrency` questions at once."""
        self.usage = Usage()
        self._places = asyncio.Semaphore(concurrency)
        self._endpoint, self._store, self._temperature = endpoint, store, temperature

    async def ask(
        self, subject: Subject, prompt: Prompt, model: str, read: Callable[[str], _T]
    ) -> _T:
        """What the answer says; it is kept before it is used.

        Raises:
            Unanswered: there is none, or none that can be read.
            EndpointRefuses, Stopped, NotebookError: the run is over.
        """
        request = prompt.request(model, self._temperature)
        key = answer_key(list(subject.__dict__.values()), prompt.step, request)
        kept = await self._store.kept(key)
        if kept is not None:
            self.usage.n_kept += 1
            return read(kept.text)
        # Until it is kept: a killed run never loses more answers than it asks for at once.
        async with self._places:
            return await self._ask(subject, prompt, key, request, read)

    async def _ask(
        self,
        subject: Subject,
        prompt: Prompt,
        key: str,
        request: dict[str, Any],
        read: Callable[[str], _T],
    ) -> _T:
        why = ""
        for _ in range(READINGS):
            reply = await self._endpoint.ask(request)
            self.usage.add(reply)
            try:
                found = read(reply.text)
            except Unreadable as error:
                why = "cut off at --max-tokens" if reply.was_cut else f"unreadable: {error}"
                unread = reply.text[:_MOST_UNREAD] or "(nothing)"
                request = {**request, "messages": prompt.messages(unread)}
                continue
            answer = KeptAnswer(reply.text, reply.prompt_tokens, reply.completion_tokens)
            await self._store.keep(key, subject, prompt.step, answer)
            return found
        raise Unanswered(why)
