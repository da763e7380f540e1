"""Every address of the server is made here.

The path is the identity of a thing, the query string the view of it; arguments at their default
stay out. Takes slugs and view arguments, gives paths from the root. Knows no request.
"""

from collections.abc import Iterable
from typing import Protocol
from urllib.parse import quote, urlencode

Arguments = Iterable[tuple[str, str]]
"""Query arguments in order; a name may come several times"""


class Addressed(Protocol):
    """Anything with the two slugs of a dictionary (`catalog.Sae` is one)."""

    @property
    def address(self) -> str: ...


def index_url() -> str:
    """All models and dictionaries."""
    return "/"


def sae_url(sae: Addressed, view: Arguments = ()) -> str:
    """One dictionary and its list of features."""
    return with_query(f"/{quote(sae.address)}", view)


def feature_url(sae: Addressed, feature_index: int, view: Arguments = ()) -> str:
    """One feature."""
    return with_query(f"/{quote(sae.address)}/{feature_index}", view)


def random_url(sae: Addressed) -> str:
    """A living feature of the dictionary, another one each time."""
    return f"/{quote(sae.address)}/random"


def search_url(view: Arguments = ()) -> str:
    """Search over all dictionaries, or over one."""
    return with_query("/-/search", view)


def docs_url() -> str:
    """What the addresses take and give."""
    return "/-/docs"


def openapi_url() -> str:
    """The same, for programs."""
    return "/-/openapi.json"


def json_twin(url: str) -> str:
    """The address of the same page as JSON, its view kept."""
    path, mark, query = url.partition("?")
    return ("/index.json" if path == "/" else f"{path}.json") + mark + query


def with_query(path: str, view: Arguments = ()) -> str:
    """A path with arguments; no question mark where there are none."""
    query = urlencode(list(view))
    return f"{path}?{query}" if query else path
