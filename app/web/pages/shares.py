"""`/-/shares`: the share links there are, and one of them to give away.

`build` takes the links a viewer may see; the contexts are all the templates may show.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.access.shares import Share


@dataclass(frozen=True)
class ShareEntry:
    """One link as the list shows it; the link itself is on its own page alone."""

    share: Share

    @property
    def ended(self) -> str:
        """Why it opens nothing any more, and by whom; empty while it does."""
        share = self.share
        if share.state == "expired":
            return "expired"
        if share.state == "open":
            return ""
        return (
            f"revoked by {share.revoked_by}" if share.revoked_at else "its maker's key is revoked"
        )

    def as_json(self) -> dict[str, Any]:
        """Its row, without what could open it."""
        share = self.share
        return {
            "share_id": share.share_id,
            "kind": share.kind,
            "address": share.address,
            "made_by": share.made_by,
            "made_at": share.made_at,
            "expires_at": share.expires_at,
            "state": share.state,
        }


@dataclass(frozen=True)
class SharesPage:
    """Context of `pages/shares.html`."""

    entries: list[ShareEntry]
    n_open: int
    of_all: bool
    """everybody's links, not the viewer's alone"""

    def as_json(self) -> dict[str, Any]:
        """Every link, the newest first."""
        return {"shares": [entry.as_json() for entry in self.entries]}


@dataclass(frozen=True)
class SharePage:
    """Context of `pages/share.html`."""

    entry: ShareEntry
    link: str
    """what is given away, whole; empty where it opens nothing any more"""

    def as_json(self) -> dict[str, Any]:
        """Its row, and the link."""
        return {**self.entry.as_json(), "link": self.link or None}


def build(shares: Iterable[Share], of_all: bool) -> SharesPage:
    """The list of links, in the order given."""
    entries = [ShareEntry(share) for share in shares]
    n_open = sum(entry.share.state == "open" for entry in entries)
    return SharesPage(entries, n_open, of_all)
