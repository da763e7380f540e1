"""Pruning from settings to the atlas: exact L0, an honest price, the same in any pieces."""

import threading
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.db.features import get_feature
from app.db.studies import get_study, studies_of
from app.db.study_records.pruning import Pruning
from app.precompute.drivers.driver import Piece
from app.precompute.model.language_model import LanguageModel
from app.precompute.pipeline import run
from app.precompute.preparation import Run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.pruning import study as pruning
from app.precompute.studies.pruning.sweep import SweepSums
from app.precompute.workplace.findings import Findings

Small = Callable[..., PrecomputeSettings]


def records(path: Path) -> dict[str, tuple[Pruning | None, np.ndarray]]:
    """Of each dictionary its record, and the density of its features."""
    atlas, found = open_atlas(path), {}
    with atlas.connect() as connection:
        for sae in list_saes(connection):
            features = [
                get_feature(connection, sae.sae_id, i) for i in range(sae.record.n_features)
            ]
            density = np.array([item.density for item in features if item is not None])
            found[sae.record.sae] = (get_study(connection, Pruning, sae.sae_id), density)
    atlas.close()
    return found


def two(small: Small, write_sae: Callable[..., Path], tmp_path: Path, **options: Any) -> Any:
    """Settings of two dictionaries at one hook, the second one per-token top-k."""
    saes = [write_sae(tmp_path / "a"), write_sae(tmp_path / "b", "topk", seed=1)]
    names = ["tiny/a", "tiny/b"]
    return small(sae=saes, name=names, pruning_thresholds=5, **options)


def test_what_is_stored_agrees_with_the_features(
    small: Small, write_sae: Callable[..., Path], tmp_path: Path, quiet: Reporter
) -> None:
    settings = two(small, write_sae, tmp_path, pruning_draws=2)
    run(settings, reporter=quiet)
    found = records(settings.output)
    for record, density in found.values():
        assert record is not None
        assert record.l0 == pytest.approx(density.sum())
        assert record.n_living == (density > 0).sum()
        for sweep, gone in (
            (record.dense, lambda t, d=density: d > t),
            (record.rare, lambda t, d=density: (d < t) & (d > 0)),
        ):
            assert sweep.threshold.size > 1
            for step, t in enumerate(sweep.threshold):
                assert sweep.n_removed[step] == gone(t).sum()
                assert sweep.l0[step] == pytest.approx(density[~gone(t)].sum())
        assert record.random.l0.shape == (2, 5)
        assert (record.context_n_tokens > 0).all()
        assert record.n_ce_tokens == record.context_n_tokens.sum()
    first, second = found["a"][0], found["b"][0]
    assert first is not None and second is not None
    assert (first.selects, second.selects) == (False, True)
    assert first.dense.before is None
    assert second.dense.before is not None
    # What the denser of the two is pruned to, to be compared with the other.
    larger, other = (first, second) if first.l0 > second.l0 else (second, first)
    steps = np.sort(larger.dense.l0)
    assert np.abs(steps - other.l0).min() <= np.diff(steps).max()


