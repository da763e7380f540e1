"""What stands around a dictionary's list: sortable columns, filters that are set, ready-made ones.

Takes the view, gives texts and addresses. Knows no feature and no query.
"""

from dataclasses import dataclass

from app.db.catalog import Sae
from app.db.records import TokenRecord
from app.web.chips import chip
from app.web.text import MISSING
from app.web.urls import sae_url
from app.web.views import DictionaryView


@dataclass(frozen=True)
class ListColumn:
    """One column of the list and, where it can be, how to sort and filter by it."""

    name: str
    """column of a feature; also the name of its argument"""
    label: str
    hint: str
    """what the number is, in a few words"""
    sort_url: str
    """sorts by this column, the other way round if it is sorted already"""
    sorted: str
    """ascending, descending or empty"""
    filter_value: str
    """the range as it was written"""
    example: str
    """a range that could be written"""


@dataclass(frozen=True)
class Filter:
    """A filter that is set, or one ready to be set."""

    label: str
    url: str
    """without it, or with it"""
    is_set: bool


_COLUMNS = (
    ("feature_index", "#", "number of the feature", ""),
    ("density", "Density", "share of tokens on which it fires", "0.1%..1%"),
    ("max_activation", "Max", "largest activation", "2..10"),
    ("top_token_share", "Top token", "share of its activation on its strongest token", "50%.."),
    ("context_share", "Without context", "share of the activation left when the text before the "
     "peak is replaced by other text", "..25%"),
    ("ablation_token_effect", "Falls most without", "mean effect on the peak of deleting this "
     "context token", "..-50%"),
    ("run_length", "Run", "mean number of consecutive firings", "1.5.."),
)  # fmt: skip

_READY = (
    ("single-token", {"top_token_share": "90%.."}),
    ("falls without context", {"context_share": "..25%"}),
    ("region", {"run_length": "1.5.."}),
    ("dense", {"density": "1%.."}),
    ("dead", {"dead": "yes"}),
)

_FILTER_WORDS = {
    "density": "density",
    "max_activation": "max activation",
    "mean_activation": "mean activation",
    "top_token_share": "share of top token",
    "top_token_rate": "rate on top token",
    "context_share": "left without context",
    "ablation_token_effect": "effect of deletion",
    "run_length": "run length",
    "span_fill": "span fill",
    "decoder_norm": "decoder norm",
    "max_logit": "max logit",
}


def list_columns(sae: Sae, view: DictionaryView) -> dict[str, ListColumn]:
    """The sortable columns by name."""
    return {
        name: ListColumn(
            name=name,
            label=label,
            hint=hint,
            sort_url=sae_url(sae, view.arguments(sort=_turned(view.sort, name), next=None)),
            sorted=_direction(view.sort, name),
            filter_value=str(getattr(view, name, "")),
            example=example,
        )
        for name, label, hint, example in _COLUMNS
    }


def list_filters(sae: Sae, view: DictionaryView, meant: list[TokenRecord] | None) -> list[Filter]:
    """Filters that are set, each with the address without it, then those ready to be set.

    Args:
        meant: the tokens a `top_token` text stands for; None where it is not asked for.
    """

    def address(**changes: str) -> str:
        return sae_url(sae, view.arguments(**changes, next=None))

    ready = {
        label: arguments
        for label, arguments in _READY
        if not all(getattr(view, name) == value for name, value in arguments.items())
    }
    found = [
        Filter(f"{_FILTER_WORDS[name]} {text}", address(**{name: ""}), True)
        for name, text in view.ranges().items()
    ]
    if view.dead:
        word = "dead" if view.dead == "yes" else "living"
        found.append(Filter(word, address(dead=""), True))
    if view.top_token:
        n_tokens = len(meant or [])
        tokens = f"{n_tokens} token{'' if n_tokens == 1 else 's'}"
        found.append(
            Filter(f"top token “{chip(view.top_token)}” ({tokens})", address(top_token=""), True)
        )
    return found + [
        Filter(label, address(**arguments), False) for label, arguments in ready.items()
    ]


def order_in_words(view: DictionaryView) -> str:
    """How the list is ordered: "by density, largest first"."""
    column = view.sort.removeprefix("-")
    if column == "feature_index":
        return "by number" + (", last first" if view.sort.startswith("-") else "")
    way = "largest first" if view.sort.startswith("-") else "smallest first"
    return f"by {_FILTER_WORDS.get(column, MISSING)}, {way}"


def _turned(sort: str, column: str) -> str:
    """Descending first, except for the number of a feature and for effects that lower."""
    first, second = f"-{column}", column
    if column in ("feature_index", "ablation_token_effect"):
        first, second = second, first
    return second if sort == first else first


def _direction(sort: str, column: str) -> str:
    if sort.removeprefix("-") != column:
        return ""
    return "descending" if sort.startswith("-") else "ascending"
