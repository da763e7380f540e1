"""Connections as rows of a table: the feature, its share, where it comes from, how often.

Takes what is linked; gives printed values. Knows no template.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.db.catalog import Sae
from app.db.study_records.connections import Causes, Effects, Rest
from app.web import text
from app.web.pages.connections.linked import Told, Words, by_strength


@dataclass(frozen=True)
class LinkRow:
    """One feature at the other end."""

    feature_index: int
    share: str
    bar: float
    """percent of the bar's width, 0 to 100"""
    css: str
    """of the bar: up or down"""
    same: str
    """how much of the share comes from the token of the peak itself"""
    examples: str
    """how many of the examples it fires in"""
    told: Told


@dataclass(frozen=True)
class RestRow:
    """What is no single feature's."""

    name: str
    share: str
    bar: float
    css: str


@dataclass(frozen=True)
class LinkTable:
    """The connections to one dictionary."""

    sae: Sae
    rows: list[LinkRow]
    n_more: int
    """features that are not listed"""
    rest: list[RestRow]
    """empty for what a feature feeds"""


def causes_table(
    sae: Sae, causes: Causes, n_examples: int, words: Words, n_shown: int | None = None
) -> LinkTable:
    """What a feature is made of, the strongest first; the others are among the rest."""
    places = by_strength(causes)[:n_shown]
    widest = _widest(causes.share)
    left = [i for i in range(len(causes.share)) if i not in places]
    positive = causes.positive + sum(float(causes.share[i]) for i in left if causes.share[i] > 0)
    negative = causes.negative + sum(float(causes.share[i]) for i in left if causes.share[i] < 0)
    n_positive = causes.n_positive + sum(causes.share[i] > 0 for i in left)
    n_negative = causes.n_negative + sum(causes.share[i] < 0 for i in left)
    others = [
        (f"{_others(n_positive)} that raise it", positive, n_positive),
        (f"{_others(n_negative)} that lower it", negative, n_negative),
    ]
    rest = [rest_row(name, share, widest) for name, share, n in others if n]
    return LinkTable(
        sae=sae,
        rows=[_row(causes, i, n_examples, widest, words) for i in places],
        n_more=int(n_positive + n_negative),
        rest=rest + rest_rows(causes.rest, widest),
    )


def effects_table(
    sae: Sae, effects: Effects, words: Words, n_shown: int | None = None
) -> LinkTable:
    """What a feature feeds, the strongest first."""
    places = by_strength(effects)[:n_shown]
    widest = _widest(effects.share)
    return LinkTable(
        sae=sae,
        rows=[_row(effects, i, None, widest, words) for i in places],
        n_more=effects.n_found - len(places),
        rest=[],
    )


def rest_rows(rest: Rest, widest: float) -> list[RestRow]:
    """Bias, error, uncounted tokens, a skip transcoder's linear part if there is one, remainder."""
    named = (
        ("bias", rest.bias),
        ("reconstruction error", rest.error),
        ("tokens that are not counted", rest.uncounted),
        *([("the skip’s linear part", rest.skip)] if rest.skip else []),
        ("remainder", rest.remainder),
    )
    return [rest_row(name, share, widest) for name, share in named]


def rest_row(name: str, share: float, widest: float) -> RestRow:
    """One of them; its bar beside those of features, cut at the full width."""
    return RestRow(name, text.signed_percent(share), _bar(share, widest), direction(share))


def direction(share: float) -> str:
    """The class of what raises or lowers."""
    return "raises" if share > 0 else "lowers"


def _row(
    item: Causes | Effects, i: int, n_examples: int | None, widest: float, words: Words
) -> LinkRow:
    index, share = int(item.feature_index[i]), float(item.share[i])
    n = int(item.n_examples[i])
    return LinkRow(
        feature_index=index,
        share=text.signed_percent(share),
        bar=_bar(share, widest),
        css=direction(share),
        same=text.percent(float(item.share_same[i]) / share) if share else text.MISSING,
        examples=f"{n} of {n_examples}" if n_examples is not None else str(n),
        told=words[item.sae, index],
    )


def _widest(shares: Iterable[float]) -> float:
    return max((abs(float(share)) for share in shares), default=0.0) or 1.0


def _bar(share: float, widest: float) -> float:
    return round(min(100 * abs(share) / widest, 100.0), 1)


def _others(n: int) -> str:
    return f"{n:,} other{'' if n == 1 else 's'}"
