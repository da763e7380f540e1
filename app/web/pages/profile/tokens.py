"""Which context tokens matter: those whose change lowers the peaks of the top examples most.

Takes the examples of a profile and the mean effect by distance, gives rows of text. A token counts
once per example, where its deletion (or else its replacement) lowers the peak most; the mean effect
at those distances stands beside it, and what the interval examples say of the same token. Knows no
query and no page.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import numpy as np

from app.db.records import TokenRecord
from app.web import text
from app.web.charts.scales import effect_class
from app.web.pages.profile.examples import ProfileExample, Shares
from app.web.token_text import Pieces, text_pieces

N_TOKENS = 8
_SMALLEST = 0.05


@dataclass(frozen=True)
class ProfileToken:
    """One context token over the examples that have it."""

    pieces: Pieces
    where: str
    """"1 before" or "2 – 6 before" the peak"""
    css: str
    bar: float
    """percent of the bar's width, 0 to 100"""
    delete: str
    replace: str
    intervals: str
    """mean of its deletions over the interval examples that have it, by their weights"""
    expected: str
    """mean effect of deleting whatever stands at those distances"""
    seen: str
    """in how many of which examples it was measured"""
    halved: str
    """in how many of the top ones its deletion cut the peak by more than half"""


class _Case(NamedTuple):
    """One token in one example, at the place where its change lowers the peak most."""

    example: ProfileExample
    distance: int
    """before the peak, from 1"""
    effect: float
    """of its deletion, or else of its replacement"""

    def share(self, mode: str) -> float:
        """NaN where not measured."""
        shares = self.example.shares.get(mode)
        return math.nan if shares is None else float(shares[self.distance])


def build_profile_tokens(
    top: Sequence[ProfileExample], others: Sequence[ProfileExample], mean_by_distance: Shares
) -> list[ProfileToken]:
    """Tokens by the sum of their deletion effects over the top examples, most lowering first.

    Those that change the peak by less than 5% on average are left out.
    """
    cases, elsewhere = _cases_by_token(top), _cases_by_token(others)
    sums = {
        token_id: total
        for token_id, found in cases.items()
        if abs(total := sum([case.effect for case in found])) / len(found) >= _SMALLEST
    }
    chosen = sorted(sums, key=lambda token_id: (sums[token_id], token_id))[:N_TOKENS]
    counts = len(top), len(others)
    return [
        _row(cases[token_id], elsewhere.get(token_id, []), counts, mean_by_distance)
        for token_id in chosen
    ]


def _cases_by_token(examples: Sequence[ProfileExample]) -> dict[int, list[_Case]]:
    cases: dict[int, list[_Case]] = {}
    for example in examples:
        for token_id, case in _strongest_cases(example).items():
            cases.setdefault(token_id, []).append(case)
    return cases


def _strongest_cases(example: ProfileExample) -> dict[int, _Case]:
    """By token id, the place before the peak where its change lowers the peak most; of equal ones
    the nearest."""
    window = example.window
    nearest_first = [token.token_id for token in window.tokens[: window.peak - window.start][::-1]]
    effect = _effect(example)[1 : len(nearest_first) + 1]
    most_lowering_last = np.argsort(effect, kind="stable")[: np.isfinite(effect).sum()][::-1]
    values = effect.tolist()
    return {nearest_first[i]: _Case(example, i + 1, values[i]) for i in most_lowering_last.tolist()}


def _effect(example: ProfileExample) -> Shares:
    """By distance: of the deletion, where there is none of the replacement, NaN without either."""
    deleted, replaced = example.shares.get("delete"), example.shares.get("replace")
    if deleted is None:
        assert replaced is not None, "an example without any mode is no example of a profile"
        return replaced
    return deleted if replaced is None else np.where(np.isnan(deleted), replaced, deleted)


def _row(
    cases: list[_Case],
    elsewhere: list[_Case],
    n_examples: tuple[int, int],
    mean_by_distance: Shares,
) -> ProfileToken:
    distances = sorted(case.distance for case in cases)
    near, far = distances[0], distances[-1]
    deleted = _known(case.share("delete") for case in cases)
    known = [case for case in elsewhere if not math.isnan(case.share("delete"))]
    mean = fmean(case.effect for case in cases)
    n_top, n_others = n_examples
    seen = f"{len(cases)} of {n_top} top"
    if n_others:
        seen += f" and {len(elsewhere)} of {n_others} interval"
    return ProfileToken(
        pieces=text_pieces(_token(cases[0]).token),
        where=f"{near} before" if near == far else f"{near} – {far} before",
        css=effect_class(mean),
        bar=round(min(abs(mean), 1.0) * 100, 1),
        delete=_mean_text(deleted),
        replace=_mean_text(_known(case.share("replace") for case in cases)),
        intervals=_mean_text(
            [case.share("delete") for case in known], [case.example.weight for case in known]
        ),
        expected=_mean_text(
            _known(float(mean_by_distance[d]) for d in distances if d < mean_by_distance.size)
        ),
        seen=seen,
        halved=f"{sum(share < -0.5 for share in deleted)} of {len(deleted)}" if deleted else "",
    )


def _token(case: _Case) -> TokenRecord:
    window = case.example.window
    return window.tokens[window.peak - case.distance - window.start]


def _known(shares: Iterable[float]) -> list[float]:
    return [share for share in shares if math.isfinite(share)]


def _mean_text(shares: list[float], weights: list[float] | None = None) -> str:
    if not shares or (weights is not None and not sum(weights) > 0):
        return text.MISSING
    return text.signed_percent(fmean(shares, weights))
