"""The notebook as a run writes it: from many questions at once, one write at a time.

Every method is one transaction in a thread of its own; a notebook that is busy is tried again.
Knows no endpoint.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from app.notebook import explanations
from app.notebook.database import writing
from app.notebook.errors import NotebookError
from app.notebook.explanations import KeptAnswer
from app.notebook.records import Explanation, Label, State, Subject

_T = TypeVar("_T")
_ATTEMPTS = 3
"""Of a write; each waits for other writers already"""


class Store:
    """What one run reads and writes."""

    def __init__(self, notebook: Engine, run_id: str, settings_hash: str) -> None:
        self.run_id = run_id
        self._notebook, self._settings_hash = notebook, settings_hash
        self._lock = asyncio.Lock()

    async def kept(self, key: str) -> KeptAnswer | None:
        """An answer of before."""
        return await asyncio.to_thread(self._read, key)

    async def keep(self, key: str, subject: Subject, step: str, answer: KeptAnswer) -> None:
        """An answer that came now.

        Raises:
            NotebookError: it can't be kept.
        """
        await self._write(
            lambda pen: explanations.keep_answer(pen, key, subject, step, answer, self.run_id)
        )

    async def keep_label(
        self,
        subject: Subject,
        identity: str,
        explainer: str,
        text: str,
        measured: Mapping[str, Any],
        state: State,
        reason: str,
        split: Mapping[str, Any],
    ) -> Label:
        """The label of a feature and how far it is, both or neither.

        Raises:
            NotebookError: they can't be kept.
        """

        def write(pen: Connection) -> Label:
            label = explanations.keep_label(pen, subject, identity, explainer, text, measured)
            self._note(pen, subject, state, reason, label.uid, split)
            return label

        return await self._write(write)

    async def note(self, subject: Subject, state: State, reason: str) -> None:
        """How far a feature without a label is.

        Raises:
            NotebookError: it can't be kept.
        """
        await self._write(lambda pen: self._note(pen, subject, state, reason, "", {}))

    def _note(
        self,
        pen: Connection,
        subject: Subject,
        state: State,
        reason: str,
        label_uid: str,
        split: Mapping[str, Any],
    ) -> None:
        explanations.note_explanation(
            pen, subject, self._settings_hash, state, self.run_id, reason, label_uid, split
        )

    def _read(self, key: str) -> KeptAnswer | None:
        with self._notebook.connect() as connection:
            return explanations.kept_answer(connection, key)

    async def _write(self, write: Callable[[Connection], _T]) -> _T:
        def once() -> _T:
            with writing(self._notebook) as pen:
                return write(pen)

        async with self._lock:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return await asyncio.to_thread(once)
                except NotebookError:
                    if attempt == _ATTEMPTS:
                        raise
        raise AssertionError("the last attempt returns or raises")


def explained_before(
    notebook: Engine, dictionary: tuple[str, str, str], settings_hash: str
) -> dict[int, Explanation]:
    """How far features are, before a run begins."""
    with notebook.connect() as connection:
        return explanations.explanations_under(connection, dictionary, settings_hash)
