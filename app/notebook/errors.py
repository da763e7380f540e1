"""What can go wrong with a notebook, each as one sentence to be shown as it is.

Knows neither tables nor pages.
"""

from app.errors import AtlasError


class NotebookError(AtlasError):
    """The database can't be read or written now: gone, locked, full, or of another program."""


class NotAllowed(AtlasError):
    """What was sent can't be kept: too long, unreadable, or about something that isn't there."""


class Absent(AtlasError):
    """There is no such label, note or list."""
