"""The one error a user is meant to read, and the words its sentences are made of.

Everything a person can get wrong (a missing file, an unknown hook, a full disk) is raised as an
`AtlasError` whose text is one sentence: the thing, its value, what was expected, the next step. The
command line prints it and exits with 2; the server turns its own kind into an HTTP answer.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path


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


def unreadable(path: Path, error: OSError) -> AtlasError:
    """The sentence for what the system refuses while this file or folder is read."""
    place = error.filename if isinstance(error.filename, str) else path
    if isinstance(error, PermissionError):
        return AtlasError(
            f"{place} may not be read by this user: change its permissions or those of the folders "
            "above it, or copy it to where you may."
        )
    return AtlasError(f"{path} can't be read ({error.strerror or error}): give another path.")


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """What the system refuses while a file or folder is written beside its place, as a sentence.

    Raises:
        AtlasError: the disk is full, the place may not be written …
    """
    try:
        yield
    except OSError as error:
        raise AtlasError(
            f"Can't write {place} ({error.strerror or error}): what stood there still does; free "
            "some space or give another place."
        ) from error


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names for a sentence, the first of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def out_of_memory(error: BaseException) -> bool:
    """Whether that is what an error means, whichever library says so."""
    said = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and ("out of memory" in said or "can't alloc" in said))
    )


def closest(name: str, valid: Iterable[str], n: int = 5) -> str:
    """The valid names most like `name`, joined for a sentence; all of them when none is close.

    Where there are none at all, "none".
    """
    names = sorted(set(valid))
    return ", ".join(get_close_matches(name, names, n=n, cutoff=0.4) or names[: n * 2]) or "none"
