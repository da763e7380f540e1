"""Pages on their way into a site: asked of the application, rewritten, written.

Takes addresses and templates, gives files by the map of the site. Knows no page by name.
"""

import re

from app.web import urls
from app.web.export.ask import Server
from app.web.export.folder import SiteFolder
from app.web.export.rewrite import rewrite
from app.web.export.site_map import SiteMap, page_file
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.respond import Site


class PageWriter:
    """Writes pages of one export into its folder."""

    def __init__(
        self,
        server: Server,
        folder: SiteFolder,
        site_map: SiteMap,
        reader: Reader = NO_NOTEBOOK,
    ) -> None:
        """`reader` sees what of the notebook is exported."""
        self.server, self.folder, self.map, self.reader = server, folder, site_map, reader
        self._static = server.app.state.static

    @property
    def has_previews(self) -> bool:
        """Whether the site has an address that pictures of link previews can be named by."""
        return bool(self.server.app.state.public_url)

    def static_files(self) -> None:
        """The styles and scripts, under the address that holds their version."""
        for name, path in self._static.files.items():
            self.folder.write(f"-/static/{self._static.version}/{name}", path.read_bytes())

    def page(self, url: str, after_lede: str = "") -> None:
        """A page of the server, with its twin where it is part of the site.

        Args:
            after_lede: markup that only the site has, put behind the page's first paragraph.
        """
        page = self.server.get(url).text
        if after_lede:
            page = re.sub(
                r'<p class="lede">.*?</p>', rf"\g<0>{after_lede}", page, count=1, flags=re.S
            )
        self._write(page_file(url), page)
        twin = self.map.file_of(urls.json_twin(url))
        if twin is not None:
            self.answer(urls.json_twin(url), twin)

    def answer(self, url: str, file: str) -> None:
        """What the server answers, as it is."""
        self.folder.write(file, self.server.get(url).body)

    def render(self, template: str, page: object, url: str, *scripts: str) -> None:
        """A page that only the site has."""
        state = self.server.app.state
        build_id = state.atlas_file.current().build_id
        version = self.server.app.version
        site = Site(build_id, "", version, state.public_url, url, True, self.reader)
        source = state.templates.get_template(f"pages/{template}.html")
        self._write(page_file(url), source.render(page=page, site=site), *scripts)

    def rewritten(self, file: str, page: str, *scripts: str) -> bytes:
        """A page as the file of the site it becomes."""
        names = ("site-view", *scripts)
        return rewrite(page, file, self.map, names, self._static.version).encode()

    def _write(self, file: str, page: str, *scripts: str) -> None:
        self.folder.write(file, self.rewritten(file, page, *scripts))
