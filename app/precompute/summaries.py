"""The last words on a feature: summary, context share, strongest deletion, ablation strip.

Takes a feature whose statistics and ablated text are there, gives the columns that follow from
both. Computes means over measured effects; the wording is `app.stats.summary`'s.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from app.db.display import display
from app.db.records import AblationGroup, ExampleGroup, FeatureBundle, FeaturePanels, Group
from app.stats.corpus import Corpus
from app.stats.summary import summarise
from app.stats.summary_facts import AblationCase, SummaryFacts, SummaryToken

STRIP_LENGTH = 17
"""Columns of the strip in lists: −16 … −1 and the peak."""

NOT_MEASURED = -128

FEWEST_EXAMPLES = 2
"""Examples a context token must stand in before its mean effect is a column to sort by."""

_GROUPS: tuple[Group, ...] = ("top", "interval")


@dataclass(frozen=True)
class Case:
    """One example with ablated text: the tokens deleted and what that did."""

    group: Group
    token_ids: Integer[np.ndarray, " n"]
    effects: Float[np.ndarray, " n"]
    """as shares of the example's baseline"""


def summarised(bundle: FeatureBundle, corpus: Corpus, tokens: Sequence[str]) -> dict[str, Any]:
    """Fields of the feature's record, by name; `tokens` are the exact texts by id."""
    groups: dict[Group, tuple[ExampleGroup, AblationGroup]] = {
        group: (bundle.examples[group], bundle.ablations[group])
        for group in _GROUPS
        if group in bundle.ablations
    }
    cases = list(_cases(groups, corpus))
    strongest = strongest_context_token(cases)
    summary = summarise(_facts(bundle.panels, cases, corpus.n_tokens, tokens))
    return {
        "context_share": _context_share(groups),
        "ablation_token_id": strongest and strongest[0],
        "ablation_token_effect": strongest and strongest[1],
        "summary": [list(piece) for piece in summary.sentence],
        "short": [list(piece) for piece in summary.short],
        "ablation_strip": ablation_strip(groups),
    }


def strongest_context_token(cases: Sequence[Case]) -> tuple[int, float] | None:
    """(token_id, mean relative effect) of the context token whose deletion lowers most.

    The mean is over the top examples that have the token, in each its strongest deletion; ties go
    to the lower id. None where no token stands in two examples or none lowers.
    """
    by_token: dict[int, list[float]] = defaultdict(list)
    for case in cases:
        if case.group != "top":
            continue
        best: dict[int, float] = {}
        for token_id, effect in zip(case.token_ids.tolist(), case.effects.tolist(), strict=True):
            best[token_id] = min(effect, best.get(token_id, effect))
        for token_id, effect in best.items():
            by_token[token_id].append(effect)
    means = {
        token_id: sum(effects) / len(effects)
        for token_id, effects in by_token.items()
        if len(effects) >= FEWEST_EXAMPLES
    }
    if not means:
        return None
    token_id = min(means, key=lambda each: (means[each], each))
    return (token_id, means[token_id]) if means[token_id] < 0 else None


def ablation_strip(groups: Mapping[Group, tuple[ExampleGroup, AblationGroup]]) -> bytes:
    """Mean effect over the top examples at −16 … −1 (delete) and at the peak (replace), percent."""
    if "top" not in groups:
        return b""
    examples, ablations = groups["top"]
    sums, counts = np.zeros(STRIP_LENGTH), np.zeros(STRIP_LENGTH)
    for row, rank in enumerate(ablations.rank):
        baseline = float(ablations.baseline[row])
        if baseline <= 0:
            continue
        peak = int(examples.position[rank])
        for indptr, positions, effects, keep_peak in (
            (ablations.delete_indptr, ablations.delete_position, ablations.delete_effect, False),
            (ablations.replace_indptr, ablations.replace_position, ablations.replace_effect, True),
        ):
            part = slice(int(indptr[row]), int(indptr[row + 1]))
            column = positions[part].astype(int) - peak + STRIP_LENGTH - 1
            kept = (column >= 0) & ((column == STRIP_LENGTH - 1) == keep_peak)
            sums[column[kept]] += effects[part][kept] / baseline
            counts[column[kept]] += 1
    percent = np.clip(np.rint(100 * sums / np.maximum(counts, 1)), -100, 127)
    return np.where(counts > 0, percent, NOT_MEASURED).astype(np.int8).tobytes()


def _cases(
    groups: Mapping[Group, tuple[ExampleGroup, AblationGroup]], corpus: Corpus
) -> Iterator[Case]:
    for group, (examples, ablations) in groups.items():
        for row, rank in enumerate(ablations.rank):
            baseline = float(ablations.baseline[row])
            if baseline <= 0:
                continue
            part = slice(int(ablations.delete_indptr[row]), int(ablations.delete_indptr[row + 1]))
            positions = ablations.delete_position[part].astype(np.int64)
            token_ids = corpus.tokens[examples.context_id[rank], positions]
            effects = ablations.delete_effect[part] / baseline
            yield Case(group, token_ids, effects)


def _context_share(
    groups: Mapping[Group, tuple[ExampleGroup, AblationGroup]],
) -> float | None:
    """Mean share left with the peak token alone in place, over the top examples measured."""
    if "top" not in groups:
        return None
    _, ablations = groups["top"]
    shares = ablations.context_filled[:, ablations.kept == 0]
    return None if np.isnan(shares).all() else float(np.nanmean(shares))


def _facts(
    panels: FeaturePanels, cases: Sequence[Case], n_tokens: int, tokens: Sequence[str]
) -> SummaryFacts:
    table, histogram, locality = panels.tokens, panels.histogram, panels.locality
    if table is None or histogram is None or locality is None:
        return SummaryFacts(n_tokens=n_tokens, n_active=0)
    strongest = [
        SummaryToken(
            display(tokens[int(token_id)]),
            float(table.share[i]),
            int(table.n_active[i]),
            int(table.n_occurrences[i]),
        )
        for i, token_id in enumerate(table.token_id[:3].tolist())
    ]
    ablations = [
        AblationCase(
            case.group,
            [
                (display(tokens[int(token_id)]), effect)
                for token_id, effect in zip(
                    case.token_ids.tolist(), case.effects.tolist(), strict=True
                )
            ],
        )
        for case in cases
    ]
    return SummaryFacts(
        n_tokens=n_tokens,
        n_active=int(histogram.counts.sum()),
        tokens=strongest,
        n_distinct_tokens=table.n_token_ids,
        n_spans=locality.n_spans,
        span_fill=None if np.isnan(locality.span_fill) else locality.span_fill,
        n_runs=locality.n_runs,
        mean_run=locality.run_length_mean,
        share_single=locality.single_run_share,
        ablations=ablations,
    )
