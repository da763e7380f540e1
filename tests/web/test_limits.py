"""Bounds on sizes and rates: each is met exactly, and said in a sentence."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from starlette.exceptions import HTTPException

from app.web.limits import MOST_ADDRESS_BYTES, MOST_BODY_BYTES, Buckets, SizeMiddleware, peer_name

from .conftest import MakeClient

KEY = "a key of sixteen letters"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    buckets = Buckets(2, 5, clock=clock)
    assert [buckets.take("a") for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    clock.now = 0.49
    assert buckets.take("a") == 1
    clock.now = 0.5
    assert [buckets.take("a"), buckets.take("a")] == [0, 1]
    clock.now = 1000
    assert [buckets.take("a") for _ in range(6)] == [0, 0, 0, 0, 0, 1]


def test_a_slow_rate_says_how_long() -> None:
    buckets = Buckets(0.1, 1, clock=Clock())
    assert [buckets.take("a"), buckets.take("a")] == [0, 10]


def test_names_do_not_share_and_memory_is_bounded() -> None:
    clock = Clock()
    buckets = Buckets(1, 1, most=100, clock=clock)
    for i in range(1000):
        clock.now += 1e-6
        assert buckets.take(f"peer {i}") == 0
    assert len(buckets) == 100
    assert buckets.take("peer 999") == 1
    assert buckets.take("peer 0") == 0


def test_an_ipv6_host_has_one_bucket() -> None:
    assert peer_name("2001:db8::1") == peer_name("2001:db8::ffff:2") == "2001:db8::/64"
    assert peer_name("2001:db8:0:1::1") != peer_name("2001:db8::1")
    assert (peer_name("192.0.2.1"), peer_name("testclient")) == ("192.0.2.1", "testclient")


@pytest.fixture
def keyed(atlas_path: Path, make_client: MakeClient, tmp_path: Path) -> TestClient:
    place = str(tmp_path / "notebook.db")
    return make_client(
        atlas_path, access_key=SecretStr(KEY), requests_per_second=0.2, notebook=place
    )


def test_too_many_requests_are_told_when_to_come_back(keyed: TestClient) -> None:
    keyed.get("/", params={"key": KEY})
    answers = [keyed.get("/index.json") for _ in range(40)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert "try again in" in answers[-1].json()["error"]
    assert keyed.get("/-/health").status_code == 200


def test_strangers_are_bounded_as_well(keyed: TestClient) -> None:
    answers = [keyed.get("/", params={"key": f"guess {i}"}).status_code for i in range(40)]
    assert set(answers) == {401, 429} and answers[-1] == 429


def test_a_rate_far_below_one_a_second_still_lets_one_in(
    atlas_path: Path, make_client: MakeClient, tmp_path: Path
) -> None:
    place = str(tmp_path / "notebook.db")
    client = make_client(
        atlas_path, access_key=SecretStr(KEY), requests_per_second=0.001, notebook=place
    )
    header = {"authorization": f"Bearer {KEY}"}
    form = {"address": "/synthetic/resid-2-1k/3"}
    assert client.post("/-/shares", data=form, headers=header).status_code == 303
    assert client.get("/index.json", headers=header).status_code == 429


def test_this_machines_own_user_is_not_counted(atlas_path: Path, make_client: MakeClient) -> None:
    client = make_client(atlas_path, requests_per_second=1)
    assert {client.get("/index.json").status_code for _ in range(40)} == {200}


def test_the_longest_body_is_read_and_one_byte_more_is_not(
    atlas_path: Path, make_client: MakeClient, tmp_path: Path
) -> None:
    client = make_client(atlas_path, notebook=str(tmp_path / "notebook.db"))
    kind = {"content-type": "application/x-www-form-urlencoded"}
    full = b"address=" + b"a" * (MOST_BODY_BYTES - 8)
    assert client.post("/-/shares", content=full, headers=kind).status_code in (403, 422, 400)
    answer = client.post("/-/shares", content=full + b"a", headers=kind)
    assert answer.status_code == 413 and "4 MB" in answer.text


def test_a_body_that_does_not_say_its_length_is_counted(
    atlas_path: Path, make_client: MakeClient, tmp_path: Path
) -> None:
    client = make_client(atlas_path, notebook=str(tmp_path / "notebook.db"))

    def pieces(n_bytes: int) -> Iterator[bytes]:
        for _ in range(n_bytes // 65_536):
            yield b"a" * 65_536

    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post("/-/shares", content=pieces(2 * MOST_BODY_BYTES), headers=kind)
    assert answer.status_code == 413 and "longer than 4 MB" in answer.text


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30])
def test_a_length_that_is_none_is_refused(client: TestClient, length: str) -> None:
    assert client.post("/-/shares", headers={"content-length": length}).status_code == 413


def test_a_program_with_its_key_is_told_the_same(
    atlas_path: Path, make_client: MakeClient, tmp_path: Path
) -> None:
    """Of what goes wrong while FastAPI reads a form it would say that the form can not be read."""
    place = str(tmp_path / "notebook.db")
    client = make_client(atlas_path, access_key=SecretStr(KEY), notebook=place)
    header = {"authorization": f"Bearer {KEY}", "transfer-encoding": "chunked"}
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=b"):
        pieces = iter([b"a" * 65_536] * (MOST_BODY_BYTES // 65_536 + 2))
        answer = client.post("/-/shares", content=pieces, headers={**header, "content-type": kind})
        assert answer.status_code == 413, answer.text


def test_long_headers_are_a_sentence(client: TestClient) -> None:
    for headers in ({"x-long": "a" * 70_000}, {f"x-{i}": "a" * 1_000 for i in range(80)}):
        answer = client.get("/index.json", headers=headers)
        assert answer.status_code == 431 and "65,536 are the most" in answer.json()["error"]


def test_a_long_address_is_a_sentence(client: TestClient) -> None:
    answer = client.get("/-/search", params={"q": "a" * MOST_ADDRESS_BYTES})
    assert answer.status_code == 414 and "bytes long" in answer.text
    assert client.get("/" + "a" * MOST_ADDRESS_BYTES).status_code == 414


def test_a_body_that_trickles_is_not_waited_for() -> None:
    """Where it is whole, the one who sent it may stay as long as they like."""
    statuses: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            while (await receive()).get("more_body"):
                pass
            await asyncio.sleep(0.15)
            assert (await receive())["type"] == "http.disconnect"
            statuses.append(200)
        except HTTPException as error:
            assert "longer than 0.1 seconds" in str(error.detail)
            statuses.append(error.status_code)

    def body(pieces: int, seconds: float) -> Any:
        left = iter(range(pieces))

        async def receive() -> Any:
            number = next(left, None)
            if number is None:
                return {"type": "http.disconnect"}
            await asyncio.sleep(seconds)
            return {"type": "http.request", "body": b"a", "more_body": number < pieces - 1}

        return receive

    scope = {"type": "http", "path": "/", "query_string": b"", "headers": []}
    bounded: Any = SizeMiddleware(app, body_seconds=0.1)
    for pieces, seconds in ((3, 0.0), (1, 0.0), (50, 0.02), (1, 5.0)):
        asyncio.run(bounded(scope, body(pieces, seconds), None))
    assert statuses == [200, 200, 408, 408]
