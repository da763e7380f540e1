"""`feature-atlas export site`: an atlas as a folder of plain files with the server's addresses.

The order of the work: choose, map addresses to files, say how much it will be, write. Pages are the
server's own, asked in this process; lists and the search page are the site's, because a file host
answers no question.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.chosen import choose_saes
from app.db.feature_numbers import read_features
from app.settings import Settings
from app.web import urls
from app.web.export.ask import Server
from app.web.export.dictionaries import map_dictionary, write_dictionary
from app.web.export.features import feature_files, map_feature
from app.web.export.folder import SiteFolder
from app.web.export.pages import PageWriter
from app.web.export.site_map import SiteMap, page_file
from app.web.export.written import NOTHING_WRITTEN, Written
from app.web.factory import create_app
from app.web.notebook.reader import open_reader

Say = Callable[[str], None]


@dataclass(frozen=True)
class SearchContext:
    """Context of `pages/site-search.html`."""

    saes: list[Sae]
    roots: dict[str, str]
    """where each dictionary's index files lie, relative to the search page"""

    @property
    def ranks_tokens(self) -> bool:
        """Whether features of any of them are ranked by token: those of imports aren't."""
        return any(sae.record.imported is None for sae in self.saes)

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
    written: Written = NOTHING_WRITTEN,
) -> None:
    """Writes the site.

    Args:
        saes: `model/sae`; all dictionaries where empty.
        features: `all`, `0..99` or `1,5,7`, of each dictionary.
        base_url: where the site will be reached; previews of links need it. May be empty.
        written: what of the notebook goes with it.

    Raises:
        AtlasError: the atlas, the choice or the folder can't be used.
    """
    # Whoever reads files needs no key and asks no model: the settings of a server don't apply here.
    settings = Settings(
        atlas=atlas, host="127.0.0.1", access_key=None, public=False, public_url=base_url,
        trusted_header="", live=False, notebook=written.place,
    )  # fmt: skip
    app = create_app(settings)
    state = app.state
    state.static_copy = True
    with Server(app) as server, state.atlas_file.current().connect() as connection:
        chosen = [
            (sae, read_features(connection, sae, features)) for sae in choose_saes(connection, saes)
        ]
        state.notebook_scope = written.scope(chosen)
        with open_reader(state.notebook, state.names, state.notebook_scope) as reader:
            written.check(reader)
            with SiteFolder(out) as folder:
                pages = PageWriter(server, folder, SiteMap(), reader)
                _Export(connection, pages, chosen, say).run()


class _Export:
    """One export under way."""

    def __init__(
        self,
        connection: Connection,
        pages: PageWriter,
        chosen: list[tuple[Sae, list[int]]],
        say: Say,
    ) -> None:
        self._connection, self._pages = connection, pages
        self._folder = pages.folder
        self._chosen, self._say = chosen, say

    def run(self) -> None:
        started = time.monotonic()
        self._map_addresses()
        self._announce()
        self._pages.static_files()
        # Some hosts hide folders whose names they keep for themselves unless told not to.
        self._folder.write(".nojekyll", "")
        self._pages.page(urls.index_url())
        self._pages.page(urls.docs_url())
        for sae, indices in self._chosen:
            write_dictionary(self._connection, self._pages, sae, indices)
            self._features(sae, indices)
        self._search_page()
        seconds = time.monotonic() - started
        self._say(
            f"{self._folder.n_files:,} files, {self._folder.n_bytes / 1e6:.1f} MB in "
            f"{seconds:.0f} s: {self._folder.folder}"
        )

    def _map_addresses(self) -> None:
        add = self._pages.map.add
        add(urls.index_url(), page_file("/"))
        add(urls.json_twin("/"), "index.json")
        add(urls.docs_url(), page_file(urls.docs_url()))
        add(urls.search_url(), page_file(urls.search_url()))
        for sae, indices in self._chosen:
            map_dictionary(self._connection, self._pages, sae, indices)
            for index in indices:
                map_feature(self._pages, sae, index)

    def _announce(self) -> None:
        """How much it will be and how long, judged by three features of the first dictionary."""
        n = sum(len(indices) for _, indices in self._chosen)
        sae, indices = self._chosen[0]
        sample = sorted({indices[0], indices[len(indices) // 2], indices[-1]})
        sizes, times = [], []
        for index in sample:
            started = time.monotonic()
            sizes.append(sum(len(content) for _, content in feature_files(self._pages, sae, index)))
            times.append(time.monotonic() - started)
        each, took = sum(sizes) / len(sizes), n * median(times)
        many = "dictionary" if len(self._chosen) == 1 else "dictionaries"
        self._say(
            f"{n:,} features of {len(self._chosen)} {many}, about {each / 1e3:,.0f} kB each: "
            f"about {n * each / 1e6:,.0f} MB and the search index, in about "
            f"{f'{took:.0f} s' if took < 100 else f'{took / 60:.0f} min'}; --sae and --features "
            "take a part."
        )
        n_labelled = sum(len(self._pages.reader.names(sae)) for sae, _ in self._chosen)
        if n_labelled:
            self._say(
                f"{n_labelled:,} of them {'has' if n_labelled == 1 else 'have'} labels, which go "
                "with it, and the names of those who wrote them."
            )

    def _features(self, sae: Sae, indices: list[int]) -> None:
        started = said = time.monotonic()
        for done, index in enumerate(indices, start=1):
            for file, content in feature_files(self._pages, sae, index):
                self._folder.write(file, content)
            now = time.monotonic()
            if now - said > 2 or done == len(indices):
                said = now
                rate = done / max(now - started, 1e-9)
                self._say(
                    f"{sae.address}: {done:,} of {len(indices):,} features, {rate:.1f} a second, "
                    f"{(len(indices) - done) / rate:.0f} s left"
                )

    def _search_page(self) -> None:
        context = SearchContext(
            [sae for sae, _ in self._chosen],
            {sae.address: f"../site/{sae.address}/" for sae, _ in self._chosen},
        )
        self._pages.render("site-search", context, urls.search_url(), "site-search")
