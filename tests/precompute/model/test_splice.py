"""Splicing equals a loop over contexts that hooks the plain model by hand."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from app.precompute.ablation.texts import Mount
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.splice import (
    MAX_ROWS,
    SpliceQuality,
    SpliceSums,
    splice_figures,
    splice_sums,
)
from app.sae.dictionary import Dictionary

Models = Callable[[str], LanguageModel]
Dictionaries = Callable[..., Dictionary]
RESID, HIDDEN, HEADS = "blocks.0.hook_resid_post", "blocks.1.mlp.hook_post", "blocks.1.attn.hook_z"


def some_contexts(n_contexts: int = 11) -> tuple[np.ndarray, np.ndarray]:
    """Contexts with a BOS, and which positions are counted: not the first, nor every other one."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 290, (n_contexts, 14))
    tokens[:, 0] = 0
    counted = rng.random(tokens.shape) < 0.8
    counted[:, 0] = False
    return tokens, counted


def mean_at(
    model: LanguageModel, hook_name: str, tokens: np.ndarray, counted: np.ndarray
) -> np.ndarray:
    """The mean activation over the counted positions."""
    x = model.activations(torch.from_numpy(tokens), [hook_name])[hook_name]
    return x[torch.from_numpy(counted)].mean(dim=0).numpy()


def splice_quality(
    model: LanguageModel, mounts: Sequence[Mount], tokens: np.ndarray, counted: np.ndarray
) -> list[SpliceQuality]:
    """The figures of every dictionary, ablated by the mean over these contexts."""
    names = [mount.hook_name for mount in mounts]
    means = {name: mean_at(model, name, tokens, counted) for name in names}
    by_name = {str(number): mount for number, mount in enumerate(mounts)}
    sums = splice_sums(model, by_name, tokens, counted, means)
    found = [splice_figures(sums, number, mount.hook_name) for number, mount in by_name.items()]
    return [item for item in found if item is not None]


def module_of(plain: Any, hook_name: str) -> tuple[Any, str]:
    """The plain GPT-NeoX module at a hook, and which end of it."""
    return {
        RESID: (plain.gpt_neox.layers[0], "out"),
        HIDDEN: (plain.gpt_neox.layers[1].mlp.dense_4h_to_h, "in"),
        HEADS: (plain.gpt_neox.layers[1].attention.dense, "in"),
    }[hook_name]


