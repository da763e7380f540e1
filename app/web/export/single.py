"""One feature as one HTML file: styles inside, charts drawn, no script, nothing asked of anyone.

Takes the application's templates and the feature's pages, one per group of examples; gives HTML of
at most 400 kB: examples that don't fit are left out, the last ones first, and counted in the file.
Knows no server.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup
from sqlalchemy import Connection

from app import __version__, durable
from app.db.catalog import Sae, find_sae, list_saes
from app.db.engine import open_atlas
from app.db.features import has_feature
from app.db.records import GROUPS, Group
from app.errors import AtlasError, closest, echoed, writing
from app.notebook.database import open_notebook
from app.settings import Settings
from app.web.export.plain_html import lean, unlinked
from app.web.export.written import NOTHING_WRITTEN, Written
from app.web.memory import MemoryOfBuild
from app.web.notebook.name_cache import NameCache
from app.web.notebook.reader import open_reader
from app.web.pages.examples.sections import Section
from app.web.pages.feature.page import FeaturePage, build
from app.web.respond import Site
from app.web.static_files import StaticFiles, load_static_files
from app.web.templating import make_templates
from app.web.views import FeatureView

MOST_BYTES = 400_000

STYLES = ("base", "tables", "charts", "feature", "examples", "notebook", "feature-file")

TITLES: dict[Group, str] = {
    "top": "Strongest",
    "interval": "From five bands of activation",
    "quantile": "From five groups of equal count",
    "silent": "Silent where it usually fires",
    "near": "Near misses",
}

BuildPage = Callable[[FeatureView], FeaturePage]


@dataclass(frozen=True)
class FileGroup:
    """One group of examples of the file."""

    title: str
    n_examples: int
    """of it in the file"""
    n_all: int
    sections: list[Section]


@dataclass(frozen=True)
class FeatureFile:
    """Context of `pages/feature-file.html`."""

    feature: FeaturePage
    groups: list[FileGroup]
    left_out: str
    """how many examples of how many are in the file and why; empty where all are"""
    style: Markup

    def as_json(self) -> dict[str, Any]:
        """The twin of the file is that of the page."""
        return self.feature.as_json()


def render_file(
    templates: Environment, static: StaticFiles, site: Site, build_page: BuildPage
) -> str:
    """The file of a feature; `build_page` makes its page under a view."""
    page = build_page(FeatureView())
    groups = [
        _group(group, sections) for group in GROUPS if (sections := _sections(build_page, group))
    ]
    template, style = templates.get_template("pages/feature-file.html"), _style(static)

    def html_with(n_examples: int) -> str:
        kept = _first(groups, n_examples)
        source = template.render(page=FeatureFile(page, kept, _left_out(kept), style), site=site)
        return lean(unlinked(source, site.public_url))

    # The largest number of examples that fits; of nearly every feature that is all of them.
    fits, too_many = 0, 1 + sum(group.n_all for group in groups)
    html, trial = "", too_many - 1
    while too_many - fits > 1 or not html:
        made = html_with(trial)
        if len(made.encode()) <= MOST_BYTES or trial == 0:
            fits, html = trial, made
        else:
            too_many = trial
        trial = (fits + too_many) // 2
    return html


def _group(group: Group, sections: list[Section]) -> FileGroup:
    n = sum(len(section.examples) for section in sections)
    return FileGroup(TITLES[group], n, n, sections)


def _first(groups: list[FileGroup], n_examples: int) -> list[FileGroup]:
    """The groups cut to so many examples in all, in their order."""
    found: list[FileGroup] = []
    for group in groups:
        n = min(n_examples, group.n_all)
        n_examples -= n
        sections, room = [], n
        for section in group.sections:
            examples = section.examples[:room]
            room -= len(examples)
            if examples:
                sections.append(replace(section, examples=examples))
        found.append(replace(group, n_examples=n, sections=sections))
    return found


def _left_out(groups: list[FileGroup]) -> str:
    inside, every = sum(g.n_examples for g in groups), sum(g.n_all for g in groups)
    if inside == every:
        return ""
    cut = [f"{g.n_examples} of {g.n_all} of “{g.title}”" for g in groups if g.n_examples < g.n_all]
    return (
        f"This file holds {inside} of {every} examples ({', '.join(cut)}): all of them would make "
        f"it larger than {MOST_BYTES // 1000} kB."
    )


def _sections(build_page: BuildPage, group: Group) -> list[Section]:
    """All examples of a group: a page holds only as many as fit, the next goes on."""
    sections: list[Section] = []
    start: int | None = 0
    while start is not None:
        shown = build_page(FeatureView(group=group, start=start)).examples.shown
        sections += shown.sections
        start = shown.next_start
    return sections


def _style(static: StaticFiles) -> Markup:
    """The style sheets in one, without comments; nothing in them is asked of anyone."""
    texts = [static.files[f"css/{name}.css"].read_text(encoding="utf-8") for name in STYLES]
    joined = re.sub(r"/\*.*?\*/", "", "".join(texts), flags=re.DOTALL)
    joined = re.sub(r"\s+", " ", joined).replace("; }", "}").replace(" {", "{")
    assert "</" not in joined and "url(" not in joined and "@import" not in joined
    return Markup(joined)


def export_feature(
    atlas: Path, name: str, output: Path, base_url: str, written: Written = NOTHING_WRITTEN
) -> None:
    """Writes the file of one feature.

    Args:
        name: `model/sae/12`.
        base_url: where the atlas is reached, for links in the file; may be empty.
        written: what of the notebook goes with it.

    Raises:
        AtlasError: the atlas can't be opened, has no such feature, or the file can't be written.
    """
    settings = Settings(atlas=atlas, public_url=base_url, notebook=written.place)
    public_url, place = settings.public_url, settings.notebook_place
    opened = open_atlas(atlas)
    static = load_static_files()
    notebook = None
    try:
        notebook = None if place is None else open_notebook(place)
        with opened.connect() as connection:
            sae, index = _find(connection, name)
            memory = MemoryOfBuild(atlas).get(opened.build_id)
            with open_reader(notebook, NameCache(), written.scope([(sae, [index])])) as reader:
                written.check(reader)
                site = Site(opened.build_id, "", __version__, public_url, "", True, reader)

                def page(view: FeatureView) -> FeaturePage:
                    return build(connection, sae, index, view, memory, reader=reader)

                html = render_file(make_templates(static), static, site, page)
    finally:
        opened.close()
        if notebook is not None:
            notebook.dispose()
    _put(output, html.encode())
    print(f"{output}: {len(html.encode()) / 1e3:.0f} kB", file=sys.stderr)


def _put(output: Path, html: bytes) -> None:
    """Writes the file whole or not at all, over nothing but a page."""
    with writing(output):
        if output.is_dir():
            raise AtlasError(f"{output} is a folder: give the name of a file, like feature.html.")
        if output.exists() and not _is_page(output):
            raise AtlasError(f"{output} exists and is no page: choose another name.")
        durable.write(output, html)


def _is_page(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(15).lower() == b"<!doctype html>"


def _find(connection: Connection, name: str) -> tuple[Sae, int]:
    address, _, number = name.rpartition("/")
    model, _, slug = address.partition("/")
    sae = find_sae(connection, model, slug)
    if sae is None or not (number.isascii() and number.isdigit()):
        known = [item.address for item in list_saes(connection)]
        raise AtlasError(
            f"{echoed(name)!r} names no feature: write model/sae/number; known dictionaries "
            f"are {closest(address, known)}."
        )
    if not has_feature(connection, sae, int(number)):
        raise AtlasError(f"{address} has no feature {number}: it has {sae.numbers}.")
    return sae, int(number)
