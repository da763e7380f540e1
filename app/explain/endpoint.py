"""Asks an OpenAI-compatible endpoint for chat completions: the only file that speaks HTTP.

Takes what is asked, gives what was answered and what it cost. Waits and asks again where that may
help (429, 5xx, a broken connection, a time-out), at most so often; ends the run with a sentence
where nothing will. The key is in the request's header and nowhere else: what a server says of a
refusal is repeated without it. Knows neither features nor prompts.
"""

import asyncio
import random
import re
from dataclasses import dataclass
from typing import Any

import httpx2

from app import __version__
from app.errors import echoed
from app.explain.address import Address, Key
from app.explain.failures import EndpointRefuses, Stopped, Unanswered
from app.explain.replies import BadReply, Reply, error_in, read_reply
from app.explain.waiting import MOST_ASKED_FOR, retry_after, seconds_before

MOST_ATTEMPTS = 6
MOST_TIMEOUTS = 3
"""Of the attempts those that may end by running out of time"""
MOST_IN_A_ROW = 5
"""Requests one after the other that fail for good before the run is ended"""
MOST_BYTES = 4 * 2**20
"""Of one answer"""
_CONNECT_SECONDS = 15.0
_MOST_SAID = 160
"""Characters repeated of what a server says of an error"""
_PASSING = {408, 409, 425, 429, *range(500, 600)}
"""Statuses after which asking again may help"""
_FILTERED = {"content_filter", "content_policy_violation"}
_UNKNOWN_FIELD = re.compile(
    "unsupported|not support|unrecogni|unknown|unexpected|extra|not permitted|not allowed",
    re.IGNORECASE,
)
"""How servers say that they don't know a field; a value too large is another matter"""


@dataclass(eq=False)
class Failed(Exception):
    """One attempt that may be repeated."""

    why: str
    wait: float | None = None
    """seconds the endpoint asks to wait"""
    is_timeout: bool = False


