"""Ablated text equals a loop that changes one token, runs the model and reads the feature."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from app.errors import AtlasError
from app.precompute.ablation import tree_attention
from app.precompute.ablation.ablation import (
    AblationSettings,
    Replacements,
    ablate,
    ablated_positions,
    cost,
    plan_of,
)
from app.precompute.ablation.branches import BranchRunner, Plan
from app.precompute.ablation.texts import Example, Mount, Text, random_stream, texts_of
from app.precompute.model.language_model import LanguageModel
from app.sae.dictionary import Dictionary

Models = Callable[[str], LanguageModel]
Dictionaries = Callable[..., Dictionary]
RESID, HIDDEN = "blocks.1.hook_resid_post", "blocks.0.mlp.hook_post"
SPECIAL = [0]
UNIGRAM = np.arange(300)  # counts of token ids; larger ids are more frequent


def some_examples(seed: int = 0, n_contexts: int = 3) -> list[Example]:
    """Several features at the same places, and several places of the same contexts."""
    rng = np.random.default_rng(seed)
    contexts = rng.integers(1, 290, (n_contexts, 16))
    contexts[:, 0] = 0
    places = [(c, p) for c in range(n_contexts) for p in (1, 2, 9, 15)]
    return [
        Example(int(rng.integers(24)), contexts[c], p, int(rng.integers(2)))
        for c, p in places + places[::2]
    ]


def read(
    model: LanguageModel, mount: Mount, feature_index: int, tokens: Sequence[int]
) -> tuple[float, float]:
    """(activation, hidden_pre) at the last token of one text."""
    found = model.activations(torch.tensor([list(tokens)]), [mount.hook_name])
    hidden_pre, acts = mount.dictionary.forward_encoder(found[mount.hook_name][0, -1:])
    return float(acts[0, feature_index]), float(hidden_pre[0, feature_index])


@pytest.mark.parametrize("architecture", ["neox", "gpt2", "llama", "bloom"])
@pytest.mark.parametrize("kind", ["relu", "jumprelu", "topk"])
def test_equals_one_change_at_a_time(
    tiny_model: Models, tiny_dictionary: Dictionaries, architecture: str, kind: str
) -> None:
    model = tiny_model(architecture)
    mounts = [
        Mount(tiny_dictionary(model.hook_width(hook), kind=kind), hook) for hook in (RESID, HIDDEN)
    ]
    examples = some_examples()
    settings = AblationSettings(window=6, replacements=3, seed=5)
    replacements = Replacements(UNIGRAM, SPECIAL, settings.seed)
    results = {r.example: r for r in ablate(model, mounts, examples, UNIGRAM, SPECIAL, settings)}
    assert sorted(results) == list(range(len(examples)))
    for index, example in enumerate(examples):
        position, mount = example.position, mounts[example.mount]
        text = [int(token) for token in example.tokens[: position + 1]]
        baseline = np.array(read(model, mount, example.feature_index, text))
        found = results[index]
        window = list(range(max(1, position - 6), position))

        deleted = [
            read(model, mount, example.feature_index, text[:i] + text[i + 1 :]) for i in window
        ]
        assert found.delete.positions.tolist() == window
        check(found.delete.effects, [value[0] - baseline[0] for value in deleted])
        check(found.delete.hidden_pre_effects, [value[1] - baseline[1] for value in deleted])

        window.append(position)
        drawn = replacements.at_positions(Text(np.array(text)), np.array(window), 3)
        replaced = np.array(
            [
                [
                    read(model, mount, example.feature_index, [*text[:i], token, *text[i + 1 :]])
                    for i, token in zip(window, row, strict=True)
                ]
                for row in drawn.tolist()
            ]
        )
        assert found.replace.positions.tolist() == window
        check(found.replace.effects, replaced.mean(axis=0)[:, 0] - baseline[0])
        check(found.replace.hidden_pre_effects, replaced.mean(axis=0)[:, 1] - baseline[1])
        check([found.replace.baseline, found.replace.hidden_pre_baseline], baseline)
        if kind == "topk":
            outranked = (replaced[:, :, 0] == 0) & (replaced[:, :, 1] > 0)
            assert found.replace.outranked is not None
            check(found.replace.outranked, outranked.mean(axis=0))
        else:
            assert found.delete.outranked is None


def check(found: Sequence[float] | np.ndarray, expected: Sequence[float] | np.ndarray) -> None:
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-3, atol=1e-3)


def test_examples_at_one_place_share_their_runs(
    tiny_model: Models, tiny_dictionary: Dictionaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("neox")
    mounts = [Mount(tiny_dictionary(model.hook_width(hook)), hook) for hook in (RESID, HIDDEN)]
    context = np.arange(1, 17)
    examples = [Example(f, context, 9, mount) for f in range(5) for mount in (0, 1)]
    n_branches: list[int] = []
    monkeypatch.setattr(
        "app.precompute.ablation.ablation.BranchRunner.run", counting(n_branches), raising=True
    )
    settings = AblationSettings(window=4, replacements=2)
    results = list(ablate(model, mounts, examples, UNIGRAM, SPECIAL, settings))
    assert [result.example for result in results] == list(range(10))
    assert n_branches == [1 + 4 + 2 * 5]
    assert cost(examples, settings).n_branches == 15
    assert cost(examples, settings).n_texts == 1


def counting(n_branches: list[int]) -> Callable[..., dict[str, torch.Tensor]]:
    run = BranchRunner.run

    def counted(self: BranchRunner, plans: Sequence[Plan], *where: Any) -> dict[str, torch.Tensor]:
        n_branches.append(sum(len(plan.branches) for plan in plans))
        return run(self, plans, *where)

    return counted


def test_order_and_company_of_examples_change_nothing(
    tiny_model: Models, tiny_dictionary: Dictionaries
) -> None:
    model = tiny_model("neox")
    mounts = [Mount(tiny_dictionary(model.hook_width(hook)), hook) for hook in (RESID, HIDDEN)]
    examples = some_examples()
    all_at_once = {r.example: r for r in ablate(model, mounts, examples, UNIGRAM, SPECIAL)}
    backwards = {r.example: r for r in ablate(model, mounts, examples[::-1], UNIGRAM, SPECIAL)}
    for index in range(len(examples)):
        (alone,) = ablate(model, mounts, [examples[index]], UNIGRAM, SPECIAL)
        for other in (alone, backwards[len(examples) - 1 - index]):
            check(other.replace.effects, all_at_once[index].replace.effects)
            check(other.delete.effects, all_at_once[index].delete.effects)


def test_the_number_of_workers_changes_no_bit(
    tiny_model: Models, tiny_dictionary: Dictionaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.precompute.ablation.texts.CHUNK_TEXTS", 1)
    model = tiny_model("neox")
    mounts = [Mount(tiny_dictionary(model.hook_width(hook)), hook) for hook in (RESID, HIDDEN)]
    examples = some_examples()
    one, three = (
        list(ablate(model, mounts, examples, UNIGRAM, SPECIAL, n_workers=n)) for n in (1, 3)
    )
    assert [result.example for result in three] == [result.example for result in one]
    for left, right in zip(one, three, strict=True):
        for mode in ("delete", "replace"):
            a, b = getattr(left, mode), getattr(right, mode)
            assert a.baseline == b.baseline
            np.testing.assert_array_equal(a.effects, b.effects)
            np.testing.assert_array_equal(a.hidden_pre_effects, b.hidden_pre_effects)


def test_position_0_and_the_peak_are_never_deleted() -> None:
    assert ablated_positions(1, 32).tolist() == []
    assert ablated_positions(3, 32).tolist() == [1, 2]
    assert ablated_positions(40, 32).tolist() == list(range(8, 40))


def test_an_example_right_behind_position_0(
    tiny_model: Models, tiny_dictionary: Dictionaries
) -> None:
    mounts = [Mount(tiny_dictionary(16), RESID)]
    (result,) = ablate(tiny_model("neox"), mounts, [Example(0, np.arange(8), 1)], UNIGRAM, SPECIAL)
    assert result.delete.positions.tolist() == []
    assert result.delete.effects.tolist() == []
    assert result.replace.positions.tolist() == [1]


def test_replacements_follow_the_unigram_distribution_without_special_ids() -> None:
    unigram = np.array([5.0, 1.0, 0.0, 3.0, 9.0])
    replacements = Replacements(unigram, [0, 4], seed=0)
    drawn = replacements.draw(Text(np.array([1, 3])), 4000)
    assert set(drawn.tolist()) == {1, 3}
    assert abs((drawn == 3).mean() - 0.75) < 0.05


def test_draws_are_shared_across_positions_and_never_the_token_itself() -> None:
    replacements = Replacements(np.ones(4), [0], seed=0)
    text = Text(np.array([0, 1, 2, 3, 1]))
    chosen = replacements.at_positions(text, np.arange(1, 5), 5)
    assert (chosen != text.tokens[1:]).all()
    assert (chosen[:, 0] == chosen[:, 3]).all()  # the same token stands at both
    stream = replacements.draw(text, 21)
    for column, token in enumerate(text.tokens[1:]):
        assert chosen[:, column].tolist() == stream[stream != token][:5].tolist()
    only_one = Replacements(np.array([0, 1]), [0], seed=0)
    assert only_one.at_positions(Text(np.array([0, 1])), np.array([1]), 2).tolist() == [[1], [1]]


def test_the_seed_and_the_text_fix_the_draws() -> None:
    text, other = Text(np.array([1, 2, 3])), Text(np.array([1, 2, 4]))
    unigram = np.ones(250)
    drawn = Replacements(unigram, [], seed=3).draw(text, 8)
    assert (Replacements(unigram, [], seed=3).draw(text, 8) == drawn).all()
    assert (Replacements(unigram, [], seed=3).draw(other, 8) != drawn).any()
    assert (Replacements(unigram, [], seed=4).draw(text, 8) != drawn).any()
    assert random_stream(3, "filler", text).random() != random_stream(3, "else", text).random()


def test_nothing_to_draw() -> None:
    with pytest.raises(AtlasError, match="nothing can replace a token"):
        Replacements(np.array([3, 0]), [0], seed=0)


def test_texts_are_grouped_by_their_tokens_up_to_the_position() -> None:
    context = np.arange(10)
    longer = np.append(context, 99)
    examples = [Example(0, context, 4), Example(1, context, 5), Example(2, longer, 4, 1)]
    texts = texts_of(examples)
    assert [text.examples for text in texts] == [[0, 2], [1]]
    assert texts[1].tokens.tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="position 0"):
        texts_of([Example(0, context, 0)])


def test_cost_is_what_is_run() -> None:
    examples = some_examples()
    settings = AblationSettings(window=6, replacements=3)
    replacements = Replacements(UNIGRAM, SPECIAL, 0)
    n_tokens = 0
    for text in texts_of(examples):
        plan = plan_of(text, replacements, settings)
        tails = [(branch.attach, branch.tail) for branch in plan.branches]
        rows = tree_attention.trees([(plan.trunk, tails)], tree_attention.TAIL_TOKENS)
        n_tokens += sum(row.n_tokens for row in rows)
    assert cost(examples, settings).n_tokens == n_tokens
