"""Workers: results in the order of the pieces, each worker with modules of its own."""

import time
from collections.abc import Callable, Iterator

import pytest
import torch

from app.precompute.model.language_model import LanguageModel
from app.precompute.model.workers import Workers

Models = Callable[[str], LanguageModel]
HOOKS = ["blocks.0.hook_resid_post", "blocks.1.hook_resid_post"]


def test_results_come_in_the_order_of_the_pieces(tiny_model: Models) -> None:
    def task(model: LanguageModel, piece: int) -> int:
        time.sleep(0.01 * (piece % 3))
        return piece * piece

    found = list(Workers(tiny_model("neox"), 3).map(task, range(10)))
    assert found == [piece * piece for piece in range(10)]


def test_passes_side_by_side_give_what_one_pass_gives(tiny_model: Models) -> None:
    pieces = [torch.randint(1, 290, (2, 12)) for _ in range(16)]

    def task(model: LanguageModel, tokens: torch.Tensor) -> list[torch.Tensor]:
        found = model.activations(tokens, HOOKS)
        return [found[name] for name in HOOKS]

    one, four = (list(Workers(tiny_model("neox"), n).map(task, pieces)) for n in (1, 4))
    for alone, together in zip(one, four, strict=True):
        for a, b in zip(alone, together, strict=True):
            assert torch.equal(a, b)


def test_a_worker_computes_with_one_thread_and_leaves_the_caller_its_own(
    tiny_model: Models,
) -> None:
    before = torch.get_num_threads()
    found = Workers(tiny_model("neox"), 2).map(lambda model, _: torch.get_num_threads(), range(4))
    assert list(found) == [1] * 4
    assert torch.get_num_threads() == before


def test_twins_share_weights_but_no_module(tiny_model: Models) -> None:
    model = tiny_model("llama")
    twin = model.twin()
    shared = {id(parameter) for parameter in model.plain.parameters()}
    assert {id(parameter) for parameter in twin.plain.parameters()} == shared
    modules = {id(module) for module in model.plain.modules()}
    assert not modules & {id(module) for module in twin.plain.modules()}


def test_an_error_is_raised_in_its_place_and_what_has_not_begun_is_dropped(
    tiny_model: Models,
) -> None:
    begun: list[int] = []

    def task(model: LanguageModel, piece: int) -> int:
        begun.append(piece)
        if piece == 3:
            raise ValueError("the third")
        return piece

    found: list[int] = []
    with pytest.raises(ValueError, match="the third"):
        found.extend(Workers(tiny_model("neox"), 2).map(task, range(100)))
    assert len(begun) < 10


def test_the_pieces_ahead_of_the_caller_are_few(tiny_model: Models) -> None:
    pulled: list[int] = []

    def pieces() -> Iterator[int]:
        for piece in range(100):
            pulled.append(piece)
            yield piece

    results = Workers(tiny_model("neox"), 2).map(lambda model, piece: piece, pieces())
    assert next(results) == 0
    assert len(pulled) == 3
    results.close()  # pyright: ignore[reportAttributeAccessIssue]
