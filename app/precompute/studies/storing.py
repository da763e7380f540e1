"""What studies found, on its way into the atlas.

Takes the harvests of a run and a writer. Knows no study.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.db.addition import find_sae_id
from app.db.writer import AtlasWriter
from app.precompute.studies.study import Harvest


@dataclass(frozen=True)
class Harvests:
    """Those of all studies of a run."""

    found: tuple[Harvest, ...] = ()

    def columns(self, sae: str, feature_index: int) -> dict[str, Any]:
        """What a feature's row gains; None where it is undefined."""
        return {
            name: _value(values[feature_index])
            for harvest in self.found
            for name, values in harvest.columns.get(sae, {}).items()
        }

    def store(self, writer: AtlasWriter, model: str, sae_ids: Mapping[str, int]) -> None:
        """Writes all records; dictionaries and features are there already.

        `sae_ids`: of the dictionaries of the run, by address part.
        """
        for harvest in self.found:
            for sae, record in harvest.of_dictionaries.items():
                writer.add_study(sae_ids[sae], record)
            for sae, records in harvest.of_features.items():
                writer.add_feature_studies(sae_ids[sae], records)
            ids = _ids(writer, model, {sae for pair in harvest.of_pairs for sae in pair})
            for (sae, other), record in harvest.of_pairs.items():
                writer.add_study(ids[sae], record, ids[other])


def _ids(writer: AtlasWriter, model: str, saes: Iterable[str]) -> dict[str, int]:
    """By address part, of dictionaries that came before this run as well."""
    found = {sae: find_sae_id(writer.connection, model, sae) for sae in saes}
    missing = [sae for sae, sae_id in found.items() if sae_id is None]
    assert not missing, missing  # studies speak of dictionaries that are there
    return {sae: sae_id for sae, sae_id in found.items() if sae_id is not None}


def _value(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    return None if plain != plain else plain
