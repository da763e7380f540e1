"""Other tools' figures in the atlas, against the plain model on the same contexts and batches."""

from typing import Any

import numpy as np
import pytest

from app.db.studies import get_study
from app.db.study_records.variants import Variants
from app.precompute.events.events import sampled_contexts
from app.precompute.quality import SPLICE_STREAM
from app.precompute.studies.variants.study import CONTEXTS_A_BATCH
from app.stats.variants import BatchSums, variants

SAES = ("resid", "mlp")


def found_of(loud: Any, sae: str) -> Variants:
    found = get_study(loud.connection, Variants, loud.saes[sae].stored.sae_id)
    assert found is not None
    return found


def batches_of(loud: Any) -> list[np.ndarray]:
    settings = loud.settings
    n, wanted = len(loud.tokens), settings.variant_contexts
    chosen = np.flatnonzero(sampled_contexts(n, wanted, settings.seed, SPLICE_STREAM))
    assert len(chosen) == wanted > CONTEXTS_A_BATCH
    return [chosen[i : i + CONTEXTS_A_BATCH] for i in range(0, wanted, CONTEXTS_A_BATCH)]


@pytest.mark.parametrize("sae", SAES)
@pytest.mark.parametrize("population", ["counted", "every"])
def test_figures_of_the_same_batches(loud: Any, sae: str, population: str) -> None:
    own = loud.saes[sae]
    sums = []
    for batch in batches_of(loud):
        mask = loud.counted[batch] if population == "counted" else np.ones_like(loud.counted[batch])
        sums.append(BatchSums.of(own.x[batch][mask], own.x_hat[batch][mask]))
    expected, record = variants(sums), found_of(loud, sae)
    found = getattr(record, population)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name
    n = record.n_counted if population == "counted" else record.n_all
    assert n == sum(batch.n for batch in sums)


@pytest.mark.parametrize("sae", SAES)
def test_losses_with_every_position_replaced(loud: Any, sae: str) -> None:
    own, found = loud.saes[sae], found_of(loud, sae)
    hook = own.stored.record.hook_name
    losses = np.zeros((3, len(loud.tokens)))
    divergences = np.zeros((3, len(loud.tokens)))
    chosen = np.concatenate(batches_of(loud))
    for context in chosen:
        target = loud.tokens[context, 1:].astype(int)
        before = loud.log_probs(context)
        changed = [
            before,
            loud.log_probs(context, hook, own.x_hat[context]),
            loud.log_probs(context, hook, np.zeros_like(own.x[context])),
        ]
        for row, after in enumerate(changed):
            losses[row, context] = -after[np.arange(len(target)), target].sum()
            divergences[row, context] = (np.exp(before) * (before - after)).sum()
    n_predicted = len(chosen) * (loud.tokens.shape[1] - 1)
    clean, spliced, zero = losses.sum(axis=1) / n_predicted
    assert (found.n_predicted, found.n_contexts) == (n_predicted, len(chosen))
    assert found.ce_clean == pytest.approx(clean, rel=1e-4)
    assert found.ce_spliced == pytest.approx(spliced, rel=1e-4)
    assert found.ce_zero == pytest.approx(zero, rel=1e-4)
    assert found.ce_score == pytest.approx((zero - spliced) / (zero - clean), rel=1e-3)
    scores = [
        (losses[2, batch].sum() - losses[1, batch].sum())
        / (losses[2, batch].sum() - losses[0, batch].sum())
        for batch in batches_of(loud)
    ]
    assert found.ce_score_by_batch == pytest.approx(np.mean(scores), rel=1e-3)
    n_all = len(chosen) * loud.tokens.shape[1]
    _, kl_spliced, kl_zero = divergences.sum(axis=1) / n_all
    assert found.kl_spliced == pytest.approx(kl_spliced, rel=1e-3)
    assert found.kl_zero == pytest.approx(kl_zero, rel=1e-3)
    assert found.kl_score == pytest.approx((kl_zero - kl_spliced) / kl_zero, rel=1e-3)


@pytest.mark.parametrize("sae", SAES)
def test_variance_explained_of_single_tokens_is_around_the_mean_of_the_corpus(
    loud: Any, sae: str
) -> None:
    own, found = loud.saes[sae], found_of(loud, sae)
    mean = own.x[loud.counted].mean(axis=0)
    chosen = np.concatenate(batches_of(loud))
    counted = loud.counted[chosen]
    x, x_hat = own.x[chosen][counted], own.x_hat[chosen][counted]
    expected = 1 - ((x - x_hat) ** 2).sum(axis=1) / ((x - mean) ** 2).sum(axis=1)
    assert found.explained.n == counted.sum()
    wanted = np.quantile(expected, 0.5, method="inverted_cdf")
    assert found.explained.median == pytest.approx(wanted, rel=1e-3)


def test_outliers_part_the_formulas(loud: Any) -> None:
    """The shouted token carries the variance: the same dictionary reads differently."""
    figures = found_of(loud, "resid").counted
    assert abs(figures["pooled"] - figures["saelens_legacy"]) > 0.02
