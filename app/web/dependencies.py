"""What routes ask for by type: the atlas, a connection to it, the dictionary or feature addressed.

Takes the request's path, gives open things or a 404 that names what there is. Knows no page.
"""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from sqlalchemy import Connection

from app.db.catalog import Sae, find_sae, list_saes
from app.db.engine import Atlas
from app.errors import closest


def get_atlas(request: Request) -> Atlas:
    """The atlas as it stands now; its build id is kept for the answer's ETag."""
    atlas: Atlas = request.app.state.atlas_file.current()
    request.state.build_id = atlas.build_id
    return atlas


AtlasDep = Annotated[Atlas, Depends(get_atlas)]


def get_connection(atlas: AtlasDep) -> Iterator[Connection]:
    """A read-only connection for the length of the request."""
    with atlas.connect() as connection:
        yield connection


ConnectionDep = Annotated[Connection, Depends(get_connection)]


def get_sae(connection: ConnectionDep, model: str, sae: str) -> Sae:
    """The dictionary of the path."""
    found = find_sae(connection, model, sae)
    if found is None:
        name = f"{model}/{sae}"
        known = closest(name, [item.address for item in list_saes(connection)])
        raise HTTPException(404, f"There is no dictionary {name}: known are {known}.")
    return found


SaeDep = Annotated[Sae, Depends(get_sae)]


def get_feature_index(sae: SaeDep, feature_index: int) -> int:
    """The feature number of the path, which the dictionary has."""
    n_features = sae.record.d_sae
    if not 0 <= feature_index < n_features:
        raise HTTPException(
            404,
            f"{sae.address} has no feature {feature_index}: "
            f"it has features 0 to {n_features - 1:,}.",
        )
    return feature_index


FeatureIndexDep = Annotated[int, Depends(get_feature_index)]
