"""`/-/lists` and `/-/lists/{slug}`: all lists with the reader's own stars, and one list.

Takes things of the notebook and the atlas they are about; features of dictionaries that aren't in
the atlas, or were rebuilt since, stay and are said to be so. Knows no form's fate.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from app.access.viewer import Viewer
from app.db.catalog import Sae
from app.db.features import get_features
from app.notebook.markdown import markdown_html
from app.notebook.records import Entry, FeatureList, Star
from app.stats.wording import plain
from app.web import urls
from app.web.notebook.reader import Reader
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.views import ListView

LINES = 200
"""Features on one page of a list"""


@dataclass(frozen=True)
class FeatureLine:
    """One feature of a list."""

    about: Entry | Star
    sae: Sae | None
    """None where the atlas has no such dictionary"""
    row: FeatureRow | None
    """None where it has no such feature"""
    state: str
    """what keeps it from being what it was when it was written down; usually empty"""
    label: str
    url: str
    """where its remark is edited; empty for a star"""

    def as_json(self) -> dict[str, Any]:
        """As stored, with what the atlas says of it now."""
        return asdict(self.about) | {
            "short": plain(self.row.record.short) if self.row else None,
            "label": self.label or None,
            "state": self.state or None,
        }


@dataclass(frozen=True)
class Lines:
    """A stretch of a longer list of features."""

    shown: list[FeatureLine]
    first: int
    """number of the first one shown, from 1"""
    n_all: int
    several: bool
    """they are of more than one dictionary"""
    previous_url: str
    """empty at the start"""
    next_url: str
    """empty at the end"""

    @property
    def last(self) -> int:
        """Number of the last one shown."""
        return self.first + len(self.shown) - 1


@dataclass(frozen=True)
class ListsPage:
    """Context of `pages/notebook-lists.html`."""

    lists: list[tuple[FeatureList, int]]
    stars: list[FeatureLine]
    lines: Lines
    """the stars shown"""
    may_write: bool

    def as_json(self) -> dict[str, Any]:
        """Every list with its size, and the reader's own stars."""
        return {
            "lists": [asdict(one) | {"n_features": n} for one, n in self.lists],
            "stars": [line.as_json() for line in self.stars],
        }


@dataclass(frozen=True)
class ListPage:
    """Context of `pages/notebook-list.html`."""

    record: FeatureList
    html: str
    features: list[FeatureLine]
    lines: Lines
    """the features shown"""
    edit_url: str
    may_write: bool

    def as_json(self) -> dict[str, Any]:
        """The list, then its features in the order they were added."""
        return asdict(self.record) | {"features": [line.as_json() for line in self.features]}


def lines_from(found: list[FeatureLine], start: int, url: str) -> Lines:
    """The lines of a page that begins at one; behind the end it is the first page."""
    start = start if start < len(found) else 0

    def at(place: int) -> str:
        return urls.with_query(url, ListView(start=place).arguments())

    stop = start + LINES
    return Lines(
        shown=found[start:stop],
        first=start + 1,
        n_all=len(found),
        several=len({(line.about.model, line.about.sae) for line in found}) > 1,
        previous_url=at(max(start - LINES, 0)) if start else "",
        next_url=at(stop) if stop < len(found) else "",
    )


def feature_lines(
    connection: Connection,
    reader: Reader,
    saes: Mapping[str, Sae],
    viewer: Viewer,
    things: Iterable[Entry | Star],
) -> list[FeatureLine]:
    """Lines of what the viewer may see, in the order given."""
    seen = [thing for thing in things if viewer.may_read(thing.model, thing.sae)]
    rows: dict[tuple[str, int], FeatureRow] = {}
    for address, sae in saes.items():
        wanted = {t.feature_index for t in seen if f"{t.model}/{t.sae}" == address}
        records = get_features(connection, sae.sae_id, wanted).values()
        for row in make_rows(connection, sae.model_id, records):
            rows[address, row.record.feature_index] = row
    return [
        _line(thing, saes.get(f"{thing.model}/{thing.sae}"), rows.get, reader) for thing in seen
    ]


def build_list_page(
    one: FeatureList, found: list[FeatureLine], start: int, may_write: bool
) -> ListPage:
    """The page of one list."""
    return ListPage(
        record=one,
        html=markdown_html(one.text) if one.text else "",
        features=found,
        lines=lines_from(found, start, urls.list_url(one.slug)),
        edit_url=urls.thing_url("list", one.uid),
        may_write=may_write,
    )


def _line(
    thing: Entry | Star,
    sae: Sae | None,
    row_of: Callable[[tuple[str, int]], FeatureRow | None],
    reader: Reader,
) -> FeatureLine:
    row = None if sae is None else row_of((sae.address, thing.feature_index))
    state = ""
    if sae is None:
        state = "its dictionary is not in this atlas"
    elif sae.record.weights_hash != thing.weights_hash:
        state = "written about another dictionary of this name"
    elif row is None:
        state = "the dictionary has no such feature"
    same = sae is not None and not state
    return FeatureLine(
        about=thing,
        sae=sae,
        row=row,
        state=state,
        label=reader.name(sae, thing.feature_index) if sae is not None and same else "",
        url=urls.thing_url("entry", thing.uid) if isinstance(thing, Entry) else "",
    )
