"""The columns a dictionary's list can show: how each is called, drawn, sorted and filtered.

Takes the view, gives texts and addresses. Knows no feature and no query.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from app.db.catalog import Sae
from app.db.schema import SORTABLE
from app.web.urls import sae_url
from app.web.views import DictionaryView

Kind = Literal["tokens", "percent", "number", "count", "spark", "share", "effect", "strip", "word"]


@dataclass(frozen=True)
class TypedWrong:
    """A filter that can't be read."""

    text: str
    """as it was typed"""
    problem: str
    """what is wrong with it and how to write it, a sentence"""


@dataclass(frozen=True)
class ListColumn:
    """One column of the list and, where it can be, how to sort and filter by it."""

    name: str
    """column of a feature; also the name of its argument"""
    kind: Kind
    """how its cells are drawn"""
    label: str
    hint: str
    """what the number is, in a few words"""
    sort_url: str
    """sorts by this column, the other way round if it is sorted already; empty where it can't be"""
    sorted: str
    """ascending, descending or empty"""
    argument: str
    """name of its filter; empty where it has none"""
    filter_value: str
    """the filter as it was written"""
    problem: str
    """what is wrong with it, a sentence; empty where nothing is"""
    example: str
    """a filter that could be written"""
    on_phone: bool
    """its cells are shown where there is little room"""


@dataclass(frozen=True)
class ColumnChoice:
    """A column that can be shown or left out."""

    label: str
    hint: str
    url: str
    """the list with it, or without it"""
    is_shown: bool


@dataclass(frozen=True)
class _Column:
    kind: Kind
    label: str
    words: str
    """its name in a sentence"""
    hint: str
    example: str


_FILTER_OF = {"top_tokens": "top_token", "lives_as": "lives_as"}
"""Arguments of columns whose filter is no range of their own"""

_CATALOGUE: dict[str, _Column] = {
    "feature_index": _Column("count", "#", "number", "number of the feature", "7,12"),
    "top_tokens": _Column(
        "tokens", "Top tokens", "strongest token", "tokens with most of its activation", "token"
    ),
    "density": _Column(
        "percent", "Density", "density", "share of tokens on which it fires", "0.1%..1%"
    ),
    "n_active": _Column("count", "Firings", "firings", "tokens on which it fires", "100.."),
    "n_contexts_active": _Column(
        "count", "Contexts", "contexts", "contexts in which it fires", "20.."
    ),
    "max_activation": _Column("number", "Max", "max activation", "largest activation", "2..10"),
    "mean_activation": _Column(
        "number", "Mean", "mean activation", "mean of the active values", "1.."
    ),
    "std_activation": _Column(
        "number", "Std", "standard deviation", "standard deviation of the active values", "..1"
    ),
    "skewness": _Column("number", "Skewness", "skewness", "of the active values", "2.."),
    "kurtosis": _Column(
        "number", "Kurtosis", "kurtosis", "of the active values, 3 for a normal", "6.."
    ),
    "sparkline": _Column(
        "spark", "Activation", "", "histogram of the active values, 0 to the maximum", ""
    ),
    "top_token_share": _Column(
        "share", "Top token", "share of top token",
        "share of its activation on its strongest token", "50%..",
    ),
    "top_token_rate": _Column(
        "percent", "Rate", "rate on top token",
        "share of its strongest token's occurrences on which it fires", "90%..",
    ),
    "context_share": _Column(
        "percent", "Without context", "left without context",
        "share of the activation left when the text before the peak is filled from other contexts",
        "..25%",
    ),
    "ablation_token_effect": _Column(
        "effect", "Falls most without", "effect of deletion",
        "mean effect on the peak of deleting this context token", "..-50%",
    ),
    "ablation_strip": _Column(
        "strip", "Ablation −16 … 0", "",
        "mean effect of deleting each of the 16 tokens before the peak, and of replacing the peak",
        "",
    ),
    "run_length": _Column(
        "number", "Run", "run length", "mean number of consecutive firings", "1.5.."
    ),
    "lives_as": _Column(
        "word", "Lives as", "point or region",
        "point: four of five runs a single token; region: spans at least half full, runs two "
        "tokens long on average; empty: neither, or fewer than five cases", "",
    ),
    "span_fill": _Column(
        "percent", "Span fill", "span fill",
        "share of tokens between first and last firing on which it fires", "50%..",
    ),
    "region_lift": _Column(
        "number", "Lift at 16", "lift 16 tokens on",
        "how often it fires 16 tokens after a firing, × what each token's own rate gives", "2..",
    ),
    "near_share": _Column(
        "percent", "Nearly", "nearly firing",
        "share of the silent tokens inside its spans that were near to firing", "20%..",
    ),
    "smoothed_share": _Column(
        "percent", "Smoothed", "switches smoothed away",
        "share of its switches inside spans that are gone once averaged over five tokens", "80%..",
    ),
    "max_logit": _Column(
        "number", "Max logit", "max logit", "largest direct logit per unit of activation", "0.5.."
    ),
    "decoder_norm": _Column("number", "‖W_dec‖", "decoder norm", "norm of its decoder row", "..1"),
    "encoder_decoder_cosine": _Column(
        "number", "cos(enc, dec)", "cosine of encoder and decoder",
        "cosine of its encoder column and decoder row", "..0.5",
    ),
    "position_zero_n_active": _Column(
        "count", "At position 0", "firings at position 0",
        "firings at position 0, kept apart from every other count", "1..",
    ),
    "position_zero_max": _Column(
        "number", "Max at 0", "max at position 0", "largest activation at position 0", "10.."
    ),
    "nearest_cosine": _Column(
        "number", "Nearest", "cosine to the nearest",
        "cosine to the nearest other decoder row", "0.7..",
    ),
    "times_nearest": _Column(
        "count", "Times nearest", "times nearest neighbour",
        "living features whose nearest neighbour it is", "10..",
    ),
    "neuron_share": _Column(
        "percent", "Largest entry", "share of the largest entry",
        "share of its decoder row's L1 norm in one entry", "20%..",
    ),
    "encoder_norm": _Column(
        "number", "‖W_enc‖", "encoder norm", "norm of its encoder column", "..1"
    ),
    "delta_ce": _Column(
        "number", "ΔCE", "ΔCE when removed",
        "nats that removing it at a firing costs on the next token, mean over firings", "0.05..",
    ),
    "kl": _Column(
        "number", "KL", "KL when removed",
        "KL of the next token’s distribution when it is removed at a firing, nats", "0.01..",
    ),
    "pair_interaction": _Column(
        "percent", "Pair", "strongest pair",
        "interaction of two deletions, of the pre-activation: negative where either of two tokens "
        "suffices, positive where both are needed", "..-25%",
    ),
}  # fmt: skip