def test_the_price_is_no_less_than_what_is_run(
    small: Small,
    write_sae: Callable[..., Path],
    tmp_path: Path,
    quiet: Reporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = two(small, write_sae, tmp_path, pruning_contexts=5)
    said: list[int] = []
    spent: list[int] = []
    price, work = pruning.STUDY.price, pruning.prune
    logits, activations = LanguageModel.logits, LanguageModel.activations
    here = threading.local()  # pieces run side by side

    def priced(run: Run) -> Any:
        found = price(run)
        said.append(found.n_tokens)
        return found

    def counted(run: Run, stretch: pruning.Stretch) -> SweepSums:
        here.is_pruning = True
        try:
            return work(run, stretch)
        finally:
            here.is_pruning = False

    def count(tokens: Tensor) -> None:
        if getattr(here, "is_pruning", False):
            spent.append(tokens.numel())

    def counting(self: LanguageModel, tokens: Tensor, *args: Any) -> Tensor:
        count(tokens)
        return logits(self, tokens, *args)

    def reading(self: LanguageModel, tokens: Tensor, *args: Any) -> Any:
        count(tokens)
        return activations(self, tokens, *args)

    monkeypatch.setattr(LanguageModel, "logits", counting)
    monkeypatch.setattr(LanguageModel, "activations", reading)
    monkeypatch.setattr("app.precompute.studies.registry.STUDIES", (_with(priced, counted),))
    run(settings, reporter=quiet)
    assert 0 < sum(spent) <= said[0]
    assert sum(spent) > 0.7 * said[0]  # and not far above it


def _with(price: Any, work: Any) -> Any:
    return replace(pruning.STUDY, price=price, task=replace(pruning.STUDY.task, work=work))


def test_stretches_join_to_what_one_gives(
    small: Small, monkeypatch: pytest.MonkeyPatch, quiet: Reporter
) -> None:
    """Whoever does which stretch: the records hold the same numbers."""
    run(small(pruning_contexts=5), reporter=quiet)
    monkeypatch.setattr(pruning, "CONTEXTS_A_PIECE", 2)
    run(small("cut.db", pruning_contexts=5), reporter=quiet)
    (whole, _), (cut, _) = (
        records(small().output)["resid"],
        records(small("cut.db").output)["resid"],
    )
    assert whole is not None and cut is not None
    np.testing.assert_array_equal(whole.context_ids, cut.context_ids)
    for one, other in ((whole.dense, cut.dense), (whole.rare, cut.rare)):
        np.testing.assert_array_equal(one.threshold, other.threshold)
        for a, b in zip(astuple(one.zeroed), astuple(other.zeroed), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_it_can_be_left_out(small: Small, quiet: Reporter) -> None:
    run(small(skip=["pruning"]), reporter=quiet)
    run(small("none.db", pruning_contexts=0), reporter=quiet)
    for settings in (small(), small("none.db")):
        assert records(settings.output)["resid"][0] is None
        atlas = open_atlas(settings.output)
        with atlas.connect() as connection:
            (sae,) = list_saes(connection)
            assert "pruning" not in studies_of(connection, sae.sae_id)
        atlas.close()


def test_the_sample_begins_with_that_of_quality(small: Small, quiet: Reporter) -> None:
    """So nothing removed is what quality says, where the samples are of one size."""
    run(small(pruning_contexts=3, quality_contexts=3), reporter=quiet)
    ((record, _),) = records(small().output).values()
    atlas = open_atlas(small().output)
    with atlas.connect() as connection:
        (sae,) = list_saes(connection)
    atlas.close()
    quality = sae.record.quality
    assert record is not None
    assert quality.n_ce_tokens == record.n_ce_tokens
    assert quality.delta_ce == pytest.approx(record.whole.delta_ce[0], abs=1e-5)
    assert quality.ce_clean == pytest.approx(record.ce_clean, rel=1e-5)
    assert quality.delta_ce_error == pytest.approx(record.whole.delta_ce_error[0], abs=1e-5)
    assert quality.ce_recovered_mean == pytest.approx(record.whole.recovered_mean[0], abs=1e-4)
    assert quality.ce_recovered_zero == pytest.approx(record.whole.recovered_zero[0], abs=1e-4)
    assert quality.l0 == pytest.approx(record.l0)


def test_pieces_are_small_and_in_order(
    small: Small, quiet: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Piece] = []

    def watched(run: Run, findings: Findings) -> list[Piece]:
        seen.extend(pruning.pruning_pieces(run, findings))
        return seen

    monkeypatch.setattr(
        "app.precompute.studies.registry.STUDIES", (replace(pruning.STUDY, pieces=watched),)
    )
    run(small(pruning_contexts=5), reporter=quiet)
    ids = np.concatenate([piece.matter.context_ids for piece in seen])
    assert (np.diff(ids) > 0).all()
    assert [piece.units for piece in seen] == [4, 1]
