"""`/`: every model of the atlas with its dictionaries.

`build` reads the catalog; `IndexPage` is all the template may show.
"""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.records import ModelRecord


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

    def as_json(self) -> dict[str, Any]:
        """`models`, each with its `saes`."""
        return {
            "models": [
                {**asdict(entry.model), "saes": [sae_json(sae) for sae in entry.saes]}
                for entry in self.models
            ]
        }


def build(connection: Connection) -> IndexPage:
    """The page of an atlas."""
    entries: dict[int, ModelEntry] = {}
    saes = list_saes(connection)
    for sae in saes:
        entries.setdefault(sae.model_id, ModelEntry(sae.model, [])).saes.append(sae)
    return IndexPage(list(entries.values()), len(saes), sum(sae.record.d_sae for sae in saes))


def sae_json(sae: Sae) -> dict[str, Any]:
    """What both the index and the dictionary's own twin say about a dictionary."""
    record, corpus = sae.record, sae.corpus
    return {
        "model": record.model,
        "sae": record.sae,
        "hook_name": record.hook_name,
        "architecture": record.architecture,
        "d_in": record.d_in,
        "d_sae": record.d_sae,
        "n_tokens": corpus.n_tokens,
        "corpus": asdict(corpus),
        "quality": asdict(record.quality),
    }
