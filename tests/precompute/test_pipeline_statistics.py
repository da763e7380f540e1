"""Everything in the atlas that events give equals brute force over dense activations.

The shipped events are compared with the plain model's activations; every figure is then recomputed
from them by loops over tokens.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.db.examples import get_contexts
from app.db.features import get_feature
from app.db.records import LIVES_AS
from app.db.stored.compact import ROUNDING
from app.db.tokens import get_tokens, occurrences
from app.stats.permutation import PlaceHash
from app.stats.wording import plain

D_SAE, D_VOCAB = 24, 300
EACH_SAE = pytest.mark.parametrize("which", [0, 1], ids=["resid", "mlp"])


def columns_of(judged: Any, which: int) -> list[tuple[int, np.ndarray]]:
    """(feature_index, activations [n_contexts, context_size]) of every feature."""
    return [(f, judged.saes[which].dense[:, :, f]) for f in range(D_SAE)]


@EACH_SAE
def test_events_are_the_activations_of_counted_tokens(judged: Any, which: int) -> None:
    sae = judged.saes[which]
    expected = np.where(judged.counted[:, :, None], sae.acts, 0)
    np.testing.assert_allclose(sae.dense, expected, rtol=1e-4, atol=1e-5)
    assert ((sae.dense > 0) == (expected > 0)).all()
    assert judged.counted.sum() == sae.stored.corpus.n_tokens == (judged.tokens[:, 1:] != 0).sum()


@EACH_SAE
def test_counts_and_moments(judged: Any, which: int) -> None:
    sae = judged.saes[which]
    n_tokens = int(judged.counted.sum())
    for index, acts in columns_of(judged, which):
        found = judged.feature(which, index)
        active = acts[acts > 0].astype(np.float64)
        assert (found.n_active, found.density) == (active.size, active.size / n_tokens)
        assert found.n_contexts_active == (acts > 0).any(axis=1).sum()
        if not active.size:
            assert (found.max_activation, found.top_token_id) == (None, None)
            assert (found.sparkline, found.ablation_strip) == (b"", b"")
            continue
        z = (active - active.mean()) / active.std()
        assert found.max_activation == active.max()
        assert found.mean_activation == pytest.approx(active.mean())
        assert found.std_activation == pytest.approx(active.std())
        assert found.skewness == pytest.approx((z**3).mean())
        assert found.kurtosis == pytest.approx((z**4).mean())
        at_zero = sae.acts[:, 0, index]
        assert found.position_zero_n_active == (at_zero > 0).sum()
        assert found.position_zero_max == pytest.approx(at_zero.max(), rel=1e-4)


@EACH_SAE
def test_histograms(judged: Any, which: int) -> None:
    for index, acts in columns_of(judged, which):
        found = judged.panels(which, index).histogram
        if not acts.any():
            assert found is None
            continue
        top = float(acts.max())
        counts = [0] * 50
        for value in acts[acts > 0].tolist():
            counts[next(j for j in range(50) if value <= top * (j + 1) / 50)] += 1
        assert (found.max_activation, found.counts.tolist()) == (top, counts)
        record = judged.feature(which, index)
        heights = list(record.sparkline)
        assert max(heights) == 255
        assert [height > 0 for height in heights] == [count > 0 for count in counts]


@EACH_SAE
def test_top_examples(judged: Any, which: int) -> None:
    for index, acts in columns_of(judged, which):
        groups = judged.groups(which, index)
        if not acts.any():
            assert groups == {}
            continue
        found, _ = groups["top"]
        best = [(-float(row.max()), c, int(row.argmax())) for c, row in enumerate(acts)]
        ranked = sorted(item for item in best if item[0] < 0)
        shown: dict[bytes, list[Any]] = {}
        for value, c, p in ranked:
            key = judged.tokens[c, : p + 1].tobytes()
            if key not in shown and len(shown) == 6:
                break
            shown.setdefault(key, [-value, c, p, 0])[3] += 1
        columns = (found.activation, found.context_id, found.position, found.repeats)
        assert list(map(list, zip(*(c.tolist() for c in columns), strict=True))) == list(
            shown.values()
        )
        assert found.n_candidates == len(ranked)
        check_windows(found, acts)
        assert (found.hidden_pre == found.activation).all()


def check_windows(found: Any, acts: np.ndarray) -> None:
    """Contexts are shorter than a window on its left; on its right it ends 16 tokens on.

    All firings of the context are kept.
    """
    for i, (c, p) in enumerate(zip(found.context_id, found.position, strict=True)):
        assert (found.window_start[i], found.window_stop[i]) == (0, min(int(p) + 17, 20))
        inside = slice(found.firing_indptr[i], found.firing_indptr[i + 1])
        firing = np.flatnonzero(acts[c])
        assert found.firing_position[inside].tolist() == firing.tolist()
        assert (found.firing_activation[inside] == acts[c, firing]).all()


def drawn(judged: Any, index: int, places: list[tuple[int, int]], k: int) -> list[tuple[int, int]]:
    """Those with the smallest hashes, one per context."""
    hashing = PlaceHash(0, index, judged.tokens.size)
    hashes = hashing.of(np.array([c * 20 + p for c, p in places], np.int64)).tolist()
    by_context: dict[int, tuple[int, int]] = {}
    for _, place in sorted(zip(hashes, places, strict=True)):
        by_context.setdefault(place[0], place)
    return list(by_context.values())[:k]


def places_of(found: Any) -> list[tuple[int, int]]:
    return list(zip(found.context_id.tolist(), found.position.tolist(), strict=True))


@EACH_SAE
def test_interval_and_quantile_examples(judged: Any, which: int) -> None:
    for index, acts in columns_of(judged, which):
        if not acts.any():
            continue
        groups = judged.groups(which, index)
        firing = [(float(acts[c, p]), c, p) for c, p in np.argwhere(acts).tolist()]
        top = max(firing)[0]
        edges = [(top * b / 5, top * (b + 1) / 5) for b in range(5)]
        bands = [[f for f in firing if low < f[0] <= high] for low, high in edges]
        parts = [p.tolist() for p in np.array_split(np.arange(len(firing)), 5) if p.size]
        quantiles = [[sorted(firing)[i] for i in part] for part in parts]
        ends = [(group[0][0], group[-1][0]) for group in quantiles]
        for name, members, limits, k in (
            ("interval", bands, edges, 3),
            ("quantile", quantiles, ends, 2),
        ):
            found, _ = groups[name]
            chosen = [drawn(judged, index, [f[1:] for f in band], k) for band in members]
            assert places_of(found) == [place for band in reversed(chosen) for place in band]
            numbers = [b for b in reversed(range(len(chosen))) for _ in chosen[b]]
            assert found.band.tolist() == numbers
            assert found.activation.tolist() == [acts[place] for place in places_of(found)]
            assert found.band_n_active.tolist() == [len(band) for band in members]
            shares = [len(band) / len(firing) for band in members]
            np.testing.assert_allclose(found.band_share, shares)
            np.testing.assert_allclose(found.band_low, [low for low, _ in limits])
            np.testing.assert_allclose(found.band_high, [high for _, high in limits])
            assert (found.hidden_pre == found.activation).all()
            check_windows(found, acts)


@EACH_SAE
def test_silent_examples(judged: Any, which: int) -> None:
    sae = judged.saes[which]
    n_measured = 0
    for index, acts in columns_of(judged, which):
        groups = judged.groups(which, index)
        mass = np.bincount(judged.tokens.ravel(), acts.ravel().astype(float), D_VOCAB)
        own, total = [], 0.0
        for token_id in sorted(np.flatnonzero(mass), key=lambda t: (-mass[t], t)):
            if total < 0.9 * mass.sum():
                own.append(token_id)
            total += mass[token_id]
        silent = np.isin(judged.tokens, own) & judged.counted & (acts == 0)
        places = [(c, p) for c, p in np.argwhere(silent).tolist()]
        if not places:
            assert "silent" not in groups
            continue
        found, ablations = groups["silent"]
        assert ablations is None
        assert found.n_candidates == len(places)
        assert places_of(found) == drawn(judged, index, places, 4)
        assert (found.activation == 0).all()
        expected = [sae.hidden_pre[(*place, index)] for place in places_of(found)]
        np.testing.assert_allclose(found.hidden_pre, expected, rtol=1e-4, atol=1e-5)
        n_measured += len(expected)
    assert n_measured > 40


@EACH_SAE
def test_near_misses_and_flicker(judged: Any, which: int) -> None:
    sae = judged.saes[which]
    folder = judged.settings.output.with_suffix(".events") / "tiny" / sae.stored.record.sae
    parts = [np.load(path)["sample_place"] for path in sorted(folder.glob("sums-*.npz"))]
    sampled = np.unique(np.concatenate(parts) // 20)
    top_k = sae.stored.record.architecture == "topk"
    n_shown = n_spans = 0
    for index, acts in columns_of(judged, which):
        groups, panel = judged.groups(which, index), judged.panels(which, index).locality
        record = get_feature(judged.connection, sae.stored.sae_id, index)
        assert record is not None and record.threshold == (None if top_k else 0.0)
        if not acts.any():
            assert groups == {}
            continue
        # The job keeps half precision: exact order is that of its rounding.
        rounded = sae.hidden_pre[..., index].astype(np.float16).astype(np.float32)
        silent = judged.counted & (acts == 0)
        best = []
        for context in sampled.tolist():
            own = np.flatnonzero(silent[context])
            if own.size:
                best.append(max(float(rounded[context, p]) for p in own))
        if not best:  # it fires on every token of the sample
            assert "near" not in groups
            continue
        found, ablations = groups["near"]
        assert ablations is None
        assert found.n_candidates == silent[sampled].sum()
        expected = sorted(best, reverse=True)[:10]
        np.testing.assert_allclose(found.hidden_pre, expected, rtol=2e-3, atol=2e-3)
        assert set(found.context_id.tolist()) <= set(sampled.tolist())
        for context, position, value in zip(
            found.context_id, found.position, found.hidden_pre, strict=True
        ):
            assert silent[context, position]
            assert float(rounded[context, position]) == pytest.approx(value, rel=2e-3, abs=2e-3)
        check_windows(found, acts)
        n_shown += len(expected)
        assert panel is not None
        spans = silent_inside = 0
        for context in sampled.tolist():
            for document in np.unique(judged.document_ids[context]):
                mine = judged.document_ids[context] == document
                firing = np.flatnonzero(mine & (acts[context] > 0))
                if firing.size >= 3:
                    spans += 1
                    silent_inside += silent[context, firing[0] : firing[-1]].sum()
        counts = (panel.n_sample_spans, panel.n_span_silent)
        assert counts == ((0, 0) if top_k else (spans, silent_inside))
        assert 0 <= panel.n_span_near <= panel.n_span_silent
        n_spans += spans
    assert n_shown > 40 and n_spans > 5


@EACH_SAE
def test_token_statistics(judged: Any, which: int) -> None:
    sae = judged.saes[which]
    n_occurrences = np.bincount(judged.tokens[judged.counted], minlength=D_VOCAB)
    ids = range(D_VOCAB)
    stored = occurrences(judged.connection, sae.stored.corpus_id, ids)
    assert stored == {i: int(n_occurrences[i]) for i in ids if n_occurrences[i]}
    for index, acts in columns_of(judged, which):
        found = judged.panels(which, index).tokens
        if not acts.any():
            assert found is None
            continue
        values = {t: acts[(judged.tokens == t) & (acts > 0)].astype(float) for t in ids}
        mass = {t: v.sum() for t, v in values.items() if v.size}
        ranked = sorted(mass, key=lambda t: (-mass[t], t))[:64]
        assert found.token_id.tolist() == ranked
        assert found.n_active.tolist() == [values[t].size for t in ranked]
        assert found.n_occurrences.tolist() == [n_occurrences[t] for t in ranked]
        share = [mass[t] / sum(mass.values()) for t in ranked]
        np.testing.assert_allclose(found.share, share, rtol=ROUNDING)
        np.testing.assert_allclose(found.mean, [values[t].mean() for t in ranked], rtol=ROUNDING)
        maxima = [values[t].max() for t in ranked]
        np.testing.assert_allclose(found.max, maxima, rtol=ROUNDING)
        assert (found.n_token_ids, found.left_out_n_active) == (len(mass), 0)
        record = judged.feature(which, index)
        assert record.top_tokens == ranked[:3]
        assert record.top_token_id == ranked[0]
        assert record.top_token_share == pytest.approx(share[0])
        rate = values[ranked[0]].size / n_occurrences[ranked[0]]
        assert record.top_token_rate == pytest.approx(rate)


@EACH_SAE
def test_rankings_by_token(judged: Any, which: int) -> None:
    sae = judged.saes[which]
    mass = sae.dense.astype(float).sum(axis=(0, 1))
    for mode in ("fires", "rate"):
        rankings = judged.rankings(which, mode)
        for token_id in range(D_VOCAB):
            here = sae.dense[judged.counted & (judged.tokens == token_id)].astype(float)
            n_active, share = (here > 0).sum(axis=0), here.sum(axis=0) / np.maximum(mass, 1e-9)
            firing = np.flatnonzero(n_active)
            if not firing.size:
                assert token_id not in rankings
                continue
            score = share if mode == "fires" else n_active / len(here)
            found = rankings[token_id]
            expected = sorted(firing, key=lambda f: (-score[f], f))
            assert found.feature_index.tolist() == expected
            assert found.n_total == len(expected)
            np.testing.assert_allclose(found.score, score[expected], rtol=ROUNDING)
            np.testing.assert_allclose(found.share, share[expected], rtol=ROUNDING)
            assert found.n_active.tolist() == n_active[expected].tolist()


@EACH_SAE
def test_locality_and_places(judged: Any, which: int) -> None:
    n_tokens = judged.counted.sum()
    for index, acts in columns_of(judged, which):
        panels = judged.panels(which, index)
        found, places = panels.locality, panels.places
        if not acts.any():
            assert found is places is None
            continue
        fires = acts > 0
        runs = ["".join("x" if f else " " for f in row).split() for row in fires]
        lengths = [len(part) for row in runs for part in row]
        assert found.n_runs == len(lengths)
        assert found.run_length_counts.tolist() == [
            sum(min(length, 8) == n for length in lengths) for n in range(1, 9)
        ]
        assert found.run_length_mean == pytest.approx(np.mean(lengths))
        assert found.run_length_median == np.median(lengths)
        assert found.single_run_share == pytest.approx(np.mean(np.array(lengths) == 1))
        assert found.firings_per_context == pytest.approx(fires.sum() / fires.any(axis=1).sum())
        density = fires.sum() / n_tokens
        for lag in (1, 3):
            there = fires[:, :-lag] & judged.counted[:, lag:]
            both = there & fires[:, lag:]
            if there.any():
                lift = both.sum() / there.sum() / density
                assert found.lift[lag - 1] == pytest.approx(lift, rel=ROUNDING)
        assert np.isnan(found.lift[20:]).all()  # no two tokens of a context are so far apart
        assert places.position_n_active.tolist() == fires.sum(axis=0).tolist()
        assert places.position_n_tokens.tolist() == judged.counted.sum(axis=0).tolist()
        in_document = {
            d: int((fires & (judged.document_ids == d)).sum()) for d in range(len(judged.documents))
        }
        ranked = sorted((d for d in in_document if in_document[d]), key=lambda d: -in_document[d])
        assert places.document_id.tolist() == ranked
        assert places.document_n_active.tolist() == [in_document[d] for d in ranked]
        assert places.document_n_tokens.tolist() == [
            int((judged.counted & (judged.document_ids == d)).sum()) for d in ranked
        ]
        record = judged.feature(which, index)
        assert record.run_length == pytest.approx(np.mean(lengths))
        region = found.n_spans >= 5 and found.span_fill >= 0.5 and np.mean(lengths) >= 2
        point = not region and np.mean(np.array(lengths) == 1) >= 0.8
        word = "region" if region else "point" if point else ""
        assert LIVES_AS[record.lives_as] == (word if len(lengths) >= 5 else "")
        sentence = plain(record.summary)
        assert ("It stays on over stretches" in sentence) == (LIVES_AS[record.lives_as] == "region")
        assert ("of its runs are a single token" in sentence) == (
            LIVES_AS[record.lives_as] == "point"
        )
        spans = [
            np.flatnonzero(row & (documents == d))
            for row, documents in zip(fires, judged.document_ids, strict=True)
            for d in np.unique(documents)
        ]
        spans = [span for span in spans if span.size >= 3]
        assert found.n_spans == len(spans)
        if spans:
            n_inside = sum(int(span[-1] - span[0]) + 1 for span in spans)
            fill = sum(span.size for span in spans) / n_inside
            assert record.span_fill == found.span_fill == pytest.approx(fill)


@EACH_SAE
def test_coactivation(judged: Any, which: int) -> None:
    """Over the first contexts of at most 500 counted tokens."""
    sae = judged.saes[which]
    n_contexts = int((np.cumsum(judged.counted.sum(axis=1)) <= 500).sum())
    fires = (sae.dense[:n_contexts] > 0).reshape(-1, D_SAE).astype(int)
    n_tokens = int(judged.counted[:n_contexts].sum())
    joint, alone = fires.T @ fires, fires.sum(axis=0)
    for index in range(D_SAE):
        found = judged.panels(which, index).coactive
        if not alone[index]:
            assert found is None
            continue
        jaccard = joint[index] / (alone[index] + alone - joint[index])
        others = [f for f in range(D_SAE) if f != index and joint[index, f]]
        partners = sorted(others, key=lambda f: (-jaccard[f], f))[:10]
        n_joint = joint[index, partners]
        assert found.feature_index.tolist() == partners
        assert found.n_joint.tolist() == n_joint.tolist()
        assert found.n_tokens == n_tokens
        np.testing.assert_allclose(found.jaccard, jaccard[partners], rtol=1e-6)
        np.testing.assert_allclose(found.p_other_given_this, n_joint / alone[index], rtol=1e-6)
        np.testing.assert_allclose(found.p_this_given_other, n_joint / alone[partners], rtol=1e-6)
        lift = n_joint * n_tokens / alone[index] / alone[partners]
        np.testing.assert_allclose(found.lift, lift, rtol=1e-6)


def test_contexts_and_tokens_that_pages_show(judged: Any) -> None:
    wanted: set[int] = set()
    for which in range(2):
        for index in range(D_SAE):
            for found, _ in judged.groups(which, index).values():
                wanted |= set(found.context_id.tolist())
    corpus_id = judged.saes[0].stored.corpus_id
    stored = get_contexts(judged.connection, corpus_id, range(len(judged.tokens)))
    assert set(stored) == wanted
    for context_id, context in stored.items():
        assert (context.token_ids == judged.tokens[context_id]).all()
        assert (context.document_ids == judged.document_ids[context_id]).all()
    tokens = get_tokens(judged.connection, judged.saes[0].stored.model_id, range(D_VOCAB))
    assert len(tokens) == D_VOCAB
    assert tokens[0].special and tokens[0].token == "<|bos|>"
    assert sorted(judged.documents) == [f"{i}.txt" for i in range(5)]
    text = "".join(tokens[int(i)].token for i in judged.tokens[0, 1:])
    assert Path(judged.settings.corpus, judged.documents[0]).read_text().startswith(text)


@EACH_SAE
def test_the_sample_of_hidden_pre(judged: Any, which: int) -> None:
    sae = judged.saes[which]
    folder = judged.settings.output.with_suffix(".events") / "tiny" / sae.stored.record.sae
    parts = [np.load(path) for path in sorted(folder.glob("sums-*.npz"))]
    places = np.concatenate([part["sample_place"] for part in parts])
    files = [np.load(path) for path in sorted(folder.glob("hidden-pre-*.npy"))]
    values = np.concatenate(files, axis=1).T
    contexts = np.unique(places // 20)
    assert contexts.size == 5 == sae.stored.record.hidden_pre_sample["n_contexts"]
    expected = [c * 20 + p for c in contexts for p in np.flatnonzero(judged.counted[c])]
    assert places.tolist() == expected
    dense = sae.hidden_pre.reshape(-1, D_SAE)[places]
    np.testing.assert_allclose(values[:, :23], dense[:, :23], rtol=2e-3, atol=2e-3)
