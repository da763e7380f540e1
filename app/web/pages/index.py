"""`/`: every model of the atlas with its dictionaries.

`build` reads the catalog; `IndexPage` is all the template may show.
"""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.records import ModelRecord
from app.notebook.errors import NotebookError
from app.notebook.lists import changed_last
from app.notebook.records import FeatureList
from app.web.notebook.reader import NO_NOTEBOOK, Reader

MOST_LISTS = 5


@dataclass(frozen=True)
class ModelEntry:
    """A model and the dictionaries over it, in the order they were added."""

    model: ModelRecord
    saes: list[Sae]


@dataclass(frozen=True)
class IndexPage:
    """Context of `pages/index.html`."""

    models: list[ModelEntry]
    n_saes: int
    n_features: int
    """over all dictionaries"""
    n_labelled: dict[int, int]
    """features somebody labelled, by sae_id; a dictionary without any isn't there"""
    lists: list[FeatureList]
    """of the notebook, those changed last"""
    has_imports: bool
    """whether any dictionary was read from another tool's files"""
    has_runnable: bool
    """whether a live model can run with any of them"""

    def as_json(self) -> dict[str, Any]:
        """`models`, each with its `saes`."""
        return {
            "models": [
                {
                    **asdict(entry.model),
                    "saes": [
                        sae_json(sae) | {"n_labelled": self.n_labelled.get(sae.sae_id, 0)}
                        for sae in entry.saes
                    ],
                }
                for entry in self.models
            ]
        }


def build(connection: Connection, reader: Reader = NO_NOTEBOOK) -> IndexPage:
    """The page of an atlas and of what people wrote about it."""
    entries: dict[int, ModelEntry] = {}
    saes = list_saes(connection)
    for sae in saes:
        entries.setdefault(sae.model_id, ModelEntry(sae.model, [])).saes.append(sae)
    n_labelled = {sae.sae_id: n for sae in saes if (n := len(reader.names(sae)))}
    return IndexPage(
        models=list(entries.values()),
        n_saes=len(saes),
        n_features=sum(sae.record.n_features for sae in saes),
        n_labelled=n_labelled,
        lists=_lists(reader),
        has_imports=any(sae.record.imported is not None for sae in saes),
        has_runnable=any(sae.is_runnable for sae in saes),
    )


def _lists(reader: Reader) -> list[FeatureList]:
    if reader.connection is None:
        return []
    try:
        return changed_last(reader.connection, MOST_LISTS)
    except NotebookError as error:
        reader.problem, reader.connection = str(error), None
        return []


def sae_json(sae: Sae) -> dict[str, Any]:
    """What both the index and the dictionary's own twin say about a dictionary."""
    record, corpus = sae.record, sae.corpus
    return {
        "model": record.model,
        "sae": record.sae,
        "hook_name": record.hook_name,
        "hook_name_out": record.hook_name_out,
        "architecture": record.architecture,
        "d_in": record.d_in,
        "d_out": record.d_out or record.d_in,
        "d_sae": record.d_sae,
        "n_features": record.n_features,
        "imported": None if record.imported is None else asdict(record.imported),
        "n_tokens": corpus.n_tokens,
        "corpus": asdict(corpus),
        "quality": asdict(record.quality),
    }
