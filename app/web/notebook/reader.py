"""The notebook as one request reads it: its counter, the names of features, or why it can't be.

An atlas is shown whether or not its notebook can be reached: what is missing is one sentence. Takes
a request, gives a `Reader` for its length. Knows no page.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from sqlalchemy import Connection, Engine

from app.db.catalog import Sae
from app.notebook.errors import NotebookError
from app.notebook.lists import Only
from app.notebook.things import counter
from app.web.access.visit import visit
from app.web.notebook.name_cache import NameCache
from app.web.notebook.names import NO_NAMES, Names
from app.web.notebook.scope import EVERYTHING, Scope, scope_of_share


class Reader:
    """One request's look at the notebook."""

    def __init__(
        self,
        connection: Connection | None = None,
        cache: NameCache | None = None,
        problem: str = "",
        scope: Scope = EVERYTHING,
        only: Only = None,
    ) -> None:
        """Without a connection there is nothing to read.

        Args:
            problem: why, where a notebook is kept but can't be read.
            scope: what of it is for the eyes of whoever asks.
            only: the one dictionary whoever reads is limited to.
        """
        self.connection = connection
        self.only = only
        self.problem = problem
        self.counter = -1 if connection is None else counter(connection)
        self.scope = scope
        self._cache = cache or NameCache()
        self._names: dict[str, Names] = {}

    @property
    def kept(self) -> bool:
        """Whether there is a notebook at all."""
        return self.connection is not None or bool(self.problem)

    @property
    def is_empty(self) -> bool:
        """Whether nobody ever wrote anything into it, as far as is known."""
        return self.counter <= 0 and not self.problem

    def names(self, sae: Sae) -> Names:
        """What the features of a dictionary are called; nothing where that can't be read."""
        if self.connection is None:
            return NO_NAMES
        found = self._names.get(sae.address)
        if found is None:
            try:
                found = self._cache.names(self.connection, sae, self.counter)
            except NotebookError as error:
                self.problem, self.connection = str(error), None
                return NO_NAMES
            found = self._names[sae.address] = self.scope.names(sae.address, found)
        return found

    def seeing(self, scope: Scope) -> "Reader":
        """The same for eyes that see less."""
        if self.connection is None:
            return self
        return Reader(self.connection, self._cache, scope=scope, only=self.only)

    def name(self, sae: Sae, feature_index: int) -> str:
        """The label of one feature that is shown first; empty without one."""
        found = self.names(sae).get(feature_index)
        return "" if found is None else found.text


NO_NOTEBOOK = Reader()
"""Of a server that keeps none"""


@contextmanager
def open_reader(
    notebook: Engine | None, cache: NameCache, scope: Scope, only: Only = None
) -> Iterator[Reader]:
    """A look at a notebook; one that can't be read says why, and none is none."""
    if notebook is None:
        yield NO_NOTEBOOK
        return
    try:
        connection = notebook.connect()
    except NotebookError as error:
        yield Reader(problem=str(error))
        return
    try:
        try:
            reader = Reader(connection, cache, scope=scope, only=only)
        except NotebookError as error:
            reader = Reader(problem=str(error))
        yield reader
    finally:
        connection.close()


def get_reader(request: Request) -> Iterator[Reader]:
    """The notebook for the length of the request; also what tells its answer's ETag."""
    state, share = request.app.state, visit().share
    scope = state.notebook_scope if share is None else scope_of_share(share)
    only = request.state.viewer.dictionary
    with open_reader(state.notebook, state.names, scope, only) as reader:
        request.state.reader = reader
        yield reader


ReaderDep = Annotated[Reader, Depends(get_reader)]


def get_notebook(request: Request) -> Engine:
    """The notebook to write into."""
    notebook: Engine | None = request.app.state.notebook
    if notebook is None:
        raise HTTPException(404, "This server keeps no notebook (--notebook off).")
    return notebook


NotebookDep = Annotated[Engine, Depends(get_notebook)]
