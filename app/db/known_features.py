"""Which dictionaries an atlas holds, for those who write about their features elsewhere.

Takes the path of an atlas, gives each dictionary's weights hash and how far its features go. Knows
no feature.
"""

from pathlib import Path

from app.db.catalog import list_saes
from app.db.engine import open_atlas


def weights_hashes(atlas: Path) -> dict[tuple[str, str], tuple[str, int]]:
    """(model, sae) → (weights hash, one more than its largest feature_index).

    Raises:
        AtlasError: the atlas can't be opened.
    """
    opened = open_atlas(atlas)
    try:
        with opened.connect() as connection:
            saes = list_saes(connection)
    finally:
        opened.close()
    return {
        (sae.record.model, sae.record.sae): (sae.record.weights_hash, sae.record.n_indices)
        for sae in saes
    }
