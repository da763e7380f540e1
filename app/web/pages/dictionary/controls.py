"""What stands around a dictionary's list: ready-made filters, filters that are set, its order.

Takes the view, gives texts and addresses. Knows no feature and no query.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from app.db.catalog import Sae
from app.db.records import TokenRecord
from app.db.schema import SORTABLE
from app.web.chips import chip
from app.web.pages.dictionary.columns import column_words
from app.web.ranges import range_words
from app.web.urls import sae_url
from app.web.views import DictionaryView


@dataclass(frozen=True)
class Filter:
    """A filter: ready-made (set or not), or one that was written."""

    name: str
    """stem of its id in the page"""
    label: str
    hint: str
    """what it keeps, in words; empty where the label says it"""
    url: str
    """without it, or with it"""
    is_set: bool


@dataclass(frozen=True)
class _Ready:
    """A ready-made filter is one argument with one value: the address says what it means."""

    label: str
    hint: str
    argument: str
    value: str


_READY = (
    _Ready("density ≥ 1%", "fires on 1% of tokens or more", "density", "1%.."),
    _Ready("dead", "never fired in the corpus", "dead", "yes"),
    _Ready(
        "single-token", "90% or more of its activation on one token", "top_token_share", "90%.."
    ),
    _Ready(
        "falls without context",
        "25% or less of the activation left when the text before the peak is filled from other "
        "contexts",
        "context_share",
        "..25%",
    ),
    _Ready("point", "four of five runs are a single token, five runs or more", "lives_as", "point"),
    _Ready(
        "region",
        "fires on half of the tokens of its spans or more, two in a row on average, five spans or "
        "more",
        "lives_as",
        "region",
    ),
)

_OF_NOTEBOOK = (
    _Ready("labelled", "somebody gave it a label", "has", "label"),
    _Ready("with a note", "somebody wrote a note on it", "has", "note"),
    _Ready("starred", "somebody starred it", "has", "star"),
)


def list_filters(
    sae: Sae,
    view: DictionaryView,
    meant: list[TokenRecord] | None,
    measured: Collection[str],
    notebook: bool = False,
) -> list[Filter]:
    """The ready-made filters, each in its place whether set or not, then what else is set.

    Args:
        meant: the tokens a `top_token` text stands for; None where it is not asked for.
        measured: columns that hold something; filters by others are left out unless they are set.
        notebook: whether people wrote anything about features here.
    """

    def toggled(argument: str, value: str) -> str:
        return sae_url(sae, view.arguments(**{argument: value}, next=None))

    found: list[Filter] = []
    said: set[str] = set()
    for ready in (*_READY, *_OF_NOTEBOOK) if notebook else _READY:
        is_set = getattr(view, ready.argument) == ready.value
        if not is_set and ready.argument in SORTABLE and ready.argument not in measured:
            continue
        if not is_set and ready.argument == "lives_as" and "lives_as" not in measured:
            continue
        said |= {ready.argument} if is_set else set()
        url = toggled(ready.argument, "" if is_set else ready.value)
        stem = re.sub(r"\W+", "-", ready.label).strip("-")
        found.append(Filter(stem, ready.label, ready.hint, url, is_set))
    for argument, text in view.filters().items():
        if argument not in said:
            words = _words(argument, text, meant)
            found.append(Filter(argument, words, "", toggled(argument, ""), True))
    return found


def order_in_words(view: DictionaryView, measured: Collection[str]) -> str:
    """How the list is ordered: "by density, largest first"."""
    column = view.sort.removeprefix("-")
    if column not in measured:
        return f"by number, as no {column_words(column)} is known"
    if column == "feature_index":
        return "by number" + (", last first" if view.sort.startswith("-") else "")
    way = "largest first" if view.sort.startswith("-") else "smallest first"
    return f"by {column_words(column)}, {way}"


def _words(argument: str, text: str, meant: list[TokenRecord] | None) -> str:
    if argument == "top_token":
        n_tokens = len(meant or [])
        return f"top token “{chip(text)}” ({n_tokens} token{'' if n_tokens == 1 else 's'})"
    if argument == "contains":
        return f"text “{' '.join(map(chip, text.split(' ')))}”"
    if argument == "feature_index":
        return f"# {text}"
    if argument == "dead":
        return "dead" if text == "yes" else "living"
    if argument == "has":
        return {"label": "labelled", "note": "with a note", "star": "starred"}[text]
    if argument == "lives_as":
        return text
    return f"{column_words(argument)} {range_words(text)}"