class Endpoint:
    """One endpoint, asked many things at once; used inside `async with`."""

    def __init__(
        self,
        address: Address,
        key: Key,
        stop: asyncio.Event,
        timeout: float,
        max_tokens: int,
    ) -> None:
        """Nothing is sent before the first question.

        Args:
            timeout: seconds one answer may take.
            max_tokens: of one answer.
            stop: once set, nothing new is asked.
        """
        self._address, self._key, self._stop = address, key, stop
        self._timeout, self._max_tokens = timeout, max_tokens
        self._client = _client(address, key, timeout)
        self._rng = random.Random()
        self._answered = False
        self._failed_in_a_row = 0
        self._not_before = 0.0
        self._limit_name: str | None = "max_tokens"
        self._takes_temperature = True

    async def __aenter__(self) -> "Endpoint":
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._client.__aexit__(*error)

    async def ask(self, request: dict[str, Any]) -> Reply:
        """The answer to one request (model, messages, temperature).

        Raises:
            Unanswered: it got none after all attempts, or a refusal.
            EndpointRefuses: no request will get one.
            Stopped: before it was sent.
        """
        n_timeouts = 0
        for attempt in range(1, MOST_ATTEMPTS + 1):
            await self._wait_for_turn()
            try:
                reply = await self._attempt(request)
            except Failed as failed:
                n_timeouts += failed.is_timeout
                if attempt == MOST_ATTEMPTS or n_timeouts == MOST_TIMEOUTS:
                    raise self._gives_up(failed.why) from failed
                await self._pause(failed, attempt)
            else:
                self._answered, self._failed_in_a_row = True, 0
                return reply
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, request: dict[str, Any]) -> Reply:
        sent = self._body(request)
        try:
            # The client's own limit is for each read: an endpoint that dribbles would never end.
            async with asyncio.timeout(self._timeout):
                status, headers, body = await self._send(sent)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise Failed(f"no answer within {self._timeout:g} seconds", is_timeout=True) from error
        except httpx2.HTTPError as error:
            self._end_if_never_answered(error)
            raise Failed("a broken connection") from error
        except httpx2.InvalidURL as error:
            raise EndpointRefuses(f"{self._address.url} is no address.") from error
        if status == 200:
            try:
                return read_reply(body)
            except BadReply as error:
                raise Failed(str(error)) from error
        said, code = error_in(body)
        said = _shortened(self._key.without(said))
        if status in (400, 422) and self._adapts_to(said, sent):
            return await self._attempt(request)
        raise self._refused(status, headers, said, code, str(request["model"]))

    async def _send(self, body: dict[str, Any]) -> tuple[int, httpx2.Headers, bytes]:
        async with self._client.stream("POST", self._address.url, json=body) as response:
            held = bytearray()
            async for part in response.aiter_bytes():
                held += part
                if len(held) > MOST_BYTES:
                    raise Failed("an answer of more than 4 MiB")
            return response.status_code, response.headers, bytes(held)

    def _body(self, request: dict[str, Any]) -> dict[str, Any]:
        """With the names of limits that this endpoint takes."""
        body = dict(request)
        if not self._takes_temperature:
            del body["temperature"]
        if self._limit_name is not None:
            body[self._limit_name] = self._max_tokens
        return body

    def _refused(
        self, status: int, headers: httpx2.Headers, said: str, code: str, model: str
    ) -> Exception:
        """What any status but 200 means: to be asked again, no answer to this, or the end."""
        where = self._address.url
        if status in (401, 403):
            return EndpointRefuses(
                f"{where} refuses the key ({status}): check the environment variable it comes from."
            )
        if code == "insufficient_quota":
            return EndpointRefuses(f"{where} says that the account's quota is used up ({status}).")
        if status in _PASSING:
            wait = retry_after(headers.get("retry-after")) if status in (429, 503) else None
            if wait is not None and wait > MOST_ASKED_FOR:
                return EndpointRefuses(
                    f"{where} asks to wait {wait:,.0f} seconds ({status}): run the same command "
                    "again then."
                )
            return Failed(f"status {status}", wait=wait)
        if status in (404, 405) or 300 <= status < 400:
            return EndpointRefuses(
                f"There are no chat completions at {where}, or no model {echoed(model)!r} "
                f"({status}{_quoted(said)})."
            )
        if code in _FILTERED:
            return Unanswered("a refusal")
        return self._gives_up(f"status {status}{_quoted(said)}")

    def _adapts_to(self, said: str, sent: dict[str, Any]) -> bool:
        """Whether a refusal names a field that this endpoint doesn't take; it isn't sent again."""
        if not _UNKNOWN_FIELD.search(said):
            return False
        if "max_tokens" in sent and "max_tokens" in said:
            if self._limit_name == "max_tokens":
                self._limit_name = "max_completion_tokens"
            return True
        if "max_completion_tokens" in sent and "max_completion_tokens" in said:
            self._limit_name = None
            return True
        if "temperature" in sent and "temperature" in said:
            self._takes_temperature = False
            return True
        return False

    def _gives_up(self, why: str) -> Exception:
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= MOST_IN_A_ROW:
            return EndpointRefuses(
                f"{self._failed_in_a_row} requests in a row got no answer from {self._address.url} "
                f"({why}): once it answers, the same command goes on."
            )
        return Unanswered(why)

    def _end_if_never_answered(self, error: Exception) -> None:
        if not self._answered and isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
            raise EndpointRefuses(
                f"Nothing answers at {self._address.url}: start the server, or give its address."
            ) from error

    async def _pause(self, failed: Failed, attempt: int) -> None:
        """Before the next attempt; an endpoint that names a time is left alone by all till then."""
        loop = asyncio.get_running_loop()
        if failed.wait is not None:
            self._not_before = max(self._not_before, loop.time() + failed.wait)
        else:
            await self._sleep(seconds_before(attempt, self._rng))

    async def _wait_for_turn(self) -> None:
        """Until the endpoint may be asked.

        Raises:
            Stopped: the user asked for an end meanwhile.
        """
        if self._stop.is_set():
            raise Stopped
        while (left := self._not_before - asyncio.get_running_loop().time()) > 0:
            await self._sleep(left)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return
        raise Stopped


def _client(address: Address, key: Key, timeout: float) -> httpx2.AsyncClient:
    headers = {"User-Agent": f"feature-atlas/{__version__}"}
    if key.value:
        headers["Authorization"] = f"Bearer {key.value}"
    return httpx2.AsyncClient(
        headers=headers,
        timeout=httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS), pool=None),
        limits=httpx2.Limits(max_connections=None),
        follow_redirects=False,  # the key is for this host alone
        trust_env=not address.is_here,  # a proxy for this machine's own server would be a mistake
    )


def _shortened(said: str) -> str:
    """Cut only after the key was taken out, so that no half of it is left."""
    return said if len(said) <= _MOST_SAID else f"{said[: _MOST_SAID - 1]}…"


def _quoted(said: str) -> str:
    return f": {said}" if said else ""
