"""The process that owns the model: requests in by one pipe, answers out by another, a line each.

Run by `owner` as `python -m app.live.process`. The first line on its input says what to load; its
first answer is `ready` or why not. Then every line is `{"id", "kind", "body"}` or `{"cancel": id}`,
every answer `{"id", "answer"}` or `{"id", "status", "error"}`. One thread listens, one computes:
what came together and reads texts only is run as one pass. It ends when its input does, so it never
outlives the server. Knows no HTTP.
"""

import json
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ValidationError

from app.errors import AtlasError, out_of_memory
from app.live.desk import Desk, Work
from app.live.limits import Limits, LiveError
from app.live.protocol import AblationAsked, ActivationsAsked, Asked, Kind, SteerAsked, TopAsked

log = logging.getLogger(__name__)

NICENESS = 19
"""The other pages go first: they wait for nobody."""

STUCK = 3
"""exit code then"""

BODIES: dict[Kind, type[Asked]] = {
    "activations": ActivationsAsked,
    "ablation": AblationAsked,
    "top": TopAsked,
    "steer": SteerAsked,
}


class Given(BaseModel):
    """The first line: what to load and how much may be asked."""

    atlas: Path
    model: str
    saes: list[Path]
    device: str
    threads: int | None
    limits: Limits


class Out:
    """Answers, a line each; any thread may give one."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        line = json.dumps(message, separators=(",", ":"))
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()

    def answer(self, work: Work, answer: BaseModel) -> None:
        self.send({"id": work.id, "answer": answer.model_dump(mode="json")})

    def refuse(self, request_id: int, error: LiveError) -> None:
        self.send(
            {
                "id": request_id,
                "status": error.status,
                "error": str(error),
                "retry_after": error.retry_after,
            }
        )


def main() -> None:
    """Loads what it is told and answers until its input ends."""
    # Libraries print where they like; the answers' pipe must hold nothing else.
    out = Out(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    logging.basicConfig(level=logging.WARNING)
    given = Given.model_validate_json(sys.stdin.readline())
    os.nice(NICENESS)
    try:
        held = _load(given)
    except AtlasError as error:
        out.send({"ready": False, "error": str(error)})
        return
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "app":
            raise
        out.send(
            {
                "ready": False,
                "error": f"--live needs {error.name}, which is not installed: run "
                "`pip install 'feature-atlas[precompute]'`.",
            }
        )
        return
    except Exception as error:
        if not out_of_memory(error):
            raise
        out.send(
            {
                "ready": False,
                "error": "The model and its dictionaries don't fit into memory: use a machine or "
                "device with more, or give fewer --sae.",
            }
        )
        return
    hashes = {name: found.sae.record.weights_hash for name, found in held.saes.items()}
    out.send({"ready": True, "saes": hashes})
    desk = Desk(given.limits)
    threading.Thread(target=_listen, args=(desk, out), daemon=True).start()
    threading.Thread(target=_watch, args=(desk, out), daemon=True).start()

    from app.live.answering import Answering

    Answering(held, given.limits, desk, out).run()


def _load(given: Given) -> Any:
    import torch

    from app.live.loading import Sources, load

    torch.set_num_threads(given.threads or max(1, _processors() - 1))
    return load(Sources(given.atlas, given.model, tuple(given.saes), given.device))


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _listen(desk: Desk, out: Out) -> None:
    """Takes requests off the pipe as they come."""
    for line in sys.stdin:
        message = json.loads(line)
        if "cancel" in message:
            desk.cancel(message["cancel"])
            continue
        try:
            asked = BODIES[message["kind"]].model_validate(message["body"])
        except ValidationError as error:
            sentence = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            out.refuse(message["id"], LiveError(400, sentence))
        else:
            desk.put(Work(message["id"], asked))
    desk.close()


def _watch(desk: Desk, out: Out) -> None:
    """Ends the process where a request hangs: the server starts another one."""
    while True:
        time.sleep(1)
        for work in desk.stuck():
            log.error("request %d heeds no pause; the process ends", work.id)
            out.refuse(
                work.id,
                LiveError(504, "This took the model too long: ask for less, or a shorter text."),
            )
            os._exit(STUCK)


if __name__ == "__main__":
    main()
