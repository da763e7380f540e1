"""A run over many features: some at once, each kept as it ends, stopped cleanly at any time.

Takes everything opened, gives an outcome. The first Ctrl-C or SIGTERM lets the questions that were
asked be answered and kept, the second ends them. Knows no prompt.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from app.errors import AtlasError
from app.explain.address import Address, Key
from app.explain.asking import Asker, Usage
from app.explain.endpoint import Endpoint
from app.explain.failures import Stopped
from app.explain.feature import Ended, Explainer
from app.explain.progress import Reporter
from app.explain.settings import ExplainSettings
from app.explain.source import Source
from app.explain.store import Store


@dataclass(frozen=True)
class How:
    """How questions are asked; none of it decides an answer."""

    address: Address
    key: Key
    timeout: float
    """seconds one answer may take"""
    max_tokens: int
    concurrency: int
    """questions at once"""


@dataclass
class Outcome:
    """What a run did."""

    n_chosen: int
    usage: Usage = field(default_factory=Usage)
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """of features that aren't done"""
    stopped: bool = False
    refused: str = ""
    """the sentence that ended the run, where nothing more was to be had"""

    @property
    def n_left(self) -> int:
        """Features that this run didn't come to."""
        return self.n_chosen - self.states.total()

    @property
    def is_whole(self) -> bool:
        """Every feature is done."""
        return self.states["done"] == self.n_chosen

    def as_json(self) -> dict[str, Any]:
        """As a run keeps it."""
        return {
            "chosen": self.n_chosen,
            **dict(self.states),
            "requests": self.usage.n_requests,
            "prompt_tokens": self.usage.prompt_tokens,
            "completion_tokens": self.usage.completion_tokens,
            "stopped": self.stopped,
            "refused": self.refused,
        }


def run_features(
    source: Source,
    settings: ExplainSettings,
    features: Sequence[int],
    how: How,
    store: Store,
    reporter: Reporter,
) -> Outcome:
    """Explains features until all are done, the user stops, or nothing is answered any more."""
    outcome = Outcome(len(features))
    with suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(_run(source, settings, features, how, store, reporter, outcome))
    return outcome


async def _run(
    source: Source,
    settings: ExplainSettings,
    features: Sequence[int],
    how: How,
    store: Store,
    reporter: Reporter,
    outcome: Outcome,
) -> None:
    stop = asyncio.Event()
    endpoint = Endpoint(how.address, how.key, stop, how.timeout, how.max_tokens)
    with _listening(stop, outcome, reporter.say):
        async with endpoint:
            asker = Asker(endpoint, store, settings.temperature, how.concurrency)
            outcome.usage = asker.usage
            explainer = Explainer(source, settings, asker, store)
            waiting = iter(features)

            async def work() -> None:
                for feature in waiting:
                    if stop.is_set():
                        return
                    try:
                        ended = await explainer.explain(feature)
                    except Stopped:
                        return
                    except AtlasError as error:
                        outcome.refused = outcome.refused or str(error)
                        stop.set()
                        return
                    _count(outcome, ended)
                    reporter.ended(ended.state == "done", asker.usage.completion_tokens)

            await asyncio.gather(*(work() for _ in range(how.concurrency)))


def _count(outcome: Outcome, ended: Ended) -> None:
    outcome.states[ended.state] += 1
    if ended.state != "done":
        outcome.reasons[ended.reason] += 1


@contextmanager
def _listening(stop: asyncio.Event, outcome: Outcome, say: Callable[[str], None]) -> Iterator[None]:
    """Takes SIGINT and SIGTERM over."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def heed() -> None:
        if outcome.stopped:
            task.cancel()
            return
        outcome.stopped = True
        stop.set()
        say("Stopping once what was asked is answered; again to stop at once.")

    signals = (signal.SIGINT, signal.SIGTERM)
    for one in signals:
        with suppress(NotImplementedError):
            loop.add_signal_handler(one, heed)
    try:
        yield
    finally:
        for one in signals:
            with suppress(NotImplementedError):
                loop.remove_signal_handler(one)
