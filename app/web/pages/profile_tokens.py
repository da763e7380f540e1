"""Which context tokens matter: those whose change lowers the peaks of the top examples most.

Takes windows with their effects and the mean effect by distance, gives rows of text. A token counts
once per example, where its deletion (or else its replacement) lowers the peak most; the mean effect
at those distances stands beside it. Knows no query and no page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.db.records import TokenRecord
from app.web import text
from app.web.charts.scales import effect_class
from app.web.pages.token_line import Effects, Window
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
    expected: str
    """mean effect of deleting whatever stands at those distances"""
    seen: str
    """in how many of the top examples it was measured"""
    halved: str
    """in how many of those its deletion cut the peak by more than half"""


@dataclass(frozen=True)
class _Case:
    distance: int
    delete: float | None
    replace: float | None


def build_profile_tokens(
    examples: Sequence[tuple[Window, Mapping[str, Effects]]],
    mean_by_distance: Float[ndarray, " n_offsets"],
) -> list[ProfileToken]:
    """Tokens by the sum of their deletion effects, most lowering first; effects under 5% are left
    out.
    """
    cases: dict[int, list[_Case]] = {}
    records: dict[int, TokenRecord] = {}
    for window, effects in examples:
        for token, case in _strongest_cases(window, effects).items():
            cases.setdefault(token, []).append(case)
        records |= {token.token_id: token for token in window.tokens}
    sums = {
        token: sum(_effect(case) for case in found)
        for token, found in cases.items()
        if abs(sum(_effect(case) for case in found)) / len(found) >= _SMALLEST
    }
    chosen = sorted(sums, key=lambda token: (sums[token], token))[:N_TOKENS]
    return [_row(records[token], cases[token], len(examples), mean_by_distance) for token in chosen]


def _effect(case: _Case) -> float:
    return case.delete if case.delete is not None else case.replace or 0.0


def _strongest_cases(window: Window, effects: Mapping[str, Effects]) -> dict[int, _Case]:
    """By token id, the place before the peak where its change lowers the peak most."""
    best: dict[int, _Case] = {}
    deleted = effects["delete"].shares if "delete" in effects else {}
    replaced = effects["replace"].shares if "replace" in effects else {}
    for position in sorted({*deleted, *replaced}):
        if not window.start <= position < window.peak:
            continue
        token = window.tokens[position - window.start]
        case = _Case(window.peak - position, deleted.get(position), replaced.get(position))
        known = best.get(token.token_id)
        if known is None or _effect(case) <= _effect(known):
            best[token.token_id] = case
    return best


def _row(
    token: TokenRecord, cases: list[_Case], n: int, mean_by_distance: Float[ndarray, " n_offsets"]
) -> ProfileToken:
    distances = sorted(case.distance for case in cases)
    near, far = distances[0], distances[-1]
    deleted = [case.delete for case in cases if case.delete is not None]
    replaced = [case.replace for case in cases if case.replace is not None]
    known = [d for d in distances if d < mean_by_distance.size]
    expected = mean_by_distance[known]
    mean = float(np.mean([_effect(case) for case in cases]))
    return ProfileToken(
        pieces=text_pieces(token.token),
        where=f"{near} before" if near == far else f"{near} – {far} before",
        css=effect_class(mean),
        bar=round(min(abs(mean), 1.0) * 100, 1),
        delete=_mean_text(deleted),
        replace=_mean_text(replaced),
        expected=_mean_text(expected[np.isfinite(expected)].tolist()),
        seen=f"{len(cases)} of {n}",
        halved=f"{sum(share < -0.5 for share in deleted)} of {len(deleted)}" if deleted else "",
    )


def _mean_text(shares: list[float]) -> str:
    return text.signed_percent(float(np.mean(shares))) if shares else text.MISSING
