"""`feature-atlas export site`: an atlas as a folder of plain files with the server's addresses.

The order of the work: choose, map addresses to files, say how much it will be, write. Pages are the
server's own, asked in this process; lists and the search page are the site's, because a file host
answers no question.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.settings import Settings
from app.web import urls
from app.web.export import lists, search_index
from app.web.export.ask import Server
from app.web.export.chosen import choose_features, choose_saes
from app.web.export.folder import SiteFolder
from app.web.export.rewrite import only_examples, rewrite
from app.web.export.site_map import SiteMap, group_file, groups_linked, page_file
from app.web.factory import create_app
from app.web.respond import Site

Say = Callable[[str], None]


@dataclass(frozen=True)
class SearchContext:
    """Context of `pages/site-search.html`."""

    saes: list[Sae]
    roots: dict[str, str]
    """where each dictionary's index files lie, relative to the search page"""

    def as_json(self) -> dict[str, Any]:
        """A search of files has no twin."""
        return {}


def export_site(
    atlas: Path,
    out: Path,
    saes: list[str],
    features: str,
    base_url: str,
    say: Say = lambda line: print(line, file=sys.stderr, flush=True),
) -> None:
    """Writes the site.

    Args:
        saes: `model/sae`; all dictionaries where empty.
        features: `all`, `0..99` or `1,5,7`, of each dictionary.
        base_url: where the site will be reached; previews of links need it. May be empty.

    Raises:
        AtlasError: the atlas, the choice or the folder can't be used.
    """
    # Whoever reads files needs no key: the settings of a server don't apply here.
    app = create_app(
        Settings(atlas=atlas, host="127.0.0.1", access_key=None, public=False, public_url=base_url)
    )
    with Server(app) as server, app.state.atlas_file.current().connect() as connection:
        chosen = [(sae, choose_features(sae, features)) for sae in choose_saes(connection, saes)]
        folder = SiteFolder(out)
        try:
            _Export(server, connection, folder, chosen, say).run()
        finally:
            folder.close()


