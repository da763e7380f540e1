"""The one error a user is meant to read.

Everything a person can get wrong (a missing file, an unknown hook, a full disk) is raised as an
`AtlasError` whose text is one sentence: the thing, its value, what was expected, the next step. The
command line prints it and exits with 2; the server turns its own kind into an HTTP answer.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class AtlasError(Exception):
    """A mistake or a limit a user can act on; its text is shown as it is, without a traceback."""


_MOST_ECHOED = 60


def echoed(text: object) -> str:
    """What somebody wrote, as a sentence may repeat it: its first 60 characters, however long.

    Half a character, which JSON can hold and no answer can, is a question mark.
    """
    said = str(text).encode("utf-8", "replace").decode()
    return said if len(said) <= _MOST_ECHOED else f"{said[: _MOST_ECHOED - 1]}…"


def visible(sentence: str) -> str:
    """A sentence in which nothing is invisible or turns the direction of what follows.

    What can't be seen stands in it as its escape (`\\x84`, `\\u202e`).
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in sentence
    )


def closest(name: str, valid: Iterable[str], n: int = 5) -> str:
    """The valid names most like `name`, joined for a sentence; all of them when none is close.

    Where there are none at all, "none".
    """
    names = sorted(set(valid))
    return ", ".join(get_close_matches(name, names, n=n, cutoff=0.4) or names[: n * 2]) or "none"
