"""The files of one feature in a site: its page, its groups of examples, its twin, its preview.

Takes a feature, gives names and contents; nothing is written here. Knows no other page.
"""

from collections.abc import Iterator

from app.db.catalog import Sae
from app.web import urls
from app.web.export.ask import Server
from app.web.export.pages import PageWriter
from app.web.export.rewrite import only_examples
from app.web.export.site_map import group_file, groups_linked, page_file


def map_feature(pages: PageWriter, sae: Sae, index: int) -> None:
    """Says where the page of a feature and its twin lie."""
    url = urls.feature_url(sae, index)
    pages.map.add(url, page_file(url))
    pages.map.add(urls.json_twin(url), f"{url[1:]}.json")


def feature_files(pages: PageWriter, sae: Sae, index: int) -> Iterator[tuple[str, bytes]]:
    """Every file of a feature: name and content."""
    url = urls.feature_url(sae, index)
    twin = pages.server.get(urls.json_twin(url)).body
    views = _views(pages.server, url)
    for address in views:
        pages.map.add(address, group_file(address))
    pages.map.set_examples(url, views)
    for address, page in views.items():
        shown = page if address == url else only_examples(page)
        yield group_file(address), pages.rewritten(group_file(address), shown)
    yield f"{url[1:]}.json", twin
    point = urls.point_url(sae, index)
    yield point[1:], pages.server.get(point).body
    if pages.has_previews:
        card = urls.card_url(sae, index)
        yield card[1:], pages.server.get(card).body


def _views(server: Server, url: str) -> dict[str, str]:
    """The page of a feature and those its links lead to that hold other examples of it."""
    pages = {url: server.get(url).text}
    waiting = [url]
    while waiting:
        for address in groups_linked(pages[waiting.pop()], url):
            if address not in pages:
                pages[address] = server.get(address).text
                waiting.append(address)
    return pages
