"""One write, or the page that keeps what couldn't be written: nobody's text is lost.

Takes what to do inside a writing transaction, gives None where it is done, else status, sentence
and the newer version of the thing. Knows no route.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from app.notebook.database import writing
from app.notebook.errors import NotAllowed, NotebookError
from app.notebook.things import Conflict, Record


@dataclass(frozen=True)
class NotSaved:
    """Why a form wasn't kept."""

    status: int
    """400 for what can't be kept, 409 where somebody else was first, 503 where it can't be now"""
    sentence: str
    current: Record | None = None
    """what stands in the notebook, where somebody else was first"""


def save(notebook: Engine, write: Callable[[Connection], object]) -> NotSaved | None:
    """Writes, as a whole or not at all."""
    try:
        with writing(notebook) as connection:
            write(connection)
    except Conflict as error:
        return NotSaved(409, str(error), error.current)
    except NotAllowed as error:
        return NotSaved(400, str(error))
    except NotebookError as error:
        return NotSaved(503, str(error))
    return None
