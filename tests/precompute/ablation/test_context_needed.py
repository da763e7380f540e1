"""Context needed equals a loop that writes the changed text out and reads the feature."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from app.precompute.ablation.context_needed import (
    KEPT,
    ContextNeededSettings,
    Fillers,
    context_needed,
    cost,
    kept_of,
)
from app.precompute.ablation.texts import Example, Mount, Text
from app.precompute.model.language_model import LanguageModel
from app.sae.dictionary import Dictionary

Models = Callable[[str], LanguageModel]
Dictionaries = Callable[..., Dictionary]
RESID, HIDDEN = "blocks.1.hook_resid_post", "blocks.0.mlp.hook_post"


def some_contexts(bos: bool) -> np.ndarray:
    contexts = np.random.default_rng(0).integers(1, 290, (6, 30))
    if bos:
        contexts[:, 0] = 0
    return contexts


def activation(
    model: LanguageModel, mount: Mount, feature_index: int, tokens: Sequence[int]
) -> float:
    found = model.activations(torch.tensor([list(tokens)]), [mount.hook_name])[mount.hook_name]
    return float(mount.dictionary.encode(found[0, -1:])[0, feature_index])


@pytest.mark.parametrize("architecture", ["neox", "gpt2", "bloom"])
@pytest.mark.parametrize("bos", [True, False])
def test_equals_texts_written_out(
    tiny_model: Models, tiny_dictionary: Dictionaries, architecture: str, bos: bool
) -> None:
    model = tiny_model(architecture)
    mounts = [Mount(tiny_dictionary(model.hook_width(hook)), hook) for hook in (RESID, HIDDEN)]
    contexts = some_contexts(bos)
    examples = [
        Example(feature, contexts[c], position, mount)
        for feature, c, position, mount in [(3, 0, 1, 0), (4, 0, 7, 0), (5, 1, 29, 1), (9, 0, 7, 1)]
    ]
    settings = ContextNeededSettings(draws=2, seed=1)
    fillers = Fillers(contexts, None, [0], settings.seed)
    results = {
        r.example: r for r in context_needed(model, mounts, examples, contexts, [0], settings)
    }
    for index, example in enumerate(examples):
        mount, position = mounts[example.mount], example.position
        own = [int(token) for token in example.tokens[: position + 1]]
        found = results[index]
        baseline = activation(model, mount, example.feature_index, own)
        np.testing.assert_allclose(found.baseline, baseline, rtol=1e-3, atol=1e-4)
        assert found.kept.tolist() == [k for k in KEPT if k < position - 1]
        drawn = fillers.draw(Text(np.array(own)), 2)
        assert len(drawn) == 2
        assert found.draws == (2 if position > 1 else 0)
        for column, k in enumerate(found.kept):
            tail = own[position - k :]
            filled = [
                activation(model, mount, example.feature_index, [*other[: position - k], *tail])
                for other in drawn
            ]
            head = own[:1] if bos else []
            cut = activation(model, mount, example.feature_index, [*head, *tail])
            if baseline:
                share = np.mean(filled) / baseline
                np.testing.assert_allclose(found.activation_share[column], share, 1e-3, 1e-3)
                np.testing.assert_allclose(
                    found.truncated_share[column], cut / baseline, 1e-3, 1e-3
                )
            else:
                assert np.isnan(found.activation_share[column])


def test_something_is_left_to_fill_between_position_0_and_the_kept_tokens() -> None:
    assert kept_of(1).tolist() == []
    assert kept_of(2).tolist() == [0]
    assert kept_of(5).tolist() == [0, 1, 2]
    assert kept_of(9).tolist() == [0, 1, 2, 4]
    assert kept_of(100).tolist() == list(KEPT)


def test_fillers_are_other_long_enough_contexts_and_keep_bos() -> None:
    contexts = some_contexts(bos=False)
    lengths = np.array([30, 30, 5, 30, 5, 5])
    text = Text(np.append(0, contexts[0, 1:10]))
    contexts[1, :9] = text.tokens[:9]  # the same beginning as the example: no other context
    fillers = Fillers(contexts, lengths, [0], seed=0).draw(text, 5)
    expected = [np.append(0, contexts[row, 1:9]).tolist() for row in (0, 3)]
    assert sorted(filler.tolist() for filler in fillers) == sorted(expected)
    # Without a special token at its start a text takes the filler's own.
    plain = Fillers(contexts, lengths, [], seed=0).draw(text, 5)
    assert sorted(int(filler[0]) for filler in plain) == sorted(
        [int(contexts[0, 0]), int(contexts[3, 0])]
    )


def test_no_filler_is_no_number(tiny_model: Models, tiny_dictionary: Dictionaries) -> None:
    contexts = some_contexts(bos=True)
    mounts = [Mount(tiny_dictionary(16), RESID)]
    examples = [Example(feature, contexts[0], 7) for feature in range(24)]
    results = list(context_needed(tiny_model("neox"), mounts, examples, contexts[:1], [0]))
    assert all(result.draws == 0 for result in results)
    assert all(np.isnan(result.activation_share).all() for result in results)
    firing = [result for result in results if result.baseline > 0]
    assert firing
    assert not any(np.isnan(result.truncated_share).any() for result in firing)


def test_cost_counts_texts_once() -> None:
    context = np.arange(1, 20)
    examples = [Example(feature, context, 3) for feature in range(4)]
    found = cost(examples, ContextNeededSettings(draws=2))
    # kept 0, 1: the baseline, then fill, fill, truncate; tails of 1 + 2 behind a trunk of 3.
    assert (found.n_texts, found.n_branches, found.n_tokens) == (1, 7, 3 * (3 + 3) + 1)


def test_the_number_of_workers_changes_no_bit(
    tiny_model: Models, tiny_dictionary: Dictionaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.precompute.ablation.texts.CHUNK_TEXTS", 1)
    contexts = some_contexts(bos=True)
    mounts = [Mount(tiny_dictionary(16), RESID)]
    examples = [Example(feature, contexts[feature % 6], 5 + feature) for feature in range(20)]
    one, three = (
        list(context_needed(tiny_model("neox"), mounts, examples, contexts, [0], n_workers=n))
        for n in (1, 3)
    )
    for left, right in zip(one, three, strict=True):
        assert left.example == right.example
        np.testing.assert_array_equal(left.activation_share, right.activation_share)
        np.testing.assert_array_equal(left.truncated_share, right.truncated_share)