USUAL = (
    "top_tokens",
    "density",
    "max_activation",
    "sparkline",
    "top_token_share",
    "context_share",
    "ablation_token_effect",
    "ablation_strip",
    "run_length",
    "lives_as",
)
"""Columns shown where the address names none."""


_SECOND = ("top_token_share", "ablation_token_effect", "run_length")
"""Columns that a phone leaves out, unless they were asked for: the rest says nearly as much"""


def column_words(name: str) -> str:
    """What a column is called in a sentence."""
    return _CATALOGUE[name].words


_MADE_OF = {
    "top_tokens": "top_token_share",
    "sparkline": "max_activation",
    "ablation_strip": "ablation_token_effect",
}
"""Columns of cells that are no number, by the column that says whether there are any"""

_USUAL_OF_IMPORTS = ("max_logit", "skewness", "kurtosis", "mean_activation")
"""Shown in place of what an import's source doesn't hold."""


def is_measured(name: str, measured: Collection[str]) -> bool:
    """Whether any feature of the dictionary has something in a column."""
    return _MADE_OF.get(name, name) in measured


def usual_columns(measured: Collection[str]) -> tuple[str, ...]:
    """Columns shown where the address names none: the usual ones, as far as they hold anything."""
    names = USUAL if is_measured("top_tokens", measured) else (*USUAL, *_USUAL_OF_IMPORTS)
    return tuple(name for name in names if is_measured(name, measured)) or ("max_activation",)


def shown_columns(view: DictionaryView, measured: Collection[str]) -> tuple[str, ...]:
    """Names of the columns a view shows, in its order, each once."""
    named = tuple(dict.fromkeys(filter(None, view.columns.split(","))))
    return named or usual_columns(measured)


def list_columns(
    sae: Sae, view: DictionaryView, typed: Mapping[str, TypedWrong], measured: Collection[str]
) -> list[ListColumn]:
    """The number of the feature, then every column the view shows, then those typed wrong.

    Args:
        typed: filters that can't be read, by argument; the view is without them.
    """
    names = dict.fromkeys(("feature_index", *shown_columns(view, measured), *typed))
    return [_column(sae, view, name, typed.get(name)) for name in names]


def column_choices(sae: Sae, view: DictionaryView, measured: Collection[str]) -> list[ColumnChoice]:
    """Every column there is, each with the list with or without it; of those that studies fill in,
    and of an import's, the ones that were measured, and those that are shown all the same."""
    shown, usual = shown_columns(view, measured), usual_columns(measured)
    found: list[ColumnChoice] = []
    for name, column in _CATALOGUE.items():
        if name == "feature_index" or not (name in shown or is_measured(name, measured)):
            continue
        chosen = [n for n in _CATALOGUE if (n in shown) != (n == name) and n != "feature_index"]
        # The last one stays: a list without columns would be the usual list again.
        text = "" if tuple(chosen) == usual else ",".join(chosen or shown)
        url = sae_url(sae, view.arguments(columns=text))
        found.append(ColumnChoice(column.label, column.hint, url, name in shown))
    return found


def _column(sae: Sae, view: DictionaryView, name: str, typed: TypedWrong | None) -> ListColumn:
    column = _CATALOGUE[name]
    can_sort = name == "feature_index" or name in SORTABLE
    argument = _FILTER_OF.get(name, name if can_sort else "")
    turned = view.arguments(sort=_turned(view.sort, name), next=None) if can_sort else ()
    return ListColumn(
        name=name,
        kind=column.kind,
        label=column.label,
        hint=column.hint,
        sort_url=sae_url(sae, turned) if can_sort else "",
        sorted=_direction(view.sort, name),
        argument=argument,
        filter_value=typed.text if typed else str(getattr(view, argument)) if argument else "",
        problem=typed.problem if typed else "",
        example=column.example,
        on_phone=bool(
            view.columns
            or name not in _SECOND
            or view.sort.removeprefix("-") == name
            or name in view.filters()
        ),
    )


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
