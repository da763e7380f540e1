"""Moments as the notebook's database keeps them: UTC, as text that sorts."""

from datetime import UTC, datetime, timedelta

NEVER = ""


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def as_text(moment: datetime) -> str:
    """`2026-03-01T12:00:00.000Z`"""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def in_words(moment: str) -> str:
    """`3 December 2026, 14:00 UTC`; "no end" for `NEVER`."""
    if moment == NEVER:
        return "no end"
    found = datetime.fromisoformat(moment)
    return f"{found.day} {found:%B %Y, %H:%M} UTC"


def in_days(days: float | None) -> str:
    """The moment so many days from now; `NEVER` for None."""
    return NEVER if days is None else as_text(now() + timedelta(days=days))


def is_over(expires_at: str) -> bool:
    """Whether a moment has passed; `NEVER` never does."""
    return expires_at != NEVER and expires_at <= as_text(now())


def seconds_until(expires_at: str) -> int | None:
    """Whole seconds left, at least 0; None for `NEVER`."""
    if expires_at == NEVER:
        return None
    return max(0, int((datetime.fromisoformat(expires_at) - now()).total_seconds()))
