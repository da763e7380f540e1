"""Occurrences, blocks, pairs and the least text equal loops that shorten a text and run it."""

from collections.abc import Callable, Collection
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from app.precompute.ablation.combined import (
    JOINT,
    remove_blocks,
    remove_occurrences,
    remove_pairs,
)
from app.precompute.ablation.deletions import TEXTS_AT_ONCE, Deletions
from app.precompute.ablation.minimal import minimal_text
from app.precompute.ablation.texts import Mount
from app.precompute.model.language_model import LanguageModel
from app.sae.dictionary import Dictionary

Models = Callable[[str], LanguageModel]
Dictionaries = Callable[..., Dictionary]
HOOK = "blocks.1.hook_resid_post"
BOS = 0
TEXT = [BOS, 17, 40, 40, 23, 17, 8, 40, 91, 5, 17, 63]


@pytest.fixture(params=["neox", "gpt2"])
def model(tiny_model: Models, request: pytest.FixtureRequest) -> LanguageModel:
    return tiny_model(request.param)


@pytest.fixture(params=["relu", "topk"])
def mount(
    model: LanguageModel, tiny_dictionary: Dictionaries, request: pytest.FixtureRequest
) -> Mount:
    return Mount(tiny_dictionary(model.hook_width(HOOK), kind=request.param), HOOK)


def read(
    model: LanguageModel, mount: Mount, feature: int, deleted: Collection[int]
) -> tuple[float, float]:
    """(activation, hidden_pre) at the end of the text, these positions left out."""
    text = [token for i, token in enumerate(TEXT) if i not in deleted]
    found = model.activations(torch.tensor([text]), [HOOK])[HOOK]
    hidden_pre, acts = mount.dictionary.forward_encoder(found[0, -1:])
    return float(acts[0, feature]), float(hidden_pre[0, feature])


def firing(model: LanguageModel, mount: Mount) -> list[int]:
    """Features that fire on the text's last token."""
    return [f for f in range(24) if read(model, mount, f, ())[0] > 0.05]


def deletions_of(model: LanguageModel, mount: Mount, feature: int, **more: Any) -> Deletions:
    return Deletions(model, mount, feature, np.array(TEXT), **more)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_occurrences(model: LanguageModel, mount: Mount) -> None:
    feature = firing(model, mount)[0]
    before = read(model, mount, feature, ())
    found = remove_occurrences(deletions_of(model, mount, feature), window=8)
    assert {item.positions for item in found} == {(3, 7), (5, 10)}  # 1 and 2 lie before the window
    for item in found:
        after = read(model, mount, feature, item.positions)
        close((item.effect, item.hidden_pre_effect), np.subtract(after, before))
    assert found == sorted(found, key=lambda item: item.hidden_pre_effect)


def test_blocks(model: LanguageModel, mount: Mount) -> None:
    halved = 0
    for feature in range(0, 24, 3):
        before = read(model, mount, feature, ())
        found = {b.positions: b for b in remove_blocks(deletions_of(model, mount, feature), 8)}
        assert tuple(range(3, 11)) in found
        for positions, block in found.items():
            after = read(model, mount, feature, positions)
            parts = sum(read(model, mount, feature, (i,))[1] - before[1] for i in positions)
            close((block.effect, block.hidden_pre_effect), np.subtract(after, before))
            close(block.parts, parts)
            excess = parts - block.hidden_pre_effect - JOINT * abs(before[1])
            assert block.joint == (excess > 0) or abs(excess) < 1e-3
            middle = len(positions) // 2
            halves = [positions[:middle], positions[middle:]]
            longer = [half for half in halves if len(half) > 1]
            assert [half in found for half in longer] == [block.joint] * len(longer)
            inside = [b for p, b in found.items() if b.joint and set(p) < set(positions)]
            assert block.smallest == (block.joint and not inside)
            halved += block.joint
    assert halved


def test_pairs(model: LanguageModel, mount: Mount) -> None:
    feature = firing(model, mount)[-1]
    before = read(model, mount, feature, ())[1]
    found = remove_pairs(deletions_of(model, mount, feature), 4)
    assert found.positions.tolist() == [7, 8, 9, 10]
    alone = {i: read(model, mount, feature, (i,))[1] - before for i in (7, 8, 9, 10)}
    for (a, i), (b, j) in combinations(enumerate((7, 8, 9, 10)), 2):
        both = read(model, mount, feature, (i, j))[1] - before
        close(found.interactions[a, b], both - alone[i] - alone[j])
        assert found.interactions[a, b] == found.interactions[b, a]
    assert not found.interactions.diagonal().any()


def test_minimal_text(model: LanguageModel, mount: Mount) -> None:
    shortened = 0
    for feature in firing(model, mount):
        enough = 0.8 * read(model, mount, feature, ())[0]
        found = minimal_text(deletions_of(model, mount, feature), [BOS])
        assert found is not None and found.fewest is not None and found.fewest_share is not None
        start = found.suffix[1]
        assert found.suffix == (0, *range(start, 12))
        for other in range(start + 1, 12):  # every shorter end keeps less
            assert read(model, mount, feature, range(1, other))[0] < enough + 1e-4
        gone = set(range(12)) - set(found.fewest)
        assert {0, 11} <= set(found.fewest) <= set(found.suffix)
        close(found.fewest_share * enough / 0.8, read(model, mount, feature, gone)[0])
        assert found.fewest_share > 0.8 - 1e-3
        for position in set(found.fewest) - {0, 11}:  # no further token can go
            assert read(model, mount, feature, gone | {position})[0] < enough + 1e-4
        shortened += len(found.fewest) < 12
    assert shortened


def test_where_it_is_silent_there_is_no_least_text(model: LanguageModel, mount: Mount) -> None:
    silent = next(f for f in range(24) if read(model, mount, f, ())[0] == 0)
    assert minimal_text(deletions_of(model, mount, silent), [BOS]) is None


def test_a_text_without_bos_may_lose_its_first_token(
    tiny_model: Models, tiny_dictionary: Dictionaries
) -> None:
    model = tiny_model("neox")
    mount = Mount(tiny_dictionary(model.hook_width(HOOK)), HOOK)
    for feature in firing(model, mount):
        found = minimal_text(deletions_of(model, mount, feature), [])
        assert found is not None
        assert found.suffix == tuple(range(found.suffix[0], 12))


def test_the_peak_is_never_deleted_and_pauses_come_between(
    tiny_model: Models, tiny_dictionary: Dictionaries
) -> None:
    model = tiny_model("neox")
    mount = Mount(tiny_dictionary(model.hook_width(HOOK)), HOOK)
    pauses: list[None] = []
    deletions = deletions_of(model, mount, 0, pause=lambda: pauses.append(None))
    with pytest.raises(ValueError, match="peak"):
        deletions.read([(11,)])
    pauses.clear()
    several = [gone for n in (1, 2, 3) for gone in combinations(range(11), n)]
    several = several[: 2 * TEXTS_AT_ONCE + 1]
    deletions.read(several)
    assert len(pauses) == 3
    deletions.read(several)
    assert len(pauses) == 3, "what is known is not run again"
