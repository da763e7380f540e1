"""Which context tokens matter: those whose change lowers the peaks of the top examples most.

Takes the examples of a profile and the mean effect by distance, gives rows of text. A token counts
once per example, where its deletion (or else its replacement) lowers the peak most; the mean effect
at those distances stands beside it, and what the interval examples say of the same token. Knows no
query and no page.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.db.records import TokenRecord
from app.web import text
from app.web.charts.scales import effect_class
from app.web.pages.profile_examples import ProfileExample, Shares
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


@dataclass(frozen=True)
class _Case:
    distance: int
    delete: float
    replace: float
    """NaN where not measured"""
    weight: float

    @property
    def effect(self) -> float:
        return self.replace if math.isnan(self.delete) else self.delete


def build_profile_tokens(
    top: Sequence[ProfileExample], others: Sequence[ProfileExample], mean_by_distance: Shares
) -> list[ProfileToken]:
    """Tokens by the sum of their deletion effects over the top examples, most lowering first.

    Those that change the peak by less than 5% on average are left out.
    """
    cases, records = _cases_by_token(top)
    elsewhere, _ = _cases_by_token(others)
    sums = {
        token: total
        for token, found in cases.items()
        if abs(total := sum(case.effect for case in found)) / len(found) >= _SMALLEST
    }
    chosen = sorted(sums, key=lambda token: (sums[token], token))[:N_TOKENS]
    counts = len(top), len(others)
    return [
        _row(records[token], cases[token], elsewhere.get(token, []), counts, mean_by_distance)
        for token in chosen
    ]


def _cases_by_token(
    examples: Sequence[ProfileExample],
) -> tuple[dict[int, list[_Case]], dict[int, TokenRecord]]:
    cases: dict[int, list[_Case]] = {}
    records: dict[int, TokenRecord] = {}
    for example in examples:
        for token, case in _strongest_cases(example).items():
            cases.setdefault(token, []).append(case)
        records |= {token.token_id: token for token in example.window.tokens}
    return cases, records


def _strongest_cases(example: ProfileExample) -> dict[int, _Case]:
    """By token id, the place before the peak where its change lowers the peak most."""
    best: dict[int, _Case] = {}
    window = example.window
    n = window.peak - window.start
    missing = np.full(n + 1, np.nan)
    deleted = example.shares.get("delete", missing)[1 : n + 1].tolist()
    replaced = example.shares.get("replace", missing)[1 : n + 1].tolist()
    for i, (delete, replace) in enumerate(zip(deleted, replaced, strict=True)):
        case = _Case(i + 1, delete, replace, example.weight)
        if math.isnan(case.effect):
            continue
        token = window.tokens[n - 1 - i].token_id
        known = best.get(token)
        if known is None or case.effect < known.effect:
            best[token] = case
    return best


def _row(
    token: TokenRecord,
    cases: list[_Case],
    elsewhere: list[_Case],
    n_examples: tuple[int, int],
    mean_by_distance: Shares,
) -> ProfileToken:
    distances = sorted(case.distance for case in cases)
    near, far = distances[0], distances[-1]
    deleted = [case.delete for case in cases if not math.isnan(case.delete)]
    replaced = [case.replace for case in cases if not math.isnan(case.replace)]
    known = [case for case in elsewhere if not math.isnan(case.delete)]
    expected = mean_by_distance[[d for d in distances if d < mean_by_distance.size]]
    mean = float(np.mean([case.effect for case in cases]))
    n_top, n_others = n_examples
    seen = f"{len(cases)} of {n_top} top"
    if n_others:
        seen += f" and {len(elsewhere)} of {n_others} interval"
    return ProfileToken(
        pieces=text_pieces(token.token),
        where=f"{near} before" if near == far else f"{near} – {far} before",
        css=effect_class(mean),
        bar=round(min(abs(mean), 1.0) * 100, 1),
        delete=_mean_text(deleted),
        replace=_mean_text(replaced),
        intervals=_mean_text([case.delete for case in known], [case.weight for case in known]),
        expected=_mean_text(expected[np.isfinite(expected)].tolist()),
        seen=seen,
        halved=f"{sum(share < -0.5 for share in deleted)} of {len(deleted)}" if deleted else "",
    )


def _mean_text(shares: list[float], weights: list[float] | None = None) -> str:
    if not shares or (weights is not None and not sum(weights) > 0):
        return text.MISSING
    return text.signed_percent(float(np.average(shares, weights=weights)))
