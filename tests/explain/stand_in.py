"""An endpoint on 127.0.0.1 that answers as it is told: well, by chance, badly, slowly, or not.

A real HTTP server in a thread. What it answers is a function from the request's body to a reply;
everything it was sent is kept, headers included, for tests to look at.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass
class Answer:
    """What is sent back."""

    status: int = 200
    body: Any = None
    """JSON, or bytes as they are"""
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    """bytes after which the connection breaks, though more were promised"""
    seconds: float = 0.0
    """before it is sent"""


Behaviour = Callable[[Body], Answer]


@dataclass
class Seen:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: Body

    @property
    def prompt(self) -> str:
        """The first message."""
        return self.body["messages"][0]["content"]


class StandIn:
    """A running endpoint."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.seen: list[Seen] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._gone = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """What --endpoint is given."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._gone.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                with outer._lock:
                    outer.seen.append(Seen(self.path, dict(self.headers), body))
                    outer._at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer._at_once)
                try:
                    self._send(outer.behaviour(body))
                except (BrokenPipeError, ConnectionResetError):
                    pass  # whoever asked is gone
                finally:
                    with outer._lock:
                        outer._at_once -= 1

            def _send(self, answer: Answer) -> None:
                if answer.seconds:
                    outer._gone.wait(answer.seconds)
                data = answer.body
                data = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data if answer.cut_after is None else data[: answer.cut_after])
                if answer.cut_after is not None:
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is written to the tests' output."""

        return Handler


def says(text: str | None, finish: str = "stop", **message: Any) -> Answer:
    """A chat completion with its usage."""
    return Answer(
        body={
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, **message},
                    "finish_reason": finish,
                }
            ],
            "usage": {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107},
        }
    )


@contextmanager
def standing_in(behaviour: Behaviour) -> Iterator[StandIn]:
    """A server for as long as the block lasts."""
    server = StandIn(behaviour)
    server.start()
    try:
        yield server
    finally:
        server.close()