def log_probs(
    model: LanguageModel, tokens: Tensor, hook_name: str, change: Callable[[Tensor], Tensor]
) -> Tensor:
    """Next-token log-probabilities of one context with the activation changed, hooked by hand."""
    module, end = module_of(model.plain, hook_name)

    def after(module: Any, args: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (change(output[0][0])[None], *output[1:])
        return change(output[0])[None]

    if end == "in":
        handle = module.register_forward_pre_hook(lambda module, args: (change(args[0][0])[None],))
    else:
        handle = module.register_forward_hook(after)
    with torch.no_grad():
        logits = model.plain(input_ids=tokens[None]).logits[0]
    handle.remove()
    return logits.log_softmax(dim=-1)


def one_by_one(
    model: LanguageModel, mount: Mount, tokens: np.ndarray, counted: np.ndarray, mean: Tensor
) -> dict[str, list[np.ndarray]]:
    """Per context, the cross-entropies and KL at every counted target."""
    dictionary = mount.dictionary
    found: dict[str, list[np.ndarray]] = {}
    for row, flags in zip(torch.from_numpy(tokens), torch.from_numpy(counted), strict=True):

        def put(
            value: Callable[[Tensor], Tensor], flags: Tensor = flags
        ) -> Callable[[Tensor], Tensor]:
            return lambda x: torch.where(flags[:, None], value(x), x)

        runs = {
            "clean": log_probs(model, row, mount.hook_name, lambda x: x),
            "spliced": log_probs(
                model, row, mount.hook_name, put(lambda x: dictionary.decode(dictionary.encode(x)))
            ),
            "zero": log_probs(model, row, mount.hook_name, put(torch.zeros_like)),
            "mean": log_probs(model, row, mount.hook_name, put(mean.expand_as)),
        }
        where = [t for t in range(1, len(row)) if flags[t]]
        for name, run in runs.items():
            found.setdefault(name, []).append(np.array([-float(run[t - 1, row[t]]) for t in where]))
        clean, spliced = runs["clean"], runs["spliced"]
        kl = (clean.exp() * (clean - spliced)).sum(dim=-1)
        found.setdefault("kl", []).append(np.array([float(kl[t - 1]) for t in where]))
    return found


def mean_and_error(contexts: Sequence[np.ndarray]) -> tuple[float, float]:
    """The mean over tokens, and its standard error with contexts as the units."""
    mean = np.concatenate(contexts).mean()
    residual = [(values - mean).sum() for values in contexts]
    n = len(contexts)
    squared = n / (n - 1) * np.sum(np.square(residual))
    return float(mean), float(np.sqrt(squared)) / sum(len(values) for values in contexts)


@pytest.mark.parametrize("hook_name", [RESID, HIDDEN, HEADS])
def test_equals_contexts_run_one_by_one(
    tiny_model: Models, tiny_dictionary: Dictionaries, hook_name: str
) -> None:
    model = tiny_model("neox")
    mount = Mount(tiny_dictionary(model.hook_width(hook_name)), hook_name)
    tokens, counted = some_contexts()
    x = model.activations(torch.from_numpy(tokens), [hook_name])[hook_name]
    mean = x[torch.from_numpy(counted)].mean(dim=0)
    naive = one_by_one(model, mount, tokens, counted, mean)
    (found,) = splice_quality(model, [mount], tokens, counted)
    assert found.n_ce_tokens == counted.sum()
    assert found.n_ce_contexts == 11
    delta = [s - c for s, c in zip(naive["spliced"], naive["clean"], strict=True)]
    pairs = [
        (found.ce_clean, found.ce_clean_error, naive["clean"]),
        (found.ce_spliced, found.ce_spliced_error, naive["spliced"]),
        (found.ce_zero_ablated, found.ce_zero_ablated_error, naive["zero"]),
        (found.ce_mean_ablated, found.ce_mean_ablated_error, naive["mean"]),
        (found.delta_ce, found.delta_ce_error, delta),
        (found.kl, found.kl_error, naive["kl"]),
    ]
    for value, error, contexts in pairs:
        expected, expected_error = mean_and_error(contexts)
        assert value == pytest.approx(expected, rel=1e-3, abs=1e-4)
        assert error == pytest.approx(expected_error, rel=1e-3, abs=1e-4)
    assert found.delta_ce == pytest.approx(found.ce_spliced - found.ce_clean, abs=1e-5)
    for recovered, ablated in (
        (found.ce_recovered_mean, found.ce_mean_ablated),
        (found.ce_recovered_zero, found.ce_zero_ablated),
    ):
        lost = ablated - found.ce_clean
        assert recovered == pytest.approx((ablated - found.ce_spliced) / lost)


def test_dictionaries_share_the_clean_and_ablated_passes(
    tiny_model: Models, tiny_dictionary: Dictionaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("neox")
    tokens, counted = some_contexts(n_contexts=8)
    mounts = [
        Mount(tiny_dictionary(16, seed=0), RESID),
        Mount(tiny_dictionary(16, seed=1), RESID),
        Mount(tiny_dictionary(32), HIDDEN),
    ]
    alone = [splice_quality(model, [mount], tokens, counted)[0] for mount in mounts]
    passes: list[int] = []
    logits = model.logits
    monkeypatch.setattr(
        model, "logits", lambda *inputs: passes.append(1) or logits(*inputs), raising=True
    )
    together = splice_quality(model, mounts, tokens, counted)
    # Clean, zero and mean at two hooks, one for each dictionary; eight contexts are one batch.
    assert len(passes) == 1 + 2 * 2 + 3
    for found, expected in zip(together, alone, strict=True):
        numbers = [value for value in astuple(expected) if isinstance(value, float)]
        assert [v for v in astuple(found) if isinstance(v, float)] == pytest.approx(numbers)


def test_the_mean_is_what_it_is_told(tiny_model: Models, tiny_dictionary: Dictionaries) -> None:
    model, mounts = tiny_model("neox"), {"a": Mount(tiny_dictionary(16), RESID)}
    sums = splice_sums(model, mounts, *some_contexts(), {RESID: np.zeros(16)})
    found = splice_figures(sums, "a", RESID)
    assert found is not None
    assert found.ce_mean_ablated == pytest.approx(found.ce_zero_ablated)


def test_cuts_into_whole_batches_change_no_bit(
    tiny_model: Models, tiny_dictionary: Dictionaries
) -> None:
    model, mounts = tiny_model("neox"), {"a": Mount(tiny_dictionary(16), RESID)}
    tokens, counted = some_contexts(2 * MAX_ROWS + 3)
    counted[:MAX_ROWS] = False  # a part in which nothing is predicted
    means = {RESID: mean_at(model, RESID, tokens, counted)}
    whole = splice_sums(model, mounts, tokens, counted, means)
    parts = [
        splice_sums(model, mounts, tokens[part], counted[part], means)
        for part in (slice(0, MAX_ROWS), slice(MAX_ROWS, None))
    ]
    joined = SpliceSums.joined(parts)
    assert joined.n_tokens.tolist() == whole.n_tokens.tolist()
    assert {name: values.tolist() for name, values in joined.total.items()} == {
        name: values.tolist() for name, values in whole.total.items()
    }
    assert splice_figures(joined, "a", RESID) == splice_figures(whole, "a", RESID)


def test_a_perfect_dictionary_changes_nothing(
    tiny_model: Models, tiny_dictionary: Dictionaries
) -> None:
    both_signs = torch.cat([torch.eye(16), -torch.eye(16)])
    perfect = replace(
        tiny_dictionary(16, d_sae=32),
        W_enc=both_signs.T,
        W_dec=both_signs,
        b_enc=torch.zeros(32),
        b_dec=torch.zeros(16),
    )
    (found,) = splice_quality(tiny_model("neox"), [Mount(perfect, RESID)], *some_contexts())
    assert found.delta_ce == pytest.approx(0, abs=1e-4)
    assert found.kl == pytest.approx(0, abs=1e-4)
    assert found.ce_recovered_mean == pytest.approx(1, abs=1e-3)


def test_figures_that_do_not_exist(tiny_model: Models, tiny_dictionary: Dictionaries) -> None:
    model, mounts = tiny_model("neox"), [Mount(tiny_dictionary(16), RESID)]
    tokens, counted = some_contexts(n_contexts=1)
    found: SpliceQuality = splice_quality(model, mounts, tokens, counted)[0]
    assert found.ce_clean_error is None
    zeros = {RESID: np.zeros(16)}
    nothing = splice_sums(model, {"a": mounts[0]}, tokens, np.zeros_like(counted), zeros)
    assert splice_figures(nothing, "a", RESID) is None
