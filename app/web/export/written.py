"""What of the notebook an export takes along: nothing, unless it was asked for.

What people wrote was written for those who have the atlas, not for whoever gets a file of it. Takes
the choice, gives where the notebook is and what of it may be seen. Knows no page.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.db.catalog import Sae
from app.errors import AtlasError
from app.web.notebook.reader import Reader
from app.web.notebook.scope import Scope


@dataclass(frozen=True)
class Written:
    """What goes along; never lists and stars, nor anything about features that stay."""

    labels: bool = False
    """with their readings, and who wrote them"""
    notes: bool = False
    notebook: str = ""
    """where it is; empty for the one beside the atlas"""

    @property
    def place(self) -> str:
        """As settings name the notebook; `off` where nothing of it is needed."""
        return self.notebook if self.labels or self.notes else "off"

    def scope(self, chosen: Iterable[tuple[Sae, Iterable[int]]]) -> Scope:
        """What may be seen of the notebook when these features are exported."""
        only = frozenset((sae.address, index) for sae, indices in chosen for index in indices)
        return Scope(labels=self.labels, notes=self.notes, lists=False, forms=False, only=only)

    def check(self, reader: Reader) -> None:
        """Looks whether there is what was asked for.

        Raises:
            AtlasError: the notebook can't be read, or none is kept.
        """
        if reader.problem:
            raise AtlasError(reader.problem)
        if (self.labels or self.notes) and not reader.kept:
            raise AtlasError("--notebook off keeps no notebook: there is nothing to take along.")


NOTHING_WRITTEN = Written()
