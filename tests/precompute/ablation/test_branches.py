"""Changed texts run together give what each of them gives alone, on every architecture."""

import logging
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from app.precompute.ablation import tree_attention
from app.precompute.ablation.branches import Branch, BranchRunner, Plan, batches
from app.precompute.model.language_model import LanguageModel

Models = Callable[[str], LanguageModel]
RESID = "blocks.1.hook_resid_post"


def changed_texts(seed: int, n_texts: int = 3, n_ctx: int = 20, window: int = 6) -> list[Plan]:
    """Deletions and replacements near the end of random texts of different lengths."""
    rng = np.random.default_rng(seed)
    plans = []
    for _ in range(n_texts):
        text = rng.integers(1, 290, int(rng.integers(4, n_ctx + 1)))
        position = len(text) - 1
        branches = [Branch(position, text[position:])]
        for i in range(max(1, position - window), position):
            branches.append(Branch(i, text[i + 1 :]))
            branches.append(Branch(i, np.concatenate([rng.integers(1, 290, 1), text[i + 1 :]])))
        branches.append(Branch(0, text[-2:]))
        plans.append(Plan(text, branches))
    return plans


def one_by_one(model: LanguageModel, hook_name: str, plans: list[Plan]) -> Tensor:
    rows = []
    for plan in plans:
        for branch in plan.branches:
            tokens = np.concatenate([plan.trunk[: branch.attach], branch.tail])
            found = model.activations(torch.from_numpy(tokens)[None], [hook_name])
            rows.append(found[hook_name][0, -1])
    return torch.stack(rows)


@pytest.mark.parametrize("architecture", ["neox", "gpt2", "llama", "gemma2"])
def test_trees_equal_texts_run_one_by_one_at_every_hook(
    tiny_model: Models, architecture: str
) -> None:
    model = tiny_model(architecture)
    plans = changed_texts(seed=0)
    runner = BranchRunner(model, model.hook_names)
    found = runner.run(plans)
    assert runner.uses_trees
    for hook_name in model.hook_names:
        expected = one_by_one(model, hook_name, plans)
        torch.testing.assert_close(found[hook_name], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", ["bloom", "sliding"])
def test_models_that_ignore_the_mask_or_the_positions_get_ordinary_sequences(
    tiny_model: Models, architecture: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = tiny_model(architecture)
    plans = changed_texts(seed=0)
    runner = BranchRunner(model, [RESID])
    with caplog.at_level(logging.WARNING):
        found = runner.run(plans)
        runner.run(plans)
    assert not runner.uses_trees
    assert len(caplog.records) == 1
    assert "does not honour attention masks" in caplog.text
    torch.testing.assert_close(found[RESID], one_by_one(model, RESID, plans), rtol=1e-4, atol=1e-4)


def test_a_sliding_window_is_noticed_when_texts_grow_beyond_it(tiny_model: Models) -> None:
    model = tiny_model("sliding")
    runner = BranchRunner(model, [RESID])
    runner.run(changed_texts(seed=0, n_ctx=4))
    assert runner.uses_trees  # nothing is out of sight in texts this short
    plans = changed_texts(seed=1)
    found = runner.run(plans)
    assert not runner.uses_trees
    torch.testing.assert_close(found[RESID], one_by_one(model, RESID, plans), rtol=1e-4, atol=1e-4)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 1000),
    n_texts=st.integers(1, 4),
    batch_tokens=st.integers(1, 200),
    tail_tokens=st.integers(1, 60),
)
def test_batch_and_tree_size_change_nothing(
    tiny_model: Models, seed: int, n_texts: int, batch_tokens: int, tail_tokens: int
) -> None:
    model = tiny_model("neox")
    plans = changed_texts(seed, n_texts)
    found = BranchRunner(model, [RESID], batch_tokens, tail_tokens).run(plans)[RESID]
    expected = BranchRunner(model, [RESID]).run(plans)[RESID]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_no_plans_and_plans_without_branches(tiny_model: Models) -> None:
    runner = BranchRunner(tiny_model("neox"), [RESID])
    assert runner.run([])[RESID].shape == (0, 16)
    text = np.arange(1, 6)
    both = [Plan(text, []), Plan(text, [Branch(2, text[3:])])]
    torch.testing.assert_close(runner.run(both)[RESID], runner.run(both[1:])[RESID])


def test_a_tree_holds_its_trunk_once() -> None:
    trunk = np.array([10, 11, 12, 13])
    (tree,) = tree_attention.trees([(trunk, [(3, trunk[3:]), (1, trunk[2:])])], tail_tokens=100)
    # The longest part any tail needs, then the tails.
    assert tree.token.tolist() == [10, 11, 12, 13, 12, 13]
    assert tree.position.tolist() == [0, 1, 2, 3, 1, 2]
    assert tree.segment.tolist() == [0, 0, 0, 1, 2, 2]
    assert tree.attach.tolist() == [0, 0, 0, 3, 1, 1]
    assert tree.last.tolist() == [3, 5]
    sees = tree_attention.visible(
        torch.from_numpy(tree.segment)[None], torch.from_numpy(tree.attach)[None]
    )[0]
    assert sees.int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 0, 0, 0, 1, 0],
        [1, 0, 0, 0, 1, 1],
    ]


def test_long_trees_share_their_tails_out_evenly() -> None:
    trunk = np.arange(8)
    tails = [(4, trunk[:3]) for _ in range(8)]
    rows = tree_attention.trees([(trunk, tails), (trunk, tails[:1])], tail_tokens=12)
    assert [row.branch_index.tolist() for row in rows] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


def test_batches_hold_similar_lengths() -> None:
    found = [batch.tolist() for batch in batches([3, 9, 4, 50, 9], 18)]
    assert found == [[3], [1, 4], [2, 0]]
