"""What the summary looks at, and what its rules find in it.

Takes plain numbers and token texts ready for display. Knows no wording.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FEWEST_CASES = 5  # nothing is said where fewer stand behind it
CUT = -0.5  # a relative effect below this cuts the activation by more than half

LivesAs = Literal["", "point", "region"]  # point-like, region-like, or neither word


@dataclass(frozen=True)
class SummaryToken:
    """One of the feature's strongest tokens."""

    text: str  # ready for display
    share: float  # of the feature's activation mass, 0 … 1
    n_active: int
    n_occurrences: int


@dataclass(frozen=True)
class AblationCase:
    """One example whose tokens were deleted one by one."""

    group: str  # of the example
    effects: Sequence[tuple[str, float]]  # (token text, effect / baseline) of each deletion


@dataclass(frozen=True)
class SummaryFacts:
    """What the rules look at."""

    n_tokens: int  # counted tokens of the corpus
    n_active: int
    tokens: Sequence[SummaryToken] = ()  # by mass, descending
    n_distinct_tokens: int = 0  # token ids it fires on
    n_spans: int = 0  # of at least three firings
    span_fill: float | None = None
    n_runs: int = 0
    mean_run: float | None = None
    share_single: float | None = None  # of runs
    ablations: Sequence[AblationCase] = ()

    @property
    def lives_as(self) -> LivesAs:
        return lives_as(self.n_runs, self.share_single, self.mean_run, self.n_spans, self.span_fill)


@dataclass(frozen=True)
class Deletion:
    """What deleting one token does, over the examples that have it before the peak."""

    text: str
    n_with: int
    n_cut: int  # of them, cut by more than half
    mean_effect: float


def strongest_deletion(cases: Sequence[AblationCase]) -> Deletion | None:
    """The token whose deletion cuts most examples by more than half.

    Only tokens that stand before the peak in at least five examples and whose deletion does so in
    at least half of those. Where a token stands there twice, its strongest effect counts. Ties: the
    larger mean cut, then the text.
    """
    strongest: dict[str, list[float]] = {}
    for case in cases:
        best: dict[str, float] = {}
        for text, effect in case.effects:
            best[text] = min(effect, best.get(text, effect))
        for text, effect in best.items():
            strongest.setdefault(text, []).append(effect)
    found = [
        Deletion(text, len(effects), sum(e < CUT for e in effects), sum(effects) / len(effects))
        for text, effects in strongest.items()
    ]
    found = [d for d in found if d.n_with >= FEWEST_CASES and 2 * d.n_cut >= d.n_with]
    return min(found, key=lambda d: (-d.n_cut, d.mean_effect, d.text), default=None)


def lives_as(
    n_runs: int,
    share_single: float | None,
    mean_run: float | None,
    n_spans: int,
    span_fill: float | None,
) -> LivesAs:
    """Region-like: spans at least half full and runs two tokens long on average, five of either.
    Point-like: four of five runs a single token, five runs. The one rule of summary, list and
    panel; a share that is None or NaN is no case.
    """
    if n_runs < FEWEST_CASES:
        return ""
    if n_spans >= FEWEST_CASES and (span_fill or 0) >= 0.5 and (mean_run or 0) >= 2:
        return "region"
    return "point" if (share_single or 0) >= 0.8 else ""
