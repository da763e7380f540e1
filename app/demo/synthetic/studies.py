"""What the studies would have found of the invented dictionaries, from their firings.

Takes firings and the text, gives rows with the columns of studies, and stores their records. Knows
no page.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.db.records import FeatureBundle, LocalityPanel
from app.db.study_records.combined import CombinedStudy, FeatureCombined
from app.db.study_records.effects import EffectsStudy, FeatureEffects
from app.db.study_records.regions import Regions
from app.db.writer import AtlasWriter
from app.demo.synthetic.combined import N_EXAMPLES, PAIRED, WINDOW, make_combined
from app.demo.synthetic.effects import N_PER_FIFTH, N_READ, N_TOP, make_effects
from app.demo.synthetic.firings import Firings
from app.demo.synthetic.text import SyntheticText
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.importance import weighted_mean
from app.stats.interactions import STRONG, kind_of, strongest_pair
from app.stats.smoothing import FIRING_SHARE, REACH, Smoothing, smoothing

LAG = 16
MOST_SPANS = 64
CANDIDATE_LIFT = 1.2
"""Invented features keep together less than real ones"""
FEWEST_SPANS = 5


class Studied:
    """Adds to the features of one dictionary, as they are written, what studies found of them."""

    def __init__(self, firings: Sequence[Firings], corpus: Corpus, text: SyntheticText) -> None:
        self._firings = firings
        self._corpus = corpus
        self._text = text
        self._effects: list[tuple[int, FeatureEffects]] = []
        self._combined: list[tuple[int, FeatureCombined]] = []
        self._n_candidates = 0

    def bundle(self, bundle: FeatureBundle) -> FeatureBundle:
        """The same feature, its row with the columns of studies."""
        record, locality = bundle.record, bundle.panels.locality
        found = self._smoothing(record.feature_index)
        lift = _region_lift(locality, found.n_spans)
        self._n_candidates += lift is not None and lift >= CANDIDATE_LIFT
        columns = {
            "region_lift": lift,
            "near_share": _near_share(locality),
            "n_span_switches": found.n_switches if found.n_spans else None,
            "smoothed_share": found.gone,
            "smoothed_share_shuffled": found.gone_by_chance,
            **self._removed(bundle),
            **self._taken_apart(bundle),
        }
        return replace(bundle, record=replace(record, **columns))

    def store(self, writer: AtlasWriter, sae_id: int) -> None:
        """The records of studies, once all features went through."""
        told = (LAG, MOST_SPANS, REACH, FIRING_SHARE, CANDIDATE_LIFT, FEWEST_SPANS)
        writer.add_study(sae_id, Regions(*told, self._n_candidates))
        n_firings = sum(found.weight.size for _, found in self._effects)
        told = (N_TOP, N_PER_FIFTH, N_READ, len(self._effects), n_firings)
        writer.add_study(sae_id, EffectsStudy(*told))
        writer.add_feature_studies(sae_id, self._effects)
        kinds = [kind_of(_strongest(found)) for _, found in self._combined]
        told = (N_EXAMPLES, 0.25, WINDOW, PAIRED, STRONG, len(kinds))
        n_measured = sum(len(found.examples) for _, found in self._combined)
        counts = kinds.count("alternative"), kinds.count("conjunction")
        writer.add_study(sae_id, CombinedStudy(*told, n_measured, *counts))
        writer.add_feature_studies(sae_id, self._combined)

    def _removed(self, bundle: FeatureBundle) -> dict[str, float | None]:
        index = bundle.record.feature_index
        found = make_effects(bundle, self._text, np.random.default_rng([index, 5]))
        if found is None:
            return {}
        self._effects.append((index, found))
        delta_ce, n = weighted_mean(found.delta_ce[:, 0], found.weight)
        return {
            "delta_ce": delta_ce if n else None,
            "kl": weighted_mean(found.kl, found.weight)[0],
        }

    def _taken_apart(self, bundle: FeatureBundle) -> dict[str, float]:
        index = bundle.record.feature_index
        found = make_combined(bundle, self._text, np.random.default_rng([index, 6]))
        if found is None:
            return {}
        self._combined.append((index, found))
        return {"pair_interaction": _strongest(found)}

    def _smoothing(self, feature_index: int) -> Smoothing:
        firings = self._firings[feature_index]
        events = FeatureEvents(
            feature_index,
            firings.context_id.astype(np.int32),
            firings.position.astype(np.int32),
            firings.activation.astype(np.float32),
            self._corpus.context_size,
        )
        return smoothing(events, self._corpus, MOST_SPANS)


def _region_lift(locality: LocalityPanel | None, n_spans: int) -> float | None:
    if locality is None or n_spans < FEWEST_SPANS or not locality.lift_null[LAG - 1] > 0:
        return None
    return float(locality.lift[LAG - 1] / locality.lift_null[LAG - 1])


def _near_share(locality: LocalityPanel | None) -> float | None:
    if locality is None or not locality.n_span_silent:
        return None
    return locality.n_span_near / locality.n_span_silent


def _strongest(found: FeatureCombined) -> float:
    """The strongest interaction, mean over the examples."""
    shares = [strongest_pair(e.interactions, e.hidden_pre_baseline)[2] for e in found.examples]
    return float(np.mean(shares))
