"""The requests at hand: order, what shares a pass, what is dropped, what runs too long."""

import threading
import time

import pytest

from app.live.desk import GRACE_SECONDS, Cancelled, Desk, Work
from app.live.limits import Limits, LiveError
from app.live.protocol import AblationAsked, ActivationsAsked, TopAsked

READS = ActivationsAsked(text="a", sae="m/s", features=[1])
TOP = TopAsked(text="a", saes=["m/s"])
ABLATES = AblationAsked(text="a", sae="m/s", feature_index=1)


@pytest.fixture
def desk() -> Desk:
    return Desk(Limits(seconds=5))


def taken(desk: Desk) -> Work:
    work = desk.take()
    assert work is not None
    return work


def test_first_come_first_served(desk: Desk) -> None:
    for i in range(3):
        desk.put(Work(i, ABLATES))
    assert [taken(desk).id for _ in range(3)] == [0, 1, 2]


def test_only_what_reads_a_text_shares_a_pass(desk: Desk) -> None:
    for i, asked in enumerate((READS, TOP, ABLATES, READS)):
        desk.put(Work(i, asked))
    assert taken(desk).id == 0
    beside = desk.take_beside()
    assert beside is not None and beside.id == 1
    assert desk.take_beside() is None  # nobody overtakes the ablation
    assert taken(desk).id == 2


def test_what_does_not_fit_stays_the_next(desk: Desk) -> None:
    for i in range(3):
        desk.put(Work(i, READS))
    taken(desk)
    beside = desk.take_beside()
    assert beside is not None
    desk.put_back(beside)
    assert taken(desk).id == 1


def test_whoever_went_away_is_dropped_or_stops_at_the_next_pause(desk: Desk) -> None:
    for i in range(3):
        desk.put(Work(i, ABLATES))
    running = taken(desk)
    desk.pause(running)
    desk.cancel(0)
    desk.cancel(1)
    with pytest.raises(Cancelled):
        desk.pause(running)
    assert taken(desk).id == 2


def test_too_long_ends_at_a_pause_and_without_one_is_stuck(desk: Desk) -> None:
    desk.put(Work(0, ABLATES))
    work = taken(desk)
    desk.pause(work)
    assert desk.stuck() == []
    work.started = time.monotonic() - 5.5
    with pytest.raises(LiveError, match="longer than 5 seconds"):
        desk.pause(work)
    assert desk.stuck() == []
    work.started -= GRACE_SECONDS
    assert desk.stuck() == [work]
    desk.done([work])
    assert desk.stuck() == []


def test_it_waits_for_work_until_there_is_no_more(desk: Desk) -> None:
    found: list[Work | None] = []
    thread = threading.Thread(target=lambda: found.extend((desk.take(), desk.take())))
    thread.start()
    desk.put(Work(7, READS))
    desk.close()
    thread.join(10)
    assert [work and work.id for work in found] == [7, None]
