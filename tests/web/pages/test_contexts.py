"""What templates show of a page's context, and what the context documents, are the same."""

import ast
import re
from dataclasses import fields
from inspect import getsource

import pytest

from app.web.pages.dictionary.page import DictionaryPage
from app.web.pages.docs import DocsPage
from app.web.pages.index import IndexPage
from app.web.pages.points.map import MapPage
from app.web.pages.search.page import SearchPage
from app.web.pages.studies.norms.page import NormsPage
from app.web.pages.studies.quality.page import QualityPage
from app.web.paths import templates_folder

ONLY_IN_TWIN = {
    "DictionaryPage": {"next"},
    "SearchPage": {"next"},
    "QualityPage": {"measured"},
    "NormsPage": {"found", "view"},
}


@pytest.mark.parametrize(
    ("page", "template"),
    [
        (IndexPage, "index"), (DictionaryPage, "dictionary"), (SearchPage, "search"),
        (DocsPage, "docs"), (MapPage, "map"),
        (QualityPage, "studies/quality"), (NormsPage, "studies/norms"),
    ],
)  # fmt: skip
def test_a_template_shows_exactly_its_context(page: type, template: str) -> None:
    used = _names_used(f"pages/{template}.html")
    declared = {field.name for field in fields(page)}
    assert used == declared - ONLY_IN_TWIN.get(page.__name__, set())


def _names_used(name: str) -> set[str]:
    source = (templates_folder() / name).read_text()
    found = set(re.findall(r"\bpage\.(\w+)", source))
    for included in re.findall(r'{% (?:include|extends) "(?!base)([^"]+)" %}', source):
        found |= _names_used(included)
    return found


@pytest.mark.parametrize("page", [DictionaryPage, SearchPage])
def test_contexts_are_documented(page: type) -> None:
    """A name that doesn't say all has its line beneath it."""
    body = ast.parse(getsource(page)).body[0]
    assert isinstance(body, ast.ClassDef)
    assert ast.get_docstring(body)
    lines = [isinstance(node, ast.Expr) for node in body.body[1:]]
    assert sum(lines) >= len(fields(page)) // 2
