"""Addresses: the path names the thing, the query string the view."""

from dataclasses import dataclass

from app.web import urls
from app.web.views import DictionaryView, SearchView


@dataclass
class _Sae:
    address: str = "pystd/resid-2-4k"


def test_paths() -> None:
    assert urls.index_url() == "/"
    assert urls.sae_url(_Sae()) == "/pystd/resid-2-4k"
    assert urls.feature_url(_Sae(), 7, [("group", "top")]) == "/pystd/resid-2-4k/7?group=top"
    assert urls.point_url(_Sae(), 7) == "/pystd/resid-2-4k/points/7.json"
    assert urls.random_url(_Sae()) == "/pystd/resid-2-4k/random"


def test_values_are_quoted() -> None:
    url = urls.search_url(SearchView(q='a&b="<c>#').arguments())
    assert url == "/-/search?q=a%26b%3D%22%3Cc%3E%23"


def test_defaults_stay_out() -> None:
    assert DictionaryView().arguments() == []
    assert DictionaryView(sort="-density", density="1%..").arguments() == [("density", "1%..")]
    assert DictionaryView(density="1%..").arguments(density="") == []


def test_repeated_arguments() -> None:
    assert SearchView(token=("3", "4")).arguments() == [("token", "3"), ("token", "4")]


def test_twins_keep_the_view() -> None:
    assert urls.json_twin("/") == "/index.json"
    assert urls.json_twin("/m/s?sort=density") == "/m/s.json?sort=density"
