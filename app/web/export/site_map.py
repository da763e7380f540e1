"""Which addresses of the server are files of the site, and how one file names another.

A page lies as `index.html` in a folder of its address, which every file host serves at that
address; a group of examples lies beside it, so that relative addresses are the same from both.
Knows of HTML only where links and examples stand.
"""

import posixpath
import re
from html import unescape
from urllib.parse import parse_qsl, quote, unquote, urlencode


class SiteMap:
    """Addresses and files, by a canonical form of the address."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._examples: dict[str, str] = {}
        self._read_by_script: dict[str, set[str]] = {}

    def add(self, address: str, file: str) -> str:
        """Says which file holds an address; gives the file."""
        self._files[_canonical(address)] = file
        return file

    def add_read_by_script(self, address: str, file: str, arguments: set[str]) -> None:
        """The same for a page whose own script reads these arguments: links keep them."""
        self._read_by_script[self.add(address, file)] = arguments

    def set_examples(self, url: str, pages: dict[str, str]) -> None:
        """Says which of a feature's files holds which example; what was said of another is dropped.

        Args:
            pages: HTML by address, the feature's own first: a group's file comes before its mix.
        """
        self._examples = {
            f"{unquote(url)}#{name}": group_file(address)
            for address, page in pages.items()
            for name in re.findall(r'<article\b[^>]*\bid="([^"]*)"', page)
        }

    def file_of(self, address: str) -> str | None:
        """The file of an address of the server, or None where it is not part of the site.

        An example's own address leads to the file of its group; the anchor does the rest.
        """
        found = self._files.get(_canonical(address))
        if found is not None:
            return found
        path, _, query = address.partition("?")
        example = dict(parse_qsl(query)).get("example", "")
        return self._examples.get(f"{unquote(path)}#{example}")

    def relative(self, here: str, address: str) -> str | None:
        """How the file `here` names an address, its anchor kept; None where it is not exported."""
        bare, mark, anchor = address.partition("#")
        file = self.file_of(bare)
        if file is not None:
            return relative(here, file) + mark + anchor
        path, _, query = bare.partition("?")
        file = self.file_of(path)
        known = self._read_by_script.get(file or "", set())
        if file is None or not {name for name, _ in parse_qsl(query)} <= known:
            return None
        return f"{relative(here, file)}?{query}{mark}{anchor}"


def page_file(address: str) -> str:
    """The file of a page: a folder of its path, so that the path itself leads there."""
    path = unquote(address).strip("/")
    return f"{path}/index.html" if path else "index.html"


_OF_GROUP = {"group", "start"}
"""Arguments that only choose examples: views with no others are files of the site."""


def group_file(address: str) -> str:
    """The file of a group of examples, beside the feature's own: `top.html`, `top-13.html`."""
    path, _, query = address.partition("?")
    arguments = dict(parse_qsl(query))
    if not arguments:
        return page_file(path)
    start = f"-{arguments['start']}" if "start" in arguments else ""
    return f"{unquote(path).strip('/')}/{arguments.get('group', 'mix')}{start}.html"


def groups_linked(page: str, url: str) -> list[str]:
    """The addresses of other examples of the feature at `url` that its page links to."""
    found = []
    for href in re.findall(rf'href="{re.escape(url)}\?([^"#]*)', page):
        arguments = parse_qsl(unescape(href))
        if arguments and {name for name, _ in arguments} <= _OF_GROUP:
            found.append(f"{url}?{urlencode(arguments)}")
    return found


def relative(here: str, file: str) -> str:
    """How one file of the site names another; a folder stands for its `index.html`."""
    folder = posixpath.dirname(here)
    target = posixpath.relpath(file, folder or ".")
    if posixpath.basename(target) == "index.html":
        target = posixpath.dirname(target)
        target = f"{target}/" if target else "./"
    return quote(target, safe="/.-_~=,")


def _canonical(address: str) -> str:
    path, _, query = address.partition("?")
    arguments = sorted(parse_qsl(query, keep_blank_values=True))
    return f"{unquote(path)}?{urlencode(arguments)}" if arguments else unquote(path)
