"""Which features of a dictionary somebody labelled, wrote a note on, or starred. Knows no list."""

from app.db.catalog import Sae
from app.notebook.errors import NotebookError
from app.notebook.notes import noted_features, starred_features
from app.web.notebook.reader import Reader


def written_features(reader: Reader, sae: Sae, has: str) -> set[int]:
    """The features that have a `label`, a `note` or a `star`.

    Raises:
        NotebookError: the notebook can't be read; a list can't be shown as if nothing was in it.
    """
    names = reader.names(sae)
    if reader.problem:
        raise NotebookError(reader.problem)
    if has == "label":
        return set(names)
    if reader.connection is None:
        return set()
    find = noted_features if has == "note" else starred_features
    record = sae.record
    return find(reader.connection, record.model, record.sae, record.weights_hash)
