"""Invented connections between the invented dictionaries: what fires before a feature's peaks.

Takes the firings of two dictionaries on the same text. Which features below fire at or before an
upper feature's strongest tokens, and how often, is counted; how much each of them gives is drawn.
Knows no page.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from app.db.connections import Link, Upwards, links_of, strongest_single
from app.db.study_records.connections import (
    Causes,
    FeatureConnections,
    PairConnections,
    Removals,
    Rest,
)
from app.demo.synthetic.firings import Firings

EXAMPLES = 4
KEPT = 10
REACH = 12
"""Tokens before a peak that are looked at"""
MOST_FEATURES = 500
"""Features above that have connections: the first ones; looking at every token takes its time"""
CHECKED = 24
REMOVED = 2
"""strongest and drawn ones of each example"""


class Connected:
    """The connections of every upper dictionary to one that lies below it."""

    def __init__(self, seed: int, heights: Mapping[str, int]) -> None:
        self._rng = np.random.default_rng([seed, 11])
        self._heights = heights
        self._firings: dict[str, Sequence[Firings]] = {}

    def add(self, sae: str, firings: Sequence[Firings]) -> None:
        """A dictionary's firings."""
        self._firings[sae] = firings

    def found(
        self,
    ) -> tuple[
        dict[tuple[str, str], PairConnections], dict[str, list[tuple[int, FeatureConnections]]]
    ]:
        """(records of pairs, both ways; records of features by dictionary)."""
        pairs: dict[tuple[str, str], PairConnections] = {}
        causes: dict[str, dict[int, tuple[int, float, list[Causes]]]] = {
            sae: {} for sae in self._firings
        }
        upwards = Upwards()
        order = sorted(self._firings, key=self._heights.__getitem__)
        for above in order:
            for below in order:
                if self._heights[below] < self._heights[above]:
                    listed = dict(self._causes(above, below))
                    for index, (n, mean, found) in listed.items():
                        _, _, before = causes[above].get(index, (n, mean, []))
                        causes[above][index] = (n, mean, [*before, found])
                        upwards.add(above, index, [found])
                    record = self._pair(above, below, listed)
                    pairs[above, below] = pairs[below, above] = record
        effects = upwards.effects(self._heights)
        return pairs, {
            sae: [
                (index, FeatureConnections(*own.get(index, (0, 0.0, [])), up.get(index, [])))
                for index in sorted(own.keys() | up.keys())
            ]
            for sae, own in causes.items()
            for up in [effects.get(sae, {})]
        }

    def _causes(self, above: str, below: str) -> Iterator[tuple[int, tuple[int, float, Causes]]]:
        fires: dict[tuple[int, int], list[int]] = {}
        for index, firings in enumerate(self._firings[below]):
            for place in zip(firings.context_id.tolist(), firings.position.tolist(), strict=True):
                fires.setdefault(place, []).append(index)
        for index, firings in enumerate(self._firings[above][:MOST_FEATURES]):
            strongest = np.argsort(-firings.activation, kind="stable")[:EXAMPLES]
            if len(strongest) == 0:
                continue
            seen: dict[int, set[int]] = {}
            same: set[int] = set()
            for number, event in enumerate(strongest.tolist()):
                context, peak = int(firings.context_id[event]), int(firings.position[event])
                for position in range(max(1, peak - REACH), peak + 1):
                    for other in fires.get((context, position), []):
                        seen.setdefault(other, set()).add(number)
                        same |= {other} if position == peak else set()
            mean = float(firings.activation[strongest].mean())
            yield index, (len(strongest), mean, self._one(below, seen, same))

    def _one(self, below: str, seen: Mapping[int, set[int]], same: set[int]) -> Causes:
        features = np.array(sorted(seen), np.int64)
        weight = self._rng.exponential(size=len(features)) ** 2
        weight *= np.where(self._rng.random(len(features)) < 0.25, -0.4, 1.0)
        bias, error, uncounted = self._rng.normal([0.05, 0.15, 0.08], 0.03)
        size = np.abs(weight).sum() or 1.0
        share = weight / size * self._rng.uniform(0.6, 1.0)
        order = np.argsort(-share, kind="stable")
        positive, negative = order[share[order] > 0], order[share[order] < 0]
        kept = np.concatenate([positive[:KEPT], negative[-KEPT:]])
        left = [share[positive[KEPT:]], share[negative[:-KEPT]]]
        at_peak = np.isin(features[kept], list(same))
        return Causes(
            sae=below,
            feature_index=features[kept].astype(np.uint32),
            share=share[kept].astype(np.float32),
            share_same=np.where(at_peak, 0.7 * share[kept], 0).astype(np.float32),
            n_examples=np.array([len(seen[i]) for i in features[kept].tolist()], np.uint16),
            positive=float(left[0].sum()),
            n_positive=len(left[0]),
            negative=float(left[1].sum()),
            n_negative=len(left[1]),
            rest=Rest(bias, error, uncounted, float(1 - share.sum() - bias - error - uncounted)),
        )

    def _pair(
        self, above: str, below: str, listed: Mapping[int, tuple[int, float, Causes]]
    ) -> PairConnections:
        rests = np.array([list(vars(found.rest).values()) for _, _, found in listed.values()])
        rest = rests.mean(axis=0)
        links = [link for i, (_, _, found) in listed.items() for link in links_of(i, found)]
        shown = [float(found.share.sum()) for _, _, found in listed.values()]
        return PairConnections(
            below=below,
            above=above,
            heights=[self._heights[below], self._heights[above]],
            n_features=len(listed),
            n_examples=sum(n for n, _, _ in listed.values()),
            examples_asked=EXAMPLES,
            kept=KEPT,
            features=float(1 - rest.sum()),
            shown=float(np.mean(shown)),
            rest=Rest(*rest.tolist()),
            strongest=strongest_single(links),
            seed=0,
            n_checked=min(CHECKED, len(listed)),
            n_strongest=REMOVED,
            n_drawn=REMOVED,
            removals=self._removals(links, {i: mean for i, (_, mean, _) in listed.items()}),
        )

    def _removals(self, links: Sequence[Link], means: Mapping[int, float]) -> Removals:
        """Real changes are the predicted ones, a little less and scattered."""
        by_feature: dict[int, list[Link]] = {}
        for link in links:
            by_feature.setdefault(link.above, []).append(link)
        rows: list[tuple[Link, bool]] = []
        for own in list(by_feature.values())[:CHECKED]:
            ordered = sorted(own, key=lambda link: -abs(link.share))
            rows += [(link, False) for link in ordered[:REMOVED]]
            rows += [(link, True) for link in ordered[REMOVED : 2 * REMOVED]]
        hidden_pre = np.array([means[link.above] for link, _ in rows])
        predicted = -np.array([link.share for link, _ in rows]) * hidden_pre
        noise = self._rng.normal(0, 0.03, len(rows)) * hidden_pre
        return Removals(
            feature_index=np.array([link.above for link, _ in rows], np.uint32),
            removed_index=np.array([link.below for link, _ in rows], np.uint32),
            hidden_pre=hidden_pre.astype(np.float32),
            predicted=predicted.astype(np.float32),
            real=(0.85 * predicted + noise).astype(np.float32),
            is_drawn=np.array([drawn for _, drawn in rows], bool),
        )
