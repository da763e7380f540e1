"""Every number of a sweep equals contexts run one by one through the plain model."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from app.db.study_records.pruning import Measured, Pruning
from app.precompute.ablation.texts import Mount
from app.precompute.model.language_model import LanguageModel
from app.precompute.studies.pruning.records import Tried, pruning_record
from app.precompute.studies.pruning.study import ladders_of
from app.precompute.studies.pruning.sweep import SweepSums, ToPrune, sweep
from app.sae.architectures import ReLU
from app.sae.dictionary import Dictionary
from app.stats.pruning import Ladder, Plan, make_plan

Models = Callable[[str], LanguageModel]
Dictionaries = Callable[..., Dictionary]
RESID, HIDDEN = "blocks.0.hook_resid_post", "blocks.1.mlp.hook_post"


def some_contexts(n_contexts: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Contexts with a BOS, and which positions are counted: not the first, nor every other one."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 290, (n_contexts, 12))
    tokens[:, 0] = 0
    counted = rng.random(tokens.shape) < 0.8
    counted[:, 0] = False
    return tokens, counted


def activations(model: LanguageModel, hook_name: str) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """x at the counted positions of all contexts."""
    tokens, counted = some_contexts()
    x = model.activations(torch.from_numpy(tokens), [hook_name])[hook_name]
    return x[torch.from_numpy(counted)], tokens, counted


def module_of(plain: Any, hook_name: str) -> tuple[Any, str]:
    """The plain GPT-NeoX module at a hook, and which end of it."""
    return {
        RESID: (plain.gpt_neox.layers[0], "out"),
        HIDDEN: (plain.gpt_neox.layers[1].mlp.dense_4h_to_h, "in"),
    }[hook_name]


def ce_by_context(
    model: LanguageModel, hook_name: str, change: Callable[[Tensor], Tensor]
) -> np.ndarray:
    """Summed cross-entropy of each context alone, x changed at its counted positions."""
    module, end = module_of(model.plain, hook_name)
    tokens, counted = some_contexts()
    found = []
    for row, flags in zip(torch.from_numpy(tokens), torch.from_numpy(counted), strict=True):

        def put(x: Tensor, flags: Tensor = flags) -> Tensor:
            return torch.where(flags[:, None], change(x[0]), x[0])[None]

        def after(module: Any, args: Any, output: Any, put: Any = put) -> Any:
            return (put(output[0]), *output[1:]) if isinstance(output, tuple) else put(output)

        if end == "in":
            handle = module.register_forward_pre_hook(lambda module, args, put=put: (put(args[0]),))
        else:
            handle = module.register_forward_hook(after)
        with torch.no_grad():
            nats = -model.plain(input_ids=row[None]).logits[0].log_softmax(dim=-1)
        handle.remove()
        found.append(sum(float(nats[t - 1, row[t]]) for t in range(1, len(row)) if flags[t]))
    return np.array(found)


def tried(x: Tensor, dictionary: Dictionary, **options: Any) -> tuple[Plan, np.ndarray, np.ndarray]:
    """(steps, n_active, means), as if these tokens were the whole corpus."""
    acts = dictionary.encode(x)
    n_active = (acts > 0).sum(dim=0).numpy()
    settings: dict[str, Any] = {"n_levels": 4, "n_draws": 2, "seed": 0} | options
    plan = make_plan(n_active, len(x), **settings)
    return plan, n_active, acts.double().mean(dim=0).numpy()


def record_of(
    model: LanguageModel, dictionary: Dictionary, hook_name: str, **options: Any
) -> tuple[Pruning, Plan]:
    """What the study would store, its contexts in two stretches."""
    x, tokens, counted = activations(model, hook_name)
    plan, n_active, means = tried(x, dictionary, **options)
    selects = dictionary.activation.selects_across_features
    before = ("dense", "rare") if selects else ()
    asked = {"it": ToPrune(Mount(dictionary, hook_name), means, ladders_of(plan), before)}
    mean = {hook_name: x.double().mean(dim=0).numpy()}
    parts = [sweep(model, asked, tokens[s], counted[s], mean) for s in (slice(3), slice(3, None))]
    sums = SweepSums.joined(parts)
    n = counted.sum(axis=1)
    record = pruning_record(
        Tried(plan, n_active, len(x)),
        sums.clean,
        sums.hooks[hook_name],
        sums.costs["it"],
        np.arange(len(n)),
        n,
    )
    return record, plan


def judge(
    model: LanguageModel,
    hook_name: str,
    found: Measured,
    at: Any,
    reconstruct: Callable[[Tensor], Tensor],
) -> None:
    """One pruning against brute force."""
    x, _, counted = activations(model, hook_name)
    n, n_tokens = counted.sum(axis=1), counted.sum()
    residual = float((x.double() - reconstruct(x).double()).square().sum())
    variance = float((x.double() - x.double().mean(dim=0)).square().sum())
    assert found.mse[at] == pytest.approx(residual / n_tokens / x.shape[1], rel=1e-4, abs=1e-9)
    expected = 1 - residual / variance
    assert found.explained_variance[at] == pytest.approx(expected, rel=1e-4, abs=1e-6)
    clean, zero, mean, spliced = (
        ce_by_context(model, hook_name, change)
        for change in (
            lambda x: x,
            torch.zeros_like,
            lambda y: x.mean(dim=0).expand_as(y),
            reconstruct,
        )
    )
    delta = (spliced - clean).sum() / n_tokens
    assert found.delta_ce[at] == pytest.approx(delta, abs=1e-5)
    error = np.sqrt(10 / 9 * np.square(spliced - clean - n * delta).sum()) / n_tokens
    assert found.delta_ce_error[at] == pytest.approx(error, rel=1e-3, abs=1e-6)
    for ablated, share in ((mean, found.recovered_mean), (zero, found.recovered_zero)):
        recovered = (ablated.sum() - spliced.sum()) / (ablated.sum() - clean.sum())
        assert share[at] == pytest.approx(recovered, abs=1e-3)
    np.testing.assert_allclose(found.delta_by_context[at], spliced - clean, atol=1e-4)


def without(
    dictionary: Dictionary, gone: np.ndarray, means: np.ndarray, folded: bool
) -> Callable[[Tensor], Tensor]:
    """The reconstruction by dense arithmetic."""
    kept = torch.ones(dictionary.config.d_sae)
    kept[gone] = 0
    added = torch.from_numpy(means * (1 - kept.numpy())).float() if folded else 0

    def reconstruct(x: Tensor) -> Tensor:
        acts = dictionary.encode(x) * kept + added
        return acts @ dictionary.W_dec + dictionary.b_dec

    return reconstruct


@pytest.mark.parametrize(
    ("kind", "hook_name"), [("relu", RESID), ("jumprelu", HIDDEN), ("topk", RESID)]
)
def test_equals_contexts_run_one_by_one(
    tiny_model: Models, tiny_dictionary: Dictionaries, kind: str, hook_name: str
) -> None:
    model = tiny_model("neox")
    dictionary = tiny_dictionary(model.hook_width(hook_name), kind=kind)
    record, plan = record_of(model, dictionary, hook_name)
    x, _, _ = activations(model, hook_name)
    _, _, means = tried(x, dictionary)
    nothing, every = np.zeros(0, np.int64), np.arange(24)
    judge(model, hook_name, record.whole, 0, without(dictionary, nothing, means, False))
    for way, folded in enumerate((False, True)):
        judge(model, hook_name, record.none, way, without(dictionary, every, means, folded))
    for found, ladder in ((record.dense, plan.dense), (record.rare, plan.rare)):
        assert ladder.n_removed.size > 1
        np.testing.assert_array_equal(found.n_removed, ladder.n_removed)
        for step in range(ladder.n_removed.size):
            gone = ladder.removed(step)
            left = np.delete((dictionary.encode(x) > 0).numpy(), gone, axis=1)
            assert found.l0[step] == pytest.approx(left.sum() / len(x))
            for folded, measured in ((False, found.zeroed), (True, found.folded)):
                reconstruct = without(dictionary, gone, means, folded)
                judge(model, hook_name, measured, step, reconstruct)
    for draw, ladder in enumerate(plan.random):
        for step in (0, 3):
            for folded, measured in ((False, record.random.zeroed), (True, record.random.folded)):
                reconstruct = without(dictionary, ladder.removed(step), means, folded)
                judge(model, hook_name, measured, (draw, step), reconstruct)


def test_removed_before_the_selection_others_take_their_place(
    tiny_model: Models, tiny_dictionary: Dictionaries
) -> None:
    model = tiny_model("neox")
    dictionary = tiny_dictionary(model.hook_width(RESID), kind="topk")
    record, plan = record_of(model, dictionary, RESID)
    x, _, _ = activations(model, RESID)
    assert record.selects
    for found, ladder in ((record.dense, plan.dense), (record.rare, plan.rare)):
        assert found.before is not None
        for step in range(ladder.n_removed.size):
            gone = torch.from_numpy(ladder.removed(step).copy())

            def encode(x: Tensor, gone: Tensor = gone) -> Tensor:
                left = dictionary.hidden_pre(x)
                left[..., gone] = -torch.inf
                weakest = left.topk(4, dim=-1).values[..., -1:]
                return torch.where(left >= weakest, left, 0).relu()

            def reconstruct(x: Tensor, encode: Any = encode) -> Tensor:
                return encode(x) @ dictionary.W_dec + dictionary.b_dec

            l0 = float((encode(x) > 0).sum() / len(x))
            assert found.before.l0[step] == pytest.approx(l0)
            assert l0 > found.l0[step]
            judge(model, RESID, found.before.measured, step, reconstruct)
    plain, _ = record_of(model, replace(dictionary, activation=ReLU()), RESID)
    assert not plain.selects
    assert plain.dense.before is None


def planted(dictionary: Dictionary, mean: Tensor, n_dense: int = 8) -> Dictionary:
    """Reconstructs everything exactly: a pair of features for x − mean at each component, and
    beside them dense ones that always add the same, which b_dec takes away again."""
    d_in = len(mean)
    eye = torch.eye(d_in)
    generator = torch.Generator().manual_seed(5)
    always = torch.randn(n_dense, d_in, generator=generator) / 4
    level = torch.arange(1.0, n_dense + 1)
    return replace(
        dictionary,
        W_enc=torch.cat([torch.zeros(d_in, n_dense), eye, -eye], dim=1),
        b_enc=torch.cat([level, torch.zeros(2 * d_in)]),
        W_dec=torch.cat([always, eye, -eye]),
        b_pre=mean,
        b_dec=mean - level @ always,
        activation=ReLU(),
        config=replace(dictionary.config, d_sae=n_dense + 2 * d_in),
    )


def test_a_planted_dense_set_leaves_the_reconstruction_that_is_known(
    tiny_model: Models, tiny_dictionary: Dictionaries
) -> None:
    model = tiny_model("neox")
    d_in = model.hook_width(RESID)
    mean = activations(model, RESID)[0].mean(dim=0)
    dictionary = planted(tiny_dictionary(d_in), mean)
    record, plan = record_of(model, dictionary, RESID, n_levels=6)
    assert record.l0 == pytest.approx(8 + d_in)
    assert record.whole.explained_variance[0] == pytest.approx(1, abs=1e-6)
    assert record.whole.delta_ce[0] == pytest.approx(0, abs=1e-5)
    (step,) = np.flatnonzero(record.dense.n_removed == 8)
    assert set(plan.dense.removed(int(step))) == set(range(8))
    assert record.dense.threshold[step] < 1
    assert record.dense.l0[step] == pytest.approx(d_in)
    zeroed, folded = record.dense.zeroed, record.dense.folded
    # Folded in they are still there; zeroed, exactly what they always added is missing.
    assert folded.explained_variance[step] == pytest.approx(1, abs=1e-6)
    assert folded.delta_ce[step] == pytest.approx(0, abs=1e-5)
    assert folded.recovered_mean[step] == pytest.approx(1, abs=1e-4)
    missing = float((dictionary.b_dec - mean).double().square().sum())
    assert zeroed.mse[step] == pytest.approx(missing / d_in, rel=1e-5)
    assert zeroed.delta_ce[step] > 0.01
    # Random removal down to the same L0 takes what can't be folded.
    level = record.dense.level[step]
    assert (record.random.folded.explained_variance[:, level] < 0.95).all()


def test_a_dictionary_without_steps_has_its_ends(
    tiny_model: Models, tiny_dictionary: Dictionaries
) -> None:
    model = tiny_model("neox")
    dictionary = tiny_dictionary(model.hook_width(RESID))
    dead = replace(dictionary, b_enc=torch.full_like(dictionary.b_enc, -1e9))
    record, plan = record_of(model, dead, RESID)
    assert record.l0 == 0
    assert record.n_living == 0
    assert record.dense.threshold.size == record.rare.threshold.size == 0
    assert record.random.n_removed.shape == (0, 0)
    assert plan.random == ()
    np.testing.assert_allclose(record.none.delta_ce, record.whole.delta_ce[0])


def test_a_ladder_is_gone_down_in_its_own_order() -> None:
    ladder = Ladder(np.array([4, 1, 2]), np.array([1, 3]), np.array([0, 1]), np.array([0.5, 0.0]))
    assert [ladder.removed(step).tolist() for step in (0, 1)] == [[4], [4, 1, 2]]
