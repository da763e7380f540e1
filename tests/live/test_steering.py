"""Steering against the plain Hugging Face model with a hook of the test's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from app.live.limits import LiveError
from app.live.owner import Owner
from app.live.protocol import SteerAnswer, SteerAsked
from tests.live.made import MLP, RESID, Made

PROMPT = [0, 17, 40, 23, 8]


def ask(owner: Owner, changes: list[dict[str, Any]], **more: Any) -> SteerAnswer:
    body = {"token_ids": PROMPT, "n_tokens": 6, "temperature": 0, "changes": changes, **more}
    return SteerAnswer(**owner.ask("steer", SteerAsked.model_validate(body)).future.result(60))


def add(feature: int, strength: float, how: str = "add", sae: str = RESID) -> dict[str, Any]:
    return {"sae": sae, "feature_index": feature, "strength": strength, "how": how}


@pytest.fixture(scope="module")
def plain(model_folder: Callable[[str], Path]) -> Any:
    from transformers.models.auto.modeling_auto import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model_folder("neox")).eval()


def greedy(
    plain: Any, path: str, change: Callable[[torch.Tensor], torch.Tensor], first: int
) -> list[tuple[int, float]]:
    """(token, log-probability) of six tokens, written one after the other."""

    def hook(module: Any, args: Any, output: Any) -> Any:
        value = output[0] if isinstance(output, tuple) else output
        value = value.clone()
        value[:, first:] += change(value[:, first:])
        return (value, *output[1:]) if isinstance(output, tuple) else value

    handle = plain.get_submodule(path).register_forward_hook(hook)
    written: list[tuple[int, float]] = []
    with torch.no_grad():
        for _ in range(6):
            tokens = torch.tensor([PROMPT + [token for token, _ in written]])
            log_probs = plain(input_ids=tokens).logits[0, -1].log_softmax(dim=0)
            written.append((int(log_probs.argmax()), float(log_probs.max())))
    handle.remove()
    return written


def tensors(made: Made, which: int) -> dict[str, torch.Tensor]:
    weights = load_file(made.saes[which] / "sae_weights.safetensors")
    return {name: torch.from_numpy(value) for name, value in weights.items()}


@pytest.mark.parametrize(("positions", "first"), [("end", 4), ("all", 1)])
def test_adding_is_activation_units_times_the_decoder_row(
    owner: Owner, made: Made, plain: Any, positions: str, first: int
) -> None:
    row = tensors(made, 0)["W_dec"][3]
    found = ask(owner, [add(3, 6.5)], positions=positions)
    expected = greedy(plain, "gpt_neox.layers.0", lambda x: 6.5 * row.expand_as(x), first)
    assert [item.token_id for item in found.steered] == [token for token, _ in expected]
    np.testing.assert_allclose(
        [item.steered_log_prob for item in found.steered], [p for _, p in expected], atol=1e-3
    )
    untouched = greedy(plain, "gpt_neox.layers.0", torch.zeros_like, first)
    assert [item.token_id for item in found.plain] == [token for token, _ in untouched]
    np.testing.assert_allclose(
        [item.log_prob for item in found.plain], [p for _, p in untouched], atol=1e-3
    )


def test_clamping_adds_what_is_missing(owner: Owner, made: Made, plain: Any) -> None:
    own = tensors(made, 0)

    def change(x: torch.Tensor) -> torch.Tensor:
        acts = torch.relu(x @ own["W_enc"] + own["b_enc"])
        held = (4.0 - acts[..., [2]]) * own["W_dec"][2]
        return held + (0.0 - acts[..., [5]]) * own["W_dec"][5]

    found = ask(owner, [add(2, 4.0, "clamp"), add(5, 0.0, "clamp")])
    expected = greedy(plain, "gpt_neox.layers.0", change, 4)
    assert [item.token_id for item in found.steered] == [token for token, _ in expected]
    np.testing.assert_allclose(
        [item.steered_log_prob for item in found.steered], [p for _, p in expected], atol=1e-3
    )


def test_nothing_added_changes_nothing(owner: Owner) -> None:
    found = ask(owner, [add(3, 0.0), add(4, 0.0, sae=MLP)], temperature=1.0, seed=5)
    assert found.plain == found.steered
    for item in found.plain:
        assert item.log_prob == pytest.approx(item.steered_log_prob, abs=1e-4)


def test_a_seed_gives_the_same_text_again(owner: Owner) -> None:
    texts = {
        seed: [
            tuple(i.token_id for i in ask(owner, [add(3, 2.0)], temperature=1.0, seed=seed).steered)
            for _ in range(2)
        ]
        for seed in range(4)
    }
    assert all(first == second for first, second in texts.values())
    assert len({first for first, _ in texts.values()}) > 1


def test_a_prompt_that_fills_the_model_is_a_sentence(owner: Owner) -> None:
    with pytest.raises(LiveError, match="no room to write"):
        ask(owner, [add(3, 1.0)], token_ids=[0] * 32)
