"""The study "effects" through the whole job, judged by the plain model hooked by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from app.db.records import ExampleGroup
from app.db.studies import get_feature_study, get_study
from app.db.study_records.effects import EffectsStudy, FeatureEffects
from app.precompute.model.language_model import LanguageModel
from app.precompute.preparation import Run
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.effects import study as stage
from app.precompute.studies.effects.choosing import choose_firings
from app.stats.importance import weighted_mean

N_READ, N_TOP = 8, 5
PATHS = {"resid": "gpt_neox.layers.0", "mlp": "gpt_neox.layers.1.mlp"}
EACH_SAE = pytest.mark.parametrize("which", [0, 1], ids=["resid", "mlp"])


def log_probs(judged: Any, sae: Any, context_id: int, place: tuple[int, Any]) -> tuple[Any, Any]:
    """Of a whole context, untouched and with a vector taken off at one position."""
    position, vector = place
    tokens = torch.from_numpy(judged.tokens[context_id].astype(np.int64))[None]

    def take_off(module: Any, args: Any, output: Any) -> Any:
        changed = (output[0] if isinstance(output, tuple) else output).clone()
        changed[0, position] -= torch.from_numpy(vector).float()
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    with torch.no_grad():
        clean = judged.plain(input_ids=tokens).logits[0].double().log_softmax(-1).numpy()
        module = judged.plain.get_submodule(PATHS[sae.stored.record.sae])
        handle = module.register_forward_hook(take_off)
        changed = judged.plain(input_ids=tokens).logits[0].double().log_softmax(-1).numpy()
        handle.remove()
    return clean, changed


@EACH_SAE
@pytest.mark.parametrize("index", [0, 3, 8, 17])
def test_every_firing_equals_one_removed_by_hand(judged: Any, which: int, index: int) -> None:
    sae = judged.saes[which]
    sae_id = sae.stored.sae_id
    found = get_feature_study(judged.connection, FeatureEffects, sae_id, index)
    groups = judged.groups(which, index)
    if not groups:
        assert found is None
        return
    assert found is not None
    n_context = judged.tokens.shape[1]
    for i in range(len(found.weight)):
        group, rank = ("quantile", found.sample_rank[i])
        if rank < 0:
            group, rank = ("top", found.top_rank[i])
        examples: ExampleGroup = groups[group][0]
        context_id, position = int(examples.context_id[rank]), int(examples.position[rank])
        act = float(examples.activation[rank])
        vector = act * sae.tensors["W_dec"][index]
        clean, changed = log_probs(judged, sae, context_id, (position, vector))
        for offset in range(N_READ):
            target = position + 1 + offset
            if target < n_context and judged.counted[context_id, target]:
                token = judged.tokens[context_id, target]
                expected = clean[target - 1, token] - changed[target - 1, token]
                assert found.delta_ce[i, offset] == pytest.approx(expected, rel=2e-3, abs=2e-4)
            else:
                assert np.isnan(found.delta_ce[i, offset])
        before, after = np.exp(clean[position]), np.exp(changed[position])
        kl = (before * (clean[position] - changed[position])).sum()
        assert found.kl[i] == pytest.approx(kl, rel=1e-2, abs=1e-5)
        assert found.changes_likeliest[i] == (before.argmax() != after.argmax())
        lost = int((after - before).argmin())
        if found.lost_id[i, 0] != lost:  # two fall alike
            assert found.lost_to[i, 0] - found.lost_from[i, 0] == pytest.approx(
                (after - before).min(), abs=1e-3
            )
        else:
            assert found.lost_from[i, 0] == pytest.approx(before[lost], rel=2e-3)


@EACH_SAE
def test_weights_and_columns(judged: Any, which: int) -> None:
    sae_id = judged.saes[which].stored.sae_id
    study = get_study(judged.connection, EffectsStudy, sae_id)
    assert study is not None
    assert (study.n_top, study.n_per_fifth, study.n_read) == (N_TOP, 2, N_READ)
    n_features = n_firings = 0
    for index in range(24):
        record = judged.feature(which, index)
        found = get_feature_study(judged.connection, FeatureEffects, sae_id, index)
        if not record.n_active:
            assert (found, record.delta_ce, record.kl) == (None, None, None)
            continue
        assert found is not None
        n_features, n_firings = n_features + 1, n_firings + len(found.weight)
        top, quantile = (judged.groups(which, index)[name][0] for name in ("top", "quantile"))
        assert sorted(found.top_rank[found.top_rank >= 0]) == list(
            range(min(N_TOP, len(top.position)))
        )
        drawn = found.sample_rank[found.sample_rank >= 0]
        assert drawn.tolist() == list(range(len(quantile.position)))  # all two of each fifth
        assert found.weight.sum() == pytest.approx(1, abs=1e-5)
        assert not found.weight[found.sample_rank < 0].any()
        shares = quantile.band_share[quantile.band]
        n_drawn = np.bincount(quantile.band)[quantile.band]
        np.testing.assert_allclose(found.weight[: len(drawn)], shares / n_drawn, rtol=1e-5)
        mean, _ = weighted_mean(found.delta_ce[:, 0], found.weight)
        if np.isnan(mean):
            assert record.delta_ce is None
        else:
            assert record.delta_ce == pytest.approx(mean)
        assert record.kl == pytest.approx(weighted_mean(found.kl, found.weight)[0])
    assert (study.n_features, study.n_firings) == (n_features, n_firings)


def example_group(context_id: list[int], band: list[int], share: list[float]) -> ExampleGroup:
    """Examples at position 3 of these contexts, drawn from bands."""
    n, none = len(context_id), np.zeros(0)
    return ExampleGroup(
        np.array(context_id), np.full(n, 3), np.linspace(2, 1, n), none, np.array(band),
        *(none,) * 6, band_low=np.zeros(len(share)), band_high=np.zeros(len(share)),
        band_n_active=none, band_share=np.array(share), n_candidates=0,
    )  # fmt: skip


def test_a_firing_of_both_groups_is_removed_once() -> None:
    top = example_group([4, 2, 7], [-1] * 3, [])
    quantile = example_group([9, 2, 5, 8], [1, 1, 0, 0], [0.4, 0.6])
    examples = [("b", 6, "top", top), ("b", 6, "quantile", quantile)]
    found = choose_firings(examples, ["a", "b"], n_top=2, n_per_fifth=1)  # type: ignore[arg-type]
    assert found.context_id.tolist() == [2, 4, 5, 9]
    assert found.top_rank.tolist() == [1, 0, -1, -1]
    assert found.sample_rank.tolist() == [-1, -1, 2, 0]
    np.testing.assert_allclose(found.weight, [0, 0, 0.4, 0.6])
    both = choose_firings(examples, ["a", "b"], n_top=2, n_per_fifth=2)  # type: ignore[arg-type]
    assert both.context_id.tolist() == [2, 4, 5, 8, 9]
    assert both.top_rank.tolist() == [1, 0, -1, -1, -1]
    assert both.sample_rank.tolist() == [1, -1, 2, 3, 0]
    np.testing.assert_allclose(both.weight, [0.3, 0, 0.2, 0.2, 0.3])
    assert both.sae.tolist() == [1] * 5
    assert both.feature_index.tolist() == [6] * 5


@pytest.mark.parametrize("hook_name", ["blocks.0.hook_resid_post", "blocks.1.hook_mlp_out"])
@pytest.mark.parametrize("gigabytes", [0, 1])
def test_the_price_is_never_exceeded(
    hook_name: str,
    gigabytes: float,
    small: Callable[..., PrecomputeSettings],
    write_sae: Callable[..., Any],
    tmp_path: Any,
    quiet: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from app.precompute.pipeline import run

    prices, n_run, real_price, real_measure = [], [0], stage.price, stage.measure

    def price(at_hand: Run) -> Any:
        prices.append(real_price(at_hand))
        return prices[-1]

    def measure(at_hand: Run, asked: stage.Asked) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("logits_at", "activations"):
                patch.setattr(LanguageModel, name, counting(getattr(LanguageModel, name), n_run))
            return real_measure(at_hand, asked)

    study = stage.STUDY
    replaced = type(study)(
        study.listed, study.unit, type(study.task)(measure, "model"), price, study.pieces,
        study.harvest,
    )  # fmt: skip
    monkeypatch.setattr("app.precompute.studies.registry.STUDIES", (replaced,))
    sae = write_sae(tmp_path / "one", "jumprelu", hook_name)
    run(small(sae=[sae], activation_gigabytes=gigabytes), reporter=quiet)
    assert 0 < n_run[0] <= prices[0].n_tokens
    assert "24 features, each removed at 15 of its firings at most" in prices[0].words


def counting(real: Callable[..., Any], n_run: list[int]) -> Callable[..., Any]:
    """The same method, its tokens added up."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        tokens = args[1] if isinstance(args[0], tuple) else args[0]
        n_run[0] += tokens.numel()
        return real(self, *args, **kwargs)

    return method
