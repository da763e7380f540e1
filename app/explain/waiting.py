"""How long to wait before asking again: what the endpoint says, else longer each time.

Takes an attempt and a header, gives seconds. Knows no request.
"""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0
"""Between two attempts, where the endpoint names no time."""
MOST_ASKED_FOR = 300.0
"""Seconds an endpoint may ask to wait before a run is ended instead."""


def seconds_before(attempt: int, rng: random.Random) -> float:
    """1, 2, 4 … up to 60 seconds, each shortened by up to a half by chance so that requests that
    failed together don't come back together.

    Args:
        attempt: how many there were, from 1.
    """
    longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** (attempt - 1))
    return longest * rng.uniform(0.5, 1.0)


def retry_after(header: str | None, at: datetime | None = None) -> float | None:
    """What a Retry-After header says, in seconds from now; None without one that can be read.

    Args:
        at: now, in UTC.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.replace(".", "", 1).isdecimal():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, IndexError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - (at or datetime.now(UTC))).total_seconds())
