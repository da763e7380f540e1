"""What routes ask for by type: the atlas, a connection to it, the dictionary or feature addressed.

Takes the request's path, gives open things or a 404 that names what there is. What is only looked
up in memory is a coroutine: a thread for each would cost more than the looking up. Knows no page.
"""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, HTTPException, Path, Request
from sqlalchemy import Connection

from app.access.viewer import Viewer
from app.db.catalog import Sae, limit_to
from app.db.engine import Atlas
from app.errors import closest, echoed
from app.web.memory import Memory
from app.web.urls import SLUG, sae_url


async def viewer_of(request: Request) -> Viewer:
    """Who asks, as the access layer found them."""
    return request.state.viewer


ViewerDep = Annotated[Viewer, Depends(viewer_of)]


async def get_atlas(request: Request) -> Atlas:
    """The atlas as it stands now; its build id is kept for the answer's ETag."""
    atlas: Atlas = request.app.state.atlas_file.current()
    request.state.build_id = atlas.build_id
    return atlas


AtlasDep = Annotated[Atlas, Depends(get_atlas)]


async def get_memory(request: Request, atlas: AtlasDep) -> Memory:
    """What is kept of the build that is shown."""
    return request.app.state.memory.get(atlas.build_id)


MemoryDep = Annotated[Memory, Depends(get_memory)]


def get_connection(atlas: AtlasDep, viewer: ViewerDep) -> Iterator[Connection]:
    """A read-only connection for the length of the request, to what the viewer may see."""
    with atlas.connect() as connection:
        if viewer.dictionary is not None:
            limit_to(connection, viewer.dictionary)
        yield connection


ConnectionDep = Annotated[Connection, Depends(get_connection)]


# Described, not enforced: a name of any shape is answered with those that come closest.
_Slug = Annotated[str, Path(json_schema_extra={"pattern": f"^{SLUG}$"})]
_Number = Annotated[int, Path(ge=0, lt=10**12)]


async def get_sae(
    request: Request,
    atlas: AtlasDep,
    memory: MemoryDep,
    viewer: ViewerDep,
    model: _Slug,
    sae: _Slug,
) -> Sae:
    """The dictionary of the path; an error page of anything below it leads back to its list.

    One the viewer may not see is none: the answer is the same.
    """
    known = {
        address: found
        for address, found in memory.saes(atlas).items()
        if viewer.may_read(found.record.model, found.record.sae)
    }
    name = f"{model}/{sae}"
    if name not in known:
        raise HTTPException(
            404, f"There is no dictionary {echoed(name)}: known are {closest(name, list(known))}."
        )
    request.state.list_url = sae_url(known[name])
    return known[name]


SaeDep = Annotated[Sae, Depends(get_sae)]


async def get_feature_index(
    atlas: AtlasDep, memory: MemoryDep, sae: SaeDep, feature_index: _Number
) -> int:
    """The feature number of the path, which the dictionary has."""
    if memory.holds(atlas, sae, feature_index):
        return feature_index
    if feature_index < sae.record.n_indices and sae.record.imported is not None:
        raise HTTPException(
            404,
            f"{sae.record.imported.source}, from which {sae.address} was imported, doesn't hold "
            f"feature {feature_index}: it holds {sae.numbers}.",
        )
    raise HTTPException(404, f"{sae.address} has no feature {feature_index}: it has {sae.numbers}.")


FeatureIndexDep = Annotated[int, Depends(get_feature_index)]
