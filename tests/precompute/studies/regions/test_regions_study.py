"""The study of regions in an atlas equals its parts counted feature by feature."""

from typing import Any

import numpy as np
import pytest

from app.db.columns import read_columns
from app.db.studies import get_study
from app.db.study_records.regions import Regions
from app.stats.corpus import Corpus
from app.stats.events import FeatureEvents
from app.stats.smoothing import smoothing


def test_columns_equal_what_events_and_panels_say(judged: Any) -> None:
    n_seen = 0
    (folder,) = (judged.settings.output.with_suffix(".events") / "tiny").glob("corpus-*")
    corpus = Corpus.open(folder)
    for which, sae in enumerate(judged.saes):
        candidates = 0
        for index in range(sae.stored.record.d_sae):
            dense = sae.dense[:, :, index] * judged.counted
            context, position = np.nonzero(dense)
            events = FeatureEvents(
                index, context.astype(np.int32), position.astype(np.int32),
                dense[context, position], dense.shape[1],
            )  # fmt: skip
            settings = judged.settings
            found = smoothing(events, corpus, settings.region_spans, settings.seed)
            record, panels = judged.feature(which, index), judged.panels(which, index)
            assert record.n_span_switches == (found.n_switches if found.n_spans else None)
            assert record.smoothed_share == pytest.approx(found.gone)
            assert record.smoothed_share_shuffled == pytest.approx(found.gone_by_chance)
            locality = panels.locality
            if locality is None:
                assert record.region_lift is None and record.near_share is None
                continue
            lift, null = float(locality.lift[15]), float(locality.lift_null[15])
            defined = null > 0 and found.n_spans >= 5
            assert record.region_lift == (pytest.approx(lift / null, rel=1e-4) if defined else None)
            silent = locality.n_span_silent
            assert record.near_share == (locality.n_span_near / silent if silent else None)
            candidates += bool(record.region_lift is not None and record.region_lift >= 2)
            n_seen += found.n_switches > 0
        study = get_study(judged.connection, Regions, sae.stored.sae_id)
        assert study is not None
        assert study.n_candidates == candidates
        columns = read_columns(judged.connection, sae.stored.sae_id)
        assert np.isfinite(columns["smoothed_share"]).any()
    assert n_seen > 5
