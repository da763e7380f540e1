"""Every address of the server is made here.

The path is the identity of a thing, the query string the view of it; arguments at their default
stay out. Takes slugs and view arguments, gives paths from the root. Knows no request.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote, quote_plus, urlencode

SLUG = "[a-z0-9]+(?:-[a-z0-9]+)*"
"""What models, dictionaries and lists are called in addresses, as a regular expression"""

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
    return with_query(_path(sae.address), view)


def feature_url(sae: Addressed, feature_index: int, view: Arguments = ()) -> str:
    """One feature."""
    return with_query(f"{_path(sae.address)}/{feature_index}", view)


def feature_urls(
    sae: Addressed, feature_index: int, view: Arguments, name: str, values: Iterable[str]
) -> list[str]:
    """One feature in views that differ in one argument, which comes last; "" leaves it out."""
    without = feature_url(sae, feature_index, view)
    start = f"{without}{'&' if '?' in without else '?'}{name}="
    return [start + quote_plus(value) if value else without for value in values]


def features_url(sae: Addressed, kind: str, view: Arguments = ()) -> str:
    """The whole list of a view as a file, csv or json."""
    return with_query(f"{_path(sae.address)}/features.{kind}", view)


def random_url(sae: Addressed) -> str:
    """A living feature of the dictionary, another one each time."""
    return f"{_path(sae.address)}/random"


def compare_url(sae: Addressed, features: Iterable[int | str], view: Arguments = ()) -> str:
    """Two to four features side by side; commas stay readable."""
    listed = ",".join(str(index) for index in features)
    rest = f"&{_encoded(arguments)}" if (arguments := tuple(view)) else ""
    return f"{_path(sae.address)}/compare?features={listed}{rest}"


def compare_form_url(sae: Addressed) -> str:
    """Where a form that asks for features is sent."""
    return f"{_path(sae.address)}/compare"


def context_url(sae: Addressed, context_id: int, view: Arguments = ()) -> str:
    """One whole context with every feature that fires in it."""
    return with_query(f"{_path(sae.address)}/context/{context_id}", view)


def figure_url(sae: Addressed, feature_index: int, panel: str, view: Arguments = ()) -> str:
    """A panel of a feature as a drawing (SVG) under the same view."""
    path = f"{_path(sae.address)}/{feature_index}/figure.svg"
    return with_query(path, [("panel", panel), *view])


def file_url(sae: Addressed, feature_index: int, view: Arguments = ()) -> str:
    """A feature as one file that needs nothing else."""
    return with_query(f"{_path(sae.address)}/{feature_index}/page.html", view)


def card_url(sae: Addressed, feature_index: int | None = None) -> str:
    """The picture in the preview of a link: of a feature, or of a dictionary."""
    middle = "" if feature_index is None else f"/{feature_index}"
    return f"{_path(sae.address)}{middle}/card.png"


def map_url(sae: Addressed, view: Arguments = ()) -> str:
    """The dictionary's map of directions."""
    return with_query(f"{_path(sae.address)}/map", view)


def study_url(sae: Addressed, page: str, view: Arguments = ()) -> str:
    """A page about the dictionary as a whole, made from studies."""
    return with_query(f"{_path(sae.address)}/{page}", view)


def walk_url(sae: Addressed, feature_index: int, view: Arguments = ()) -> str:
    """The features that cause one and those it feeds, as a graph."""
    return with_query(f"{_path(sae.address)}/{feature_index}/connections", view)


def points_url(sae: Addressed, view: Arguments = ()) -> str:
    """Two or three numbers for each feature, for charts that draw them all (JSON alone)."""
    return with_query(f"{_path(sae.address)}/points.json", view)


def point_url(sae: Addressed, feature_index: int) -> str:
    """One feature in a few words, for the card of a dot (JSON alone)."""
    return f"{_path(sae.address)}/points/{feature_index}.json"


def search_url(view: Arguments = ()) -> str:
    """Search over all dictionaries, or over one."""
    return with_query("/-/search", view)


def token_search_url(sae: Addressed, token: str, token_id: int) -> str:
    """The features of a dictionary that fire on one exact token."""
    return search_url(
        [("q", token), ("mode", "fires"), ("sae", sae.address), ("token", str(token_id))]
    )


def suggest_url() -> str:
    """What a text in the search box may become, as JSON."""
    return "/-/suggest.json"


def shares_url() -> str:
    """The share links there are, and where a form that makes one is sent."""
    return "/-/shares"


def share_url(share_id: str) -> str:
    """One share link: what it opens, until when, and the link itself."""
    return f"/-/shares/{quote(share_id, safe='')}"


def revoke_share_url(share_id: str) -> str:
    """Where the form that ends a share link is sent."""
    return f"{share_url(share_id)}/revoke"


def open_share_url(text: str) -> str:
    """The share link itself, to be given away."""
    return f"/-/open/{quote(text, safe='')}"


def live_url(sae: Addressed, feature_index: int, view: Arguments = ()) -> str:
    """One's own text on one feature; needs a live model."""
    return with_query(f"{_path(sae.address)}/{feature_index}/live", view)


def live_top_url(view: Arguments = ()) -> str:
    """The features that fire on one's own text; needs a live model."""
    return with_query("/-/live/top", view)


def live_steer_url(view: Arguments = ()) -> str:
    """A text continued with and without some features changed; needs a live model."""
    return with_query("/-/live/steer", view)


def lists_url() -> str:
    """All lists of features and the reader's own stars, and where a form for a new list is sent."""
    return "/-/lists"


def list_url(slug: str) -> str:
    """One list of features."""
    return f"/-/lists/{quote(slug, safe='')}"


def thing_url(kind: str, uid: str, action: str = "") -> str:
    """A label, note, list or entry with its history; with an action, where its form is sent."""
    return f"/-/notebook/{kind}/{quote(uid, safe='')}" + (f"/{action}" if action else "")


def write_url(sae: Addressed, feature_index: int, what: str) -> str:
    """Where a form about a feature is sent: `labels`, `notes`, `star` or `lists`."""
    return f"{_path(sae.address)}/{feature_index}/{what}"


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
    arguments = tuple(view)
    return f"{path}?{_encoded(arguments)}" if arguments else path


@lru_cache(16_384)
def _encoded(arguments: tuple[tuple[str, str], ...]) -> str:
    """A page has a hundred links of a few views."""
    return urlencode(arguments)


@lru_cache(256)
def _path(address: str) -> str:
    return f"/{quote(address)}"