class _Export:
    """One export under way."""

    def __init__(
        self,
        server: Server,
        connection: Connection,
        folder: SiteFolder,
        chosen: list[tuple[Sae, list[int]]],
        say: Say,
    ) -> None:
        self._server, self._connection, self._folder = server, connection, folder
        self._chosen, self._say = chosen, say
        self._static = server.app.state.static
        self._map = SiteMap()
        self._previews = bool(server.app.state.public_url)

    def run(self) -> None:
        started = time.monotonic()
        self._map_addresses()
        self._announce()
        for name, path in self._static.files.items():
            self._folder.write(f"-/static/{self._static.version}/{name}", path.read_bytes())
        # Some hosts hide folders whose names they keep for themselves unless told not to.
        self._folder.write(".nojekyll", "")
        self._page(urls.index_url())
        self._page(urls.docs_url())
        for sae, indices in self._chosen:
            self._dictionary(sae, indices)
            self._features(sae, indices)
        self._search_page()
        seconds = time.monotonic() - started
        self._say(
            f"{self._folder.n_files:,} files, {self._folder.n_bytes / 1e6:.1f} MB in "
            f"{seconds:.0f} s: {self._folder.folder}"
        )

    def _map_addresses(self) -> None:
        add = self._map.add
        add(urls.index_url(), page_file("/"))
        add(urls.json_twin("/"), "index.json")
        add(urls.docs_url(), page_file(urls.docs_url()))
        add(urls.search_url(), page_file(urls.search_url()))
        for sae, indices in self._chosen:
            add(urls.sae_url(sae), page_file(urls.sae_url(sae)))
            add(urls.json_twin(urls.sae_url(sae)), f"{sae.address}.json")
            for order in lists.ORDERS:
                for number in range(1, lists.n_pages(len(indices)) + 1):
                    url = lists.list_url(sae, order, number)
                    add(url, page_file(url))
            add(urls.random_url(sae), page_file(lists.list_url(sae, "density")))
            for index in indices:
                url = urls.feature_url(sae, index)
                add(url, page_file(url))
                add(urls.json_twin(url), f"{url[1:]}.json")

    def _announce(self) -> None:
        """How much it will be, judged by three features of the first dictionary."""
        n = sum(len(indices) for _, indices in self._chosen)
        sae, indices = self._chosen[0]
        sample = sorted({indices[0], indices[len(indices) // 2], indices[-1]})
        sizes = [sum(len(content) for _, content in self._feature(sae, index)) for index in sample]
        each = sum(sizes) / len(sizes)
        many = "dictionary" if len(self._chosen) == 1 else "dictionaries"
        self._say(
            f"{n:,} features of {len(self._chosen)} {many}, about {each / 1e3:,.0f} kB each: "
            f"about {n * each / 1e6:,.0f} MB and the search index."
        )

    def _page(self, url: str, after_lede: str = "") -> None:
        """A page of the server, with its twin where it is part of the site.

        Args:
            after_lede: markup that only the site has, put behind the page's first paragraph.
        """
        page = self._server.get(url).text
        if after_lede:
            page = re.sub(
                r'<p class="lede">.*?</p>', rf"\g<0>{after_lede}", page, count=1, flags=re.S
            )
        self._write(page_file(url), page)
        twin = self._map.file_of(urls.json_twin(url))
        if twin is not None:
            self._folder.write(twin, self._server.get(urls.json_twin(url)).body)

    def _dictionary(self, sae: Sae, indices: list[int]) -> None:
        link = (
            f'<a href="{lists.list_url(sae, "density")}">{len(indices):,} features of this copy</a>'
        )
        self._page(urls.sae_url(sae), f'<p class="note">{link}, in pages</p>')
        if self._previews:
            url = urls.card_url(sae)
            self._folder.write(url[1:], self._server.get(url).body)
        records = search_index.densities(self._connection, sae, indices)
        for order in lists.ORDERS:
            ranked = lists.ordered(records, order)
            for number in range(1, lists.n_pages(len(ranked)) + 1):
                page = lists.build_list(self._connection, sae, ranked, order, number)
                self._render("site-list", page, lists.list_url(sae, order, number))
        root = f"-/site/{sae.address}"
        living = [index for index in indices if records[index] > 0]
        self._folder.write(f"{root}/living.json", json.dumps(living or indices))
        written = []
        for name, content in (
            *search_index.token_files(self._connection, sae, set(indices)),
            *search_index.feature_files(self._connection, sae, indices),
        ):
            self._folder.write(f"{root}/{name}", content)
            written.append(name)
        self._folder.write(f"{root}/files.json", json.dumps(written))

    def _features(self, sae: Sae, indices: list[int]) -> None:
        started = said = time.monotonic()
        for done, index in enumerate(indices, start=1):
            for file, content in self._feature(sae, index):
                self._folder.write(file, content)
            now = time.monotonic()
            if now - said > 2 or done == len(indices):
                said = now
                rate = done / max(now - started, 1e-9)
                self._say(
                    f"{sae.address}: {done:,} of {len(indices):,} features, {rate:.1f} a second, "
                    f"{(len(indices) - done) / rate:.0f} s left"
                )

    def _feature(self, sae: Sae, index: int) -> Iterator[tuple[str, bytes]]:
        """The files of one feature: its page, its groups of examples, its twin, its preview."""
        url = urls.feature_url(sae, index)
        twin = self._server.get(urls.json_twin(url)).body
        pages = self._groups(url)
        for address in pages:
            self._map.add(address, group_file(address))
        self._map.set_examples(url, pages)
        for address, page in pages.items():
            shown = page if address == url else only_examples(page)
            yield group_file(address), self._rewritten(group_file(address), shown)
        yield f"{url[1:]}.json", twin
        if self._previews:
            yield urls.card_url(sae, index)[1:], self._server.get(urls.card_url(sae, index)).body

    def _groups(self, url: str) -> dict[str, str]:
        """The page of a feature and those its links lead to that hold other examples of it."""
        pages = {url: self._server.get(url).text}
        waiting = [url]
        while waiting:
            for address in groups_linked(pages[waiting.pop()], url):
                if address not in pages:
                    pages[address] = self._server.get(address).text
                    waiting.append(address)
        return pages

    def _search_page(self) -> None:
        context = SearchContext(
            [sae for sae, _ in self._chosen],
            {sae.address: f"../site/{sae.address}/" for sae, _ in self._chosen},
        )
        self._render("site-search", context, urls.search_url(), "site-search")

    def _render(self, template: str, page: object, url: str, *scripts: str) -> None:
        """A page that only the site has."""
        state = self._server.app.state
        build_id = state.atlas_file.current().build_id
        site = Site(build_id, "", self._server.app.version, state.public_url, url)
        source = state.templates.get_template(f"pages/{template}.html")
        self._write(page_file(url), source.render(page=page, site=site), *scripts)

    def _write(self, file: str, page: str, *scripts: str) -> None:
        self._folder.write(file, self._rewritten(file, page, *scripts))

    def _rewritten(self, file: str, page: str, *scripts: str) -> bytes:
        names = ("site-view", *scripts)
        return rewrite(page, file, self._map, names, self._static.version).encode()
