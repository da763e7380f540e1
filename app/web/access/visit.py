"""The request at hand as pages may know it: who asks, by what right, whether others are kept out.

The access layer sets it; templates ask for it as `visit()`. Outside a request (a page written to a
file) it is a reader's. Knows no page.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from app.access.shares import Share
from app.access.viewer import Viewer


@dataclass(frozen=True)
class Visit:
    """One request's right to see and write."""

    viewer: Viewer
    locked: bool = False
    """people without a key or a name are refused"""
    key_id: str = ""
    """of the key that was shown; "" where another right let them in"""
    credential: str = ""
    """what tells this visitor's browser from others; never shown"""
    key_in_header: bool = False
    """a program showed its key itself; no other site's page could have made it"""
    share: Share | None = None
    """the link that opens this page, where nothing else does"""
    share_text: str = ""
    """of that link, for those it was given to to give on"""

    @property
    def is_inside(self) -> bool:
        """Whether somebody asks who may look around, beyond the one page a link opens."""
        return self is not OUTSIDE and self.share is None

    @property
    def may_share(self) -> bool:
        """Whether a share link made now would let anybody in who isn't in already."""
        return self.locked and self.viewer.writes


ANYBODY = Viewer("a visitor", "read")
"""Whoever looks at a public atlas"""

NOBODY = Visit(Viewer("nobody", "read", ("", "")), locked=True)
"""Whoever asks for what is open to all: whatever else the address leads to, they see none of it"""

OUTSIDE = Visit(Viewer("a copy", "read"))
"""What pages know when no request is at hand"""

_current: ContextVar[Visit] = ContextVar("visit", default=OUTSIDE)


def visit() -> Visit:
    """That of the request at hand."""
    return _current.get()


def begin_visit(begun: Visit) -> None:
    """Makes a visit that of the request at hand."""
    _current.set(begun)
