"""The notebook as one request reads it: its counter, the names of features, or why it can't be.

An atlas is shown whether or not its notebook can be reached: what is missing is one sentence. Takes
a request, gives a `Reader` for its length. Knows no page.
"""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from sqlalchemy import Connection, Engine

from app.db.catalog import Sae
from app.notebook.errors import NotebookError
from app.notebook.lists import Only
from app.notebook.things import counter
from app.web.notebook.names import NameCache, Names


class Reader:
    """One request's look at the notebook."""

    def __init__(
        self,
        connection: Connection | None = None,
        cache: NameCache | None = None,
        problem: str = "",
        only: Only = None,
    ) -> None:
        """Without a connection there is nothing to read.

        Args:
            problem: why, where a notebook is kept but can't be read.
            only: the one dictionary whoever reads is limited to.
        """
        self.connection = connection
        self.only = only
        self.problem = problem
        self.counter = -1 if connection is None else counter(connection)
        self._cache = cache or NameCache()

    @property
    def kept(self) -> bool:
        """Whether there is a notebook at all."""
        return self.connection is not None or bool(self.problem)

    def names(self, sae: Sae) -> Names:
        """What the features of a dictionary are called; nothing where that can't be read."""
        if self.connection is None:
            return {}
        try:
            return self._cache.names(self.connection, sae, self.counter)
        except NotebookError as error:
            self.problem, self.connection = str(error), None
            return {}

    def name(self, sae: Sae, feature_index: int) -> str:
        """The label of one feature that is shown first; empty without one."""
        found = self.names(sae).get(feature_index)
        return "" if found is None else found.text


NO_NOTEBOOK = Reader()
"""Of a server that keeps none"""


def get_reader(request: Request) -> Iterator[Reader]:
    """The notebook for the length of the request; also what tells its answer's ETag."""
    notebook: Engine | None = request.app.state.notebook
    if notebook is None:
        request.state.reader = NO_NOTEBOOK
        yield NO_NOTEBOOK
        return
    try:
        connection = notebook.connect()
    except NotebookError as error:
        request.state.reader = Reader(problem=str(error))
        yield request.state.reader
        return
    try:
        try:
            only = request.state.viewer.dictionary
            reader = Reader(connection, request.app.state.names, only=only)
        except NotebookError as error:
            reader = Reader(problem=str(error))
        request.state.reader = reader
        yield reader
    finally:
        connection.close()


ReaderDep = Annotated[Reader, Depends(get_reader)]


def get_notebook(request: Request) -> Engine:
    """The notebook to write into."""
    notebook: Engine | None = request.app.state.notebook
    if notebook is None:
        raise HTTPException(404, "This server keeps no notebook (--notebook off).")
    return notebook


NotebookDep = Annotated[Engine, Depends(get_notebook)]
