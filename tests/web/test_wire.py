"""What comes over a real socket: cut, huge, slow, doubled, or no HTTP at all."""

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.web.limits import MOST_BODY_BYTES
from tests.web.serving import Served

KEY = "a key of sixteen letters"


@pytest.fixture(scope="module")
def served(atlas_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = str(tmp_path_factory.mktemp("wire") / "notebook.db")
    server = Served(atlas_path, "--notebook", place, "--access-key", KEY)
    yield server
    log = server.end()
    assert KEY not in log and "Traceback" not in log, log


def _ask(served: Served, *pieces: bytes) -> bytes:
    """Everything answered to these bytes until the other end hangs up or says nothing more."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as line:
        said = b""
        try:
            for piece in pieces:
                line.sendall(piece)
            while piece := line.recv(65_536):
                said += piece
        except OSError:  # hung up while we were still sending, or nothing more within five seconds
            pass
        return said


def _status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert found, answer[:100]
    return int(found[1])


HEAD = f"Host: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n".encode()
FORM = HEAD + b"Content-Type: application/x-www-form-urlencoded\r\n"


def test_an_ordinary_request_goes_through(served: Served) -> None:
    answer = _ask(served, b"GET /index.json HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert _status(answer) == 200 and b'"ok":true' in answer


def test_headers_are_bounded(served: Served) -> None:
    big = b"X-Long: " + b"a" * 100_000 + b"\r\n"
    assert _status(_ask(served, b"GET / HTTP/1.1\r\n" + HEAD + big + b"\r\n")) in (400, 431)
    many = b"".join(b"X-%d: a\r\n" % i for i in range(10_000))
    assert _status(_ask(served, b"GET / HTTP/1.1\r\n" + HEAD + many + b"\r\n")) in (400, 431)
    cookie = b"Cookie: " + b"~".join([b"a" * 60] * 900) + b"\r\n"
    assert _status(_ask(served, b"GET / HTTP/1.1\r\n" + HEAD + cookie + b"\r\n")) == 200


def test_a_body_in_chunks_is_counted_and_answered_with_every_header(served: Served) -> None:
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    head = b"POST /-/shares HTTP/1.1\r\n" + FORM + b"Transfer-Encoding: chunked\r\n\r\n"
    answer = _ask(served, head, *[chunk] * (MOST_BODY_BYTES // 65_536 + 2))
    assert _status(answer) == 413
    assert b"content-security-policy: default-src 'none'" in answer.lower()
    assert b"x-content-type-options: nosniff" in answer.lower()


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET http://evil.example/ HTTP/1.1", b"GET //evil.example/ HTTP/1.1", b"GET * HTTP/1.1",
        b"OPTIONS * HTTP/1.1", b"CONNECT evil.example:443 HTTP/1.1", b"GET /\xff\xfe HTTP/1.1",
        b"GET /%ff%fe%00 HTTP/1.1", b"TRACE / HTTP/1.1", b"GET / HTTP/x", b"nonsense", b"",
        b"GET /a b HTTP/1.1", b"PRI * HTTP/2.0", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)  # fmt: skip
def test_a_line_that_is_no_request_of_ours(served: Served, request_line: bytes) -> None:
    answer = _ask(served, request_line + b"\r\n" + HEAD + b"\r\n")
    assert answer == b"" or 400 <= _status(answer) < 500, answer[:200]
    assert b"Traceback" not in answer


@pytest.mark.parametrize(
    "headers",
    [
        b"Host: 127.0.0.1\r\nHost: evil.example\r\n", b"Host: evil.example\r\n", b"",
        b"Host: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
        b"Host: 127.0.0.1\r\nContent-Length: -1\r\n", b"Host: 127.0.0.1\r\n X: folded\r\n",
        b"Host: 127.0.0.1\r\nX\x00Y: a\r\n", b"Host: 127.0.0.1\r\nTransfer-Encoding: x\r\n",
    ],
)  # fmt: skip
def test_headers_that_say_two_things(served: Served, headers: bytes) -> None:
    answer = _ask(
        served, b"POST /-/shares HTTP/1.1\r\nConnection: close\r\n" + headers + b"\r\n12345"
    )
    assert answer == b"" or 400 <= _status(answer) < 500 or _status(answer) == 501, answer[:200]


def test_who_is_slow_keeps_nobody_waiting(served: Served) -> None:
    """Half a request each on many lines; others are served as ever, and the slow ones at last."""
    lines = [socket.create_connection(("127.0.0.1", served.port), timeout=20) for _ in range(100)]
    try:
        for i, line in enumerate(lines):
            if i % 2:
                line.sendall(b"GET /index.json HTTP/1.1\r\n" + HEAD[:-5])
            else:
                line.sendall(
                    b"POST /-/shares HTTP/1.1\r\n" + FORM + b"Content-Length: 999\r\n\r\na="
                )
        with httpx.Client(base_url=served.url, headers={"authorization": f"Bearer {KEY}"}) as quick:
            begun = time.monotonic()
            assert quick.get("/synthetic/resid-2-1k/3").status_code == 200
            assert quick.get("/-/health").status_code == 200
            assert time.monotonic() - begun < 20
        lines[1].sendall(HEAD[-5:] + b"\r\n")
        assert _status(lines[1].recv(65_536)) == 200
    finally:
        for line in lines:
            line.close()
    assert httpx.get(f"{served.url}/-/health").status_code == 200


def test_no_key_stands_in_what_it_says_when_it_starts(served: Served) -> None:
    """Its own stderr is a pipe here, as it is where a log is kept."""
    assert "the access key" in served.said
    assert KEY not in served.said and "sixteen" not in served.said
    assert httpx.get(f"{served.url}/", params={"key": KEY}).status_code == 303
