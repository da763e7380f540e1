"""Asking an endpoint that is well, busy, broken, slow or gone: an answer, or one plain reason."""

import asyncio
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Any

import pytest

from app.explain import endpoint as asked
from app.explain.address import Key, read_address
from app.explain.endpoint import MOST_ATTEMPTS, MOST_IN_A_ROW, MOST_TIMEOUTS, Endpoint
from app.explain.failures import EndpointRefuses, Stopped, Unanswered
from app.explain.replies import Reply
from tests.explain.stand_in import Answer, Behaviour, Body, says, standing_in

KEY = "sk-very-secret-0123456789"
REQUEST = {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": "hi"}]}
GOOD = says("hello")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the endpoint doesn't ask for isn't waited for."""
    monkeypatch.setattr(asked, "seconds_before", lambda attempt, rng: 0.001)


def _in_turn(*answers: Answer) -> Behaviour:
    left = list(answers)
    return lambda body: left.pop(0) if len(left) > 1 else left[0]


def _ask(
    url: str, n: int = 1, key: str = KEY, timeout: float = 5, stopped: bool = False
) -> list[Reply | Exception]:
    """What came of so many questions, one after the other."""

    async def ask() -> list[Reply | Exception]:
        stop = asyncio.Event()
        if stopped:
            stop.set()
        found: list[Reply | Exception] = []
        async with Endpoint(read_address(url), Key(key), stop, timeout, 500) as endpoint:
            for _ in range(n):
                try:
                    found.append(await endpoint.ask(REQUEST))
                except (Unanswered, EndpointRefuses, Stopped) as error:
                    found.append(error)
        return found

    return asyncio.run(ask())


def test_an_answer_comes_with_what_it_cost() -> None:
    with standing_in(lambda _: GOOD) as server:
        assert _ask(server.url) == [Reply("hello", False, 100, 7)]
        (seen,) = server.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert seen.headers["User-Agent"].startswith("feature-atlas/")
    assert seen.body == {**REQUEST, "max_tokens": 500}


def test_without_a_key_none_is_sent() -> None:
    with standing_in(lambda _: GOOD) as server:
        _ask(server.url, key="")
        assert "Authorization" not in server.seen[0].headers


@pytest.mark.parametrize(
    "bad",
    [
        Answer(500, {"error": {"message": "oops"}}),
        Answer(502, b"<html>bad gateway</html>"),
        Answer(429, {}),
        Answer(200, b"{not json"),
        Answer(200, b"[]"),
        Answer(200, {"choices": []}),
        Answer(200, {"choices": [{"message": "hm"}]}),
        Answer(200, {"error": {"message": "overloaded"}}),
        Answer(200, b"[" * 200_000),
        Answer(200, GOOD.body, cut_after=20),
        Answer(200, b"x" * (4 * 2**20 + 1)),
        Answer(200, b"plain", {"Content-Encoding": "gzip"}),
    ],
    ids=lambda bad: f"{bad.status}-{bad.body!r:.24}",
)
def test_what_passes_is_asked_again_so_often_and_no_oftener(bad: Answer) -> None:
    with standing_in(_in_turn(bad, bad, GOOD)) as server:
        assert _ask(server.url) == [Reply("hello", False, 100, 7)]
        assert len(server.seen) == 3
    with standing_in(lambda _: bad) as server:
        (found,) = _ask(server.url)
        assert isinstance(found, Unanswered) and len(server.seen) == MOST_ATTEMPTS
        assert len(str(found)) < 60 and "\n" not in str(found)


def test_the_time_an_endpoint_names_is_waited_for() -> None:
    busy = Answer(429, {}, {"Retry-After": "0.4"})
    with standing_in(_in_turn(busy, GOOD)) as server:
        began = time.monotonic()
        assert isinstance(_ask(server.url)[0], Reply)
        assert time.monotonic() - began >= 0.4
    at = Answer(503, {}, {"Retry-After": formatdate(time.time() + 1.0, usegmt=True)})
    with standing_in(_in_turn(at, GOOD)) as server:
        assert isinstance(_ask(server.url)[0], Reply)


def test_all_wait_for_the_time_one_was_named() -> None:
    times: list[float] = []

    def behave(body: Body) -> Answer:
        times.append(time.monotonic())
        return Answer(429, {}, {"Retry-After": "0.5"}) if len(times) == 1 else GOOD

    async def ask(url: str) -> None:
        async with Endpoint(read_address(url), Key(""), asyncio.Event(), 5, 500) as endpoint:
            first = asyncio.create_task(endpoint.ask(REQUEST))
            await asyncio.sleep(0.2)
            await asyncio.gather(first, *(endpoint.ask(REQUEST) for _ in range(3)))

    with standing_in(behave) as server:
        asyncio.run(ask(server.url))
    assert len(times) == 5 and min(times[1:]) - times[0] >= 0.5


def test_too_long_a_time_ends_the_run_with_a_sentence() -> None:
    with standing_in(lambda _: Answer(429, {}, {"Retry-After": "3600"})) as server:
        (found,) = _ask(server.url)
    assert isinstance(found, EndpointRefuses) and "asks to wait 3,600 seconds (429)" in str(found)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(401, {"error": {"message": f"Incorrect API key: {KEY}"}}), "refuses the key (401)"),
        (Answer(403, b"no"), "refuses the key (403)"),
        (Answer(404, {"error": {"message": "model m not found"}}),
         "no model 'm' (404: model m not found)"),
        (Answer(301, b"", {"Location": "http://127.0.0.1:1/other"}), "(301)"),
        (Answer(429, {"error": {"code": "insufficient_quota", "message": "pay"}}),
         "account's quota is used up (429)"),
    ],
)  # fmt: skip
def test_what_no_waiting_helps_is_one_sentence(answer: Answer, sentence: str) -> None:
    with standing_in(lambda _: answer) as server:
        (found,) = _ask(server.url)
        assert len(server.seen) == 1, "it isn't asked again"
    assert isinstance(found, EndpointRefuses)
    assert sentence in str(found) and KEY not in str(found) and str(found).endswith(".")


def test_nobody_there_is_one_sentence() -> None:
    with standing_in(lambda _: GOOD) as server:
        url = server.url
    (found,) = _ask(url)
    assert isinstance(found, EndpointRefuses)
    assert str(found).startswith(f"Nothing answers at {url}/chat/completions: start the server")


def test_a_slow_answer_is_waited_for_and_an_endless_one_not() -> None:
    slow, endless = Answer(200, GOOD.body, seconds=0.3), Answer(200, GOOD.body, seconds=30)
    with standing_in(lambda _: slow) as server:
        assert isinstance(_ask(server.url, timeout=3)[0], Reply)
    with standing_in(lambda _: endless) as server:
        (found,) = _ask(server.url, timeout=0.2)
        assert str(found) == "no answer within 0.2 seconds"
        assert len(server.seen) == MOST_TIMEOUTS


def test_a_server_that_dribbles_is_not_listened_to_forever() -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = threading.Event()

        def dribble() -> None:
            listening.settimeout(5)
            while not done.is_set():
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                    for _ in range(100):
                        if done.wait(0.05):
                            return
                        try:
                            connection.sendall(b" ")
                        except OSError:
                            break

        thread = threading.Thread(target=dribble)
        thread.start()
        began = time.monotonic()
        (found,) = _ask(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=0.3)
        done.set()
        assert str(found) == "no answer within 0.3 seconds"
        assert time.monotonic() - began < 4
        listening.close()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (says(None, refusal="I can't help with that."), "a refusal"),
        (says("", finish="content_filter"), "a refusal"),
        (Answer(400, {"error": {"code": "content_filter", "message": "blocked"}}), "a refusal"),
        (Answer(400, {"error": {"message": "maximum context length is 100 tokens, max_tokens too "
                                           "large"}}),
         "status 400: maximum context length is 100 tokens, max_tokens too large"),
        (Answer(400, {"detail": f"odd {KEY}\n" + "x" * 500}), f"status 400: odd … {'x' * 131}"),
        (Answer(400, {"detail": "x" * 150 + KEY}), "status 400: " + "x" * 131),
    ],
)  # fmt: skip
def test_one_question_without_an_answer_is_a_reason(answer: Answer, why: str) -> None:
    with standing_in(lambda _: answer) as server:
        (found,) = _ask(server.url)
        assert len(server.seen) == 1
    assert isinstance(found, Unanswered)
    assert str(found)[:60] == why[:60] and len(str(found)) < 200
    assert KEY[:6] not in str(found), "not even a part of it"


def test_refusals_never_end_a_run_but_silence_does() -> None:
    with standing_in(lambda _: says(None, refusal="no")) as server:
        assert all(isinstance(one, Unanswered) for one in _ask(server.url, MOST_IN_A_ROW + 2))
    with standing_in(lambda _: Answer(500, b"")) as server:
        found = _ask(server.url, MOST_IN_A_ROW)
        kinds = [type(one) for one in found]
        assert kinds == [Unanswered] * (MOST_IN_A_ROW - 1) + [EndpointRefuses]
        assert "5 requests in a row got no answer" in str(found[-1])
        assert "the same command goes on" in str(found[-1])


def test_an_answer_in_between_starts_the_count_again() -> None:
    bad = Answer(400, {"error": {"message": "no"}})
    with standing_in(_in_turn(bad, bad, bad, bad, GOOD, bad, bad, bad, bad, GOOD)) as server:
        found = _ask(server.url, 10)
    assert [isinstance(one, Reply) for one in found] == [False] * 4 + [True] + [False] * 4 + [True]


def test_fields_an_endpoint_does_not_take_are_left_out() -> None:
    """As newer models of OpenAI answer, and servers that know neither name."""

    def picky(*unknown: str) -> Callable[[Body], Answer]:
        def behave(body: Body) -> Answer:
            for name in unknown:
                if name in body:
                    said = f"Unsupported parameter: '{name}' is not supported with this model."
                    hint = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                    return Answer(400, {"error": {"message": said + hint}})
            return GOOD

        return behave

    fields: Sequence[tuple[tuple[str, ...], set[str]]] = [
        (("max_tokens",), {"max_completion_tokens", "temperature"}),
        (("max_tokens", "temperature"), {"max_completion_tokens"}),
        (("max_tokens", "max_completion_tokens", "temperature"), set()),
    ]
    for unknown, left in fields:
        with standing_in(picky(*unknown)) as server:
            assert all(isinstance(one, Reply) for one in _ask(server.url, 2))
            assert len(server.seen) == len(unknown) + 2, "what was learnt is kept"
            assert server.seen[-1].body.keys() - {"model", "messages"} == left


def test_nothing_is_asked_after_the_end() -> None:
    with standing_in(lambda _: GOOD) as server:
        (found,) = _ask(server.url, stopped=True)
        assert isinstance(found, Stopped) and not server.seen


def test_the_end_interrupts_a_wait() -> None:
    async def ask(url: str) -> Any:
        stop = asyncio.Event()
        async with Endpoint(read_address(url), Key(""), stop, 5, 500) as endpoint:
            task = asyncio.create_task(endpoint.ask(REQUEST))
            await asyncio.sleep(0.2)
            stop.set()
            with pytest.raises(Stopped):
                await task

    with standing_in(lambda _: Answer(429, {}, {"Retry-After": "60"})) as server:
        began = time.monotonic()
        asyncio.run(ask(server.url))
        assert time.monotonic() - began < 5
