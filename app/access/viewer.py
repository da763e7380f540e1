"""Who asks: a name to write under, a role, and the one dictionary they are limited to, if any.

Everything that shows or writes asks a `Viewer` whether it may; how one became it (a key, a link, a
proxy that signs people in, this machine's own user) is known to the server's access layer alone.
"""

from dataclasses import dataclass
from typing import Literal, cast

from app.errors import AtlasError, echoed

Role = Literal["read", "write", "admin"]
ROLES: tuple[Role, ...] = ("read", "write", "admin")
"""Each may all that those before it may"""


def role_of(text: str) -> Role:
    """The role somebody wrote.

    Raises:
        AtlasError: it is none.
    """
    if text not in ROLES:
        raise AtlasError(f"There is no role {echoed(text)!r}: choose {', '.join(ROLES)}.")
    return cast(Role, text)


@dataclass(frozen=True)
class Viewer:
    """Somebody who looks, for the length of one request."""

    name: str
    """what they write is signed with it; not unique, 1 to 80 visible characters"""
    role: Role
    dictionary: tuple[str, str] | None = None
    """(model, sae): all others don't exist for them; None: no limit"""

    def may_read(self, model: str, sae: str) -> bool:
        """Whether they see this dictionary."""
        return self.dictionary in (None, (model, sae))

    def may_write(self, model: str, sae: str) -> bool:
        """Whether they may write down something about features of this dictionary."""
        return self.writes and self.may_read(model, sae)

    @property
    def writes(self) -> bool:
        """Whether they may write anything at all."""
        return self.role in ("write", "admin")

    @property
    def is_admin(self) -> bool:
        """Whether they may undo what others did, links they made included."""
        return self.role == "admin" and self.dictionary is None
