"""What a share link opens: one feature, list, comparison or reading, and what its page loads.

A grant is made from the address of the page that is shared, and holds a later address against it:
the path must be, letter by letter, one of a few it names, and of the arguments only those that
change how the same thing is drawn are free. Whatever is not named here stays closed. Knows no
database.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import parse_qsl

from pydantic import ValidationError

from app.web import urls
from app.web.figures.view import FigureView
from app.web.views import (
    CompareView,
    DictionaryView,
    FeatureView,
    FileView,
    ListView,
    PointsView,
    View,
)

AView = TypeVar("AView", bound=View)

_FEATURE = re.compile(rf"/({urls.SLUG})/({urls.SLUG})/(0|[1-9]\d{{0,8}})")
_COMPARISON = re.compile(rf"/({urls.SLUG})/({urls.SLUG})/compare")
_LIST = re.compile(rf"/({urls.SLUG})/({urls.SLUG})")
_NOTEBOOK_LIST = re.compile(rf"/-/lists/({urls.SLUG})")

_LIST_DRAWING = ("sort", "columns", "size", "next", "scale", "x", "y")
"""Arguments of a list that change no feature in it"""


@dataclass(frozen=True)
class Address:
    """One path that is open, and what may be said after its question mark."""

    path: str
    free: frozenset[str] = frozenset()
    """arguments with any value, or none"""
    fixed: dict[str, str] = field(default_factory=dict)
    """arguments that must be there, each with this value alone"""
    at_most: dict[str, str] = field(default_factory=dict)
    """arguments that may be there, with this value alone"""

    def opens(self, pairs: Collection[tuple[str, str]]) -> bool:
        """Whether every argument is one it may have, and none is missing.

        An empty argument is as good as none (but for `embed`, where the bare word says something),
        but a bound one may neither be empty nor come twice: the page would take the last.
        """
        given: dict[str, list[str]] = {}
        for name, value in pairs:
            given.setdefault(name, []).append(value)
        for name, value in self.fixed.items():
            if given.pop(name, []) != [value]:
                return False
        for name, value in self.at_most.items():
            if given.pop(name, [value]) != [value]:
                return False
        if "embed" in given:
            return False
        return all(name in self.free or not any(values) for name, values in given.items())


@dataclass(frozen=True)
class Grant:
    """What one link opens."""

    kind: str
    """feature, list, comparison, reading"""
    address: str
    """of the page itself, in the one way this server writes it"""
    dictionary: tuple[str, str] | None
    """(model, sae) of a page below one; None: a list of the notebook, which may have several"""
    feature_indices: tuple[int, ...]
    """features the address names, all of which must exist"""
    open: tuple[Address, ...]
    """the page's own address and those it loads"""

    def opens(self, path: str, raw_path: bytes, query: str) -> bool:
        """Whether an address is within it.

        Args:
            path: decoded, as routes are found by it.
            raw_path: as it came. Every path here is plain letters, so that one in any other
                writing (%2F, %2e) is none of them.
            query: as it came, without the question mark.
        """
        if raw_path != path.encode():
            return False
        pairs = parse_qsl(query, keep_blank_values=True)
        return any(one.path == path and one.opens(pairs) for one in self.open)


def grant_of(address: str) -> Grant:
    """The grant of the page at an address of this server, from the root.

    Raises:
        ValueError: a sentence; the page is none that can be shared, or its arguments are wrong.
    """
    path, _, query = address.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    try:
        if found := _FEATURE.fullmatch(path):
            return _feature(found[1], found[2], int(found[3]), _view(FeatureView, pairs))
        if found := _COMPARISON.fullmatch(path):
            return _comparison(found[1], found[2], _view(CompareView, pairs))
        if found := _LIST.fullmatch(path):
            return _list(found[1], found[2], _view(DictionaryView, pairs))
    except ValidationError as error:
        message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise ValueError(f"This address can't be shared: {message}") from error
    if (found := _NOTEBOOK_LIST.fullmatch(path)) and not query:
        opened = (Address(path, frozenset(ListView.model_fields)), Address(f"{path}.json"))
        return Grant("list", path, None, (), opened)
    raise ValueError(
        "A link can open a feature, a list, a comparison or the test of a reading, not this page: "
        "share one of those."
    )


def share_kind(address: str) -> str:
    """The kind of what a link to this address would open; "" where none can be made."""
    try:
        return grant_of(address).kind
    except ValueError:
        return ""


@dataclass(frozen=True)
class _Sae:
    address: str


def _view(kind: type[AView], pairs: Collection[tuple[str, str]]) -> AView:
    return kind.model_validate(dict(pairs))


def _feature(model: str, sae: str, index: int, view: FeatureView) -> Grant:
    own = _Sae(f"{model}/{sae}")
    page = urls.feature_url(own, index)
    tested = {"reading": view.reading} if view.reading else {}
    # A reading is tested on text from everywhere in the corpus: only the one shared is open.
    free = frozenset(FeatureView.model_fields) - {"reading", "embed"}
    free -= frozenset() if tested else {"order"}
    opened = (
        Address(page, free, at_most=tested),
        Address(urls.json_twin(page), free, at_most=tested),
        Address(_path(urls.figure_url(own, index, "")), _with_panel(free), at_most=tested),
        Address(urls.card_url(own, index)),
        Address(urls.file_url(own, index), frozenset(FileView.model_fields)),
    )
    kind = "reading" if tested else "feature"
    address = urls.feature_url(own, index, view.arguments(embed=None))
    return Grant(kind, address, (model, sae), (index,), opened)


def _comparison(model: str, sae: str, view: CompareView) -> Grant:
    own = _Sae(f"{model}/{sae}")
    indices = tuple(view.indices())
    rest = [pair for pair in view.arguments() if pair[0] != "features"]
    address = urls.compare_url(own, indices, rest)
    page = _path(address)
    free = frozenset(CompareView.model_fields) - {"features"}
    fixed = {"features": ",".join(map(str, indices))}
    opened = (Address(page, free, fixed), Address(urls.json_twin(page), free, fixed))
    return Grant("comparison", address, (model, sae), indices, opened)


def _list(model: str, sae: str, view: DictionaryView) -> Grant:
    own = _Sae(f"{model}/{sae}")
    page = urls.sae_url(own)
    fixed = dict(view.filters())
    free = frozenset(_LIST_DRAWING)
    files = [_path(urls.features_url(own, kind)) for kind in ("csv", "json")]
    opened = [Address(path, free, fixed) for path in (page, urls.json_twin(page), *files)]
    opened.append(Address(urls.card_url(own)))
    if not view.filtered():
        # The points of a chart are those of all features: no more than a list of them all holds.
        opened.append(Address(urls.points_url(own), frozenset(PointsView.model_fields)))
    return Grant(
        "list", urls.sae_url(own, view.arguments(next=None)), (model, sae), (), tuple(opened)
    )


def _with_panel(free: frozenset[str]) -> frozenset[str]:
    return free | (frozenset(FigureView.model_fields) - frozenset(FeatureView.model_fields))


def _path(address: str) -> str:
    return address.partition("?")[0]
