"""The files of one dictionary in a site besides its features: page, lists, map, search index.

Takes a dictionary and which of its features are exported. A list can't be filtered nor a map
searched without a server: the site has lists of its own, and the map's numbers as a file.
"""

import json

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.maps import get_direction_map
from app.web import urls
from app.web.export import lists, search_index
from app.web.export.pages import PageWriter
from app.web.export.site_map import page_file
from app.web.pages.studies.ways import pages_in_copy
from app.web.views import MapView, PointsView

_POINTS = PointsView().arguments()
_MAP_POINTS = PointsView(x="map_x", y="map_y", color=MapView().color).arguments()


def map_dictionary(connection: Connection, pages: PageWriter, sae: Sae, indices: list[int]) -> None:
    """Says where its files lie."""
    url, add = urls.sae_url(sae), pages.map.add
    add(url, page_file(url))
    add(urls.json_twin(url), f"{sae.address}.json")
    add(urls.points_url(sae, _POINTS), f"{sae.address}/points.json")
    for order in lists.ORDERS:
        for number in range(1, lists.n_pages(len(indices)) + 1):
            listed = lists.list_url(sae, order, number)
            add(listed, page_file(listed))
    add(urls.random_url(sae), page_file(lists.list_url(sae, "density")))
    if get_direction_map(connection, sae.sae_id):
        map_url = urls.map_url(sae)
        pages.map.add_read_by_script(map_url, page_file(map_url), {"feature"})
        add(urls.json_twin(map_url), f"{sae.address}/map.json")
        add(urls.points_url(sae, _MAP_POINTS), f"{sae.address}/map/points.json")
    for page in pages_in_copy(connection, sae):
        study = urls.study_url(sae, page.name)
        pages.map.add_read_by_script(study, page_file(study), set(page.read_by_script))
        add(urls.json_twin(study), f"{sae.address}/{page.name}.json")


def write_dictionary(
    connection: Connection, pages: PageWriter, sae: Sae, indices: list[int]
) -> None:
    """Writes them."""
    link = f'<a href="{lists.list_url(sae, "density")}">{len(indices):,} features of this copy</a>'
    pages.page(urls.sae_url(sae), f'<p class="note">{link}, in pages</p>')
    pages.answer(urls.points_url(sae, _POINTS), f"{sae.address}/points.json")
    if pages.has_previews:
        pages.answer(urls.card_url(sae), urls.card_url(sae)[1:])
    records = search_index.densities(connection, sae, indices)
    _write_lists(connection, pages, sae, records)
    if pages.map.file_of(urls.map_url(sae)):
        _write_map(pages, sae, indices)
    for page in pages_in_copy(connection, sae):
        pages.page(urls.study_url(sae, page.name))
    _write_index(connection, pages, sae, indices, records)


def _write_lists(
    connection: Connection, pages: PageWriter, sae: Sae, densities: dict[int, float | None]
) -> None:
    for order in lists.ORDERS:
        ranked = lists.ordered(densities, order)
        for number in range(1, lists.n_pages(len(ranked)) + 1):
            page = lists.build_list(connection, sae, ranked, order, number)
            pages.render("site-list", page, lists.list_url(sae, order, number))


def _write_map(pages: PageWriter, sae: Sae, indices: list[int]) -> None:
    """The map's page, and its points: only features of the copy have a place, as every dot leads
    to its feature."""
    pages.page(urls.map_url(sae))
    points = json.loads(pages.server.get(urls.points_url(sae, _MAP_POINTS)).body)
    exported = set(indices)
    for axis in ("x", "y"):
        points[axis]["values"] = [
            value if index in exported else None
            for index, value in enumerate(points[axis]["values"])
        ]
    content = json.dumps(points, separators=(",", ":"))
    pages.folder.write(f"{sae.address}/map/points.json", content)


def _write_index(
    connection: Connection,
    pages: PageWriter,
    sae: Sae,
    indices: list[int],
    densities: dict[int, float | None],
) -> None:
    """What the site's search and its random feature read."""
    root = f"-/site/{sae.address}"
    living = [index for index in indices if densities[index] != 0]
    pages.folder.write(f"{root}/living.json", json.dumps(living or indices))
    written = []
    for name, content in (
        *search_index.token_files(connection, sae, set(indices)),
        *search_index.feature_files(connection, sae, indices, pages.reader.names(sae)),
    ):
        pages.folder.write(f"{root}/{name}", content)
        written.append(name)
    pages.folder.write(f"{root}/files.json", json.dumps(written))
