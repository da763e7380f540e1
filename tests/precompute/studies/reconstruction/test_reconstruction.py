"""Distributions over counted tokens, in the atlas of a whole job, against dense activations."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.db.catalog import find_sae
from app.db.engine import open_atlas
from app.db.studies import get_study
from app.db.study_records.norms import Norms
from app.db.study_records.reconstruction import Reconstruction
from app.db.study_records.variants import Variants
from app.precompute.events.events import sampled_contexts
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.quality import SPLICE_STREAM
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import NAMES
from app.stats.token_measures import MEASURES
from tests.precompute.studies.conftest import ABOUT_TOKENS

SAES = ("resid", "mlp")


def found_of(loud: Any, sae: str) -> Reconstruction:
    found = get_study(loud.connection, Reconstruction, loud.saes[sae].stored.sae_id)
    assert found is not None
    return found


@pytest.mark.parametrize("sae", SAES)
def test_l0_of_every_token(loud: Any, sae: str) -> None:
    found = found_of(loud, sae)
    active = (loud.saes[sae].dense > 0).sum(axis=-1)[loud.counted]
    assert found.l0_counts.tolist() == np.bincount(active).tolist()
    quality = loud.saes[sae].stored.record.quality
    mean = (found.l0_counts * np.arange(found.l0_counts.size)).sum() / found.l0_counts.sum()
    assert mean == pytest.approx(quality.l0)


@pytest.mark.parametrize("sae", SAES)
@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_is_that_of_dense_activations(loud: Any, sae: str, name: str) -> None:
    x, x_hat = (array[loud.counted] for array in (loud.saes[sae].x, loud.saes[sae].x_hat))
    norm, norm_hat = np.linalg.norm(x, axis=1), np.linalg.norm(x_hat, axis=1)
    error = ((x - x_hat) ** 2).sum(axis=1)
    expected = {
        "norm": norm,
        "reconstruction_norm": norm_hat,
        "norm_ratio": norm_hat / norm,
        "squared_error": error,
        "relative_error": error / norm**2,
        "cosine": (x * x_hat).sum(axis=1) / norm / norm_hat,
    }[name]
    spread = getattr(found_of(loud, sae), name)
    assert spread.n == loud.counted.sum()
    assert spread.mean == pytest.approx(expected.mean(), rel=1e-4)
    assert spread.std == pytest.approx(expected.std(), rel=1e-3)
    wanted = np.quantile(expected, spread.shares, method="inverted_cdf")
    np.testing.assert_allclose(spread.quantiles, wanted, rtol=2e-3, atol=1e-5)
    assert spread.n_below + spread.counts.sum() + spread.n_above == spread.n


def test_errors_of_what_is_recovered_leave_out_contexts(loud: Any) -> None:
    """With the plain model, on the sample the cross-entropies are measured on."""
    own, settings = loud.saes["resid"], loud.settings
    hook = own.stored.record.hook_name
    mean = own.x[loud.counted].mean(axis=0)
    n = settings.quality_contexts
    chosen = np.flatnonzero(sampled_contexts(len(loud.tokens), n, settings.seed, SPLICE_STREAM))
    losses = []
    for context in chosen.tolist():
        x, counted = own.x[context], loud.counted[context]
        changes = [x, own.x_hat[context], np.broadcast_to(mean, x.shape), np.zeros_like(x)]
        values = [np.where(counted[:, None], change, x) for change in changes]
        row = np.flatnonzero(counted[1:])
        target = loud.tokens[context, 1:][row].astype(int)
        found = [loud.log_probs(context, hook, value) for value in values]
        losses.append([-log_probs[row, target].sum() for log_probs in found])
    clean, spliced, meaned, zeroed = np.array(losses).T

    def error(ablated: np.ndarray) -> float:
        above, below = ablated - spliced, ablated - clean
        without = [np.delete(above, i).sum() / np.delete(below, i).sum() for i in range(n)]
        return float(np.sqrt((n - 1) / n * (n * np.var(without))))

    found = found_of(loud, "resid")
    assert found.ce_recovered_mean_error == pytest.approx(error(meaned), rel=0.01)
    assert found.ce_recovered_zero_error == pytest.approx(error(zeroed), rel=0.01)


def records(path: Path) -> dict[str, Any]:
    atlas = open_atlas(path)
    found = {}
    with atlas.connect() as connection:
        for name in SAES:
            sae = find_sae(connection, "loud", name)
            assert sae is not None
            for kind in (Reconstruction, Norms, Variants):
                record = get_study(connection, kind, sae.sae_id)
                assert record is not None
                found |= flat(record, f"{name}/{kind.STUDY}")
    atlas.close()
    return found


def flat(value: Any, name: str) -> dict[str, Any]:
    """Every number of a record by its path."""
    if hasattr(value, "__dict__") and not isinstance(value, np.ndarray):
        value = vars(value)
    if isinstance(value, dict):
        parts = [flat(item, f"{name}/{key}") for key, item in value.items()]
        return {key: item for part in parts for key, item in part.items()}
    return {name: value}


def test_sizes_of_batches_and_shards_change_nothing(
    loud: Any, tmp_path: Path, quiet: Reporter
) -> None:
    options = {"batch_contexts": 3, "contexts_per_shard": 50, "output": tmp_path / "atlas.db"}
    run(loud.settings.model_copy(update=options), reporter=quiet)
    expected, found = records(loud.settings.output), records(tmp_path / "atlas.db")
    assert found.keys() == expected.keys()
    assert len(found) > 100
    for key, value in expected.items():
        if key.endswith("/counts"):  # a value on an edge may be on its other side
            assert np.abs(found[key] - value).sum() <= 4, key
        elif value is None or isinstance(value, str):
            assert found[key] == value, key
        else:
            np.testing.assert_allclose(found[key], value, rtol=1e-3, atol=1e-5, err_msg=key)


def test_the_same_settings_give_the_same_records(
    loud: Any, tmp_path: Path, quiet: Reporter
) -> None:
    run(loud.settings.model_copy(update={"output": tmp_path / "atlas.db"}), reporter=quiet)
    expected, found = records(loud.settings.output), records(tmp_path / "atlas.db")
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)


def test_skipped_studies_leave_nothing(
    small: Callable[..., PrecomputeSettings], quiet: Reporter
) -> None:
    settings = small(skip=list(NAMES))
    run(settings, reporter=quiet)
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        sae = find_sae(connection, "tiny", "resid")
        assert sae is not None
        for kind in (Reconstruction, Norms, Variants):
            assert get_study(connection, kind, sae.sae_id) is None
    atlas.close()


def test_without_samples_there_are_no_figures_of_samples(
    small: Callable[..., PrecomputeSettings], quiet: Reporter
) -> None:
    others = [name for name in NAMES if name not in ABOUT_TOKENS]
    settings = small(quality_contexts=0, variant_contexts=0, skip=others)
    run(settings, reporter=quiet)
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        sae = find_sae(connection, "tiny", "resid")
        assert sae is not None
        found = get_study(connection, Reconstruction, sae.sae_id)
        assert found is not None and found.ce_recovered_mean_error is None
        assert get_study(connection, Variants, sae.sae_id) is None
    atlas.close()
