"""The process behind the server: what it refuses to load, how it is asked, how it ends."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from app.errors import AtlasError
from app.live.limits import Limits, LiveError
from app.live.owner import Owner
from app.live.protocol import ActivationsAsked, SteerAsked
from tests.live.made import MLP, RESID, Made

SLOW = {"text": "def", "changes": [{"sae": RESID, "feature_index": 0, "strength": 1}]}


def read(owner: Owner, text: str, feature: int = 0, sae: str = RESID) -> dict[str, Any]:
    asked = ActivationsAsked(text=text, sae=sae, features=[feature])
    return owner.ask("activations", asked).future.result(60)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def own(made: Made) -> Iterator[Callable[..., Owner]]:
    """Owners of a test's own, with limits of its own."""
    owners: list[Owner] = []

    def start(command: tuple[str, ...] | None = None, **limits: Any) -> Owner:
        changes = {} if command is None else {"command": command}
        owners.append(Owner.start(made.start(**changes), Limits(**{"tokens": 32, **limits})))
        return owners[-1]

    yield start
    for owner in owners:
        owner.close()


def test_it_says_what_it_holds(owner: Owner) -> None:
    assert set(owner.saes) == {RESID, MLP}


def test_it_gives_way_to_the_server(owner: Owner) -> None:
    """The lowest priority, in the server's own session: another one would have a share of its own.

    Ctrl-C does not reach it: that ends the server, which ends it.
    """
    assert owner.pid is not None
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, owner.pid) == min(19, own + 19)
    assert os.getsid(owner.pid) == os.getsid(0)
    assert os.getpgid(owner.pid) == owner.pid


def test_another_model_is_refused(made: Made, model_folder: Callable[[str], Path]) -> None:
    with pytest.raises(AtlasError, match="is not the model tiny was made from"):
        Owner.start(made.start(model=str(model_folder("gpt2"))))


def test_another_dictionary_is_refused(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "resid"
    folder.mkdir()
    (folder / "cfg.json").write_bytes((made.saes[0] / "cfg.json").read_bytes())
    weights = load_file(made.saes[0] / "sae_weights.safetensors")
    weights["b_enc"] = weights["b_enc"] + np.float32(1e-3)
    save_file(weights, folder / "sae_weights.safetensors")
    with pytest.raises(AtlasError, match="none of the atlas' dictionaries"):
        Owner.start(made.start(saes=(folder,)))


def test_another_tokenizer_is_refused(made: Made, tmp_path: Path) -> None:
    for file in made.model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    said = json.loads((tmp_path / "tokenizer.json").read_text())
    vocabulary = said["model"]["vocab"]
    vocabulary["d"], vocabulary["e"] = vocabulary["e"], vocabulary["d"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(said))
    with pytest.raises(AtlasError, match="has another tokenizer"):
        Owner.start(made.start(model=str(tmp_path)))


def test_what_the_recipe_names_is_looked_for_beside_the_atlas(made: Made) -> None:
    # The dictionaries lie there, the model does not: the sentence says how to name it.
    with pytest.raises(AtlasError, match="not at hand: say where it is with --model"):
        Owner.start(made.start(model="", saes=()))
    owner = Owner.start(made.start(saes=()))
    assert set(owner.saes) == {RESID, MLP}
    owner.close()


def test_dictionaries_not_given_are_not_at_hand(made: Made) -> None:
    owner = Owner.start(made.start(saes=made.saes[:1]))
    assert set(owner.saes) == {RESID}
    with pytest.raises(LiveError, match="is not at hand: live are tiny/resid") as caught:
        read(owner, "def", sae=MLP)
    assert caught.value.status == 404
    owner.close()


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        ({"text": "def" * 60}, 413, "the model takes: shorten it"),
        ({"text": ""}, 0, ""),  # BOS alone is a text
        ({"token_ids": []}, 400, "empty"),
        ({"token_ids": [0, 300]}, 400, "There is no token 300"),
        ({"text": "def", "features": [24]}, 404, "no feature 24"),
        ({"text": "def", "at": 9}, 400, "no position 9"),
    ],
)
def test_what_can_not_be_answered_is_a_sentence(
    owner: Owner, asked: dict[str, Any], status: int, sentence: str
) -> None:
    body = ActivationsAsked.model_validate({"sae": RESID, "features": [0], **asked})
    pending = owner.ask("activations", body)
    if not status:
        assert pending.future.result(60)["token_ids"] == [0]
        return
    with pytest.raises(LiveError, match=sentence) as caught:
        pending.future.result(60)
    assert caught.value.status == status


def test_200_at_once_lose_and_mix_up_nothing(owner: Owner) -> None:
    words = ["def", " first", " (items)", " return", " items[0]", "\n", " xyz"]
    texts = ["".join(words[(i * k) % 7] for k in range(1, 2 + i % 7)) for i in range(200)]
    alone = {(text, i % 3): read(owner, text, i % 3) for i, text in enumerate(texts)}
    with ThreadPoolExecutor(200) as pool:
        found = list(pool.map(lambda i: read(owner, texts[i], i % 3), range(200)))
    for i, answer in enumerate(found):
        expected = alone[texts[i], i % 3]
        assert answer["token_ids"] == expected["token_ids"]
        assert answer["features"][0]["feature_index"] == i % 3
        for name in ("activations", "hidden_pre"):
            np.testing.assert_allclose(
                answer["features"][0][name], expected["features"][0][name], atol=1e-4
            )
        np.testing.assert_allclose(answer["log_probs"][1:], expected["log_probs"][1:], atol=1e-4)
    assert owner.n_pending == 0


def test_a_full_queue_says_when_to_ask_again(own: Callable[..., Owner]) -> None:
    owner = own(waiting=2, new_tokens=31)
    steer = SteerAsked.model_validate({**SLOW, "n_tokens": 31})
    first = [owner.ask("steer", steer), owner.ask("steer", steer)]
    with pytest.raises(LiveError, match="wait for the model already") as caught:
        owner.ask("steer", steer)
    assert caught.value.status == 429
    assert caught.value.retry_after
    assert all(pending.future.result(60)["plain"] for pending in first)
    assert read(owner, "def")


def test_who_vanishes_frees_a_place(own: Callable[..., Owner]) -> None:
    owner = own(waiting=2, new_tokens=31)
    steer = SteerAsked.model_validate({**SLOW, "n_tokens": 31})
    for _ in range(20):
        gone = [owner.ask("steer", steer), owner.ask("steer", steer)]
        for pending in gone:
            pending.cancel()
    assert owner.n_pending == 0
    assert read(owner, "def")
    assert not any(pending.future.done() for pending in gone)


def test_what_takes_too_long_ends_with_a_sentence(own: Callable[..., Owner]) -> None:
    owner = own(seconds=0.0, new_tokens=31)
    steer = SteerAsked.model_validate({**SLOW, "n_tokens": 31})
    with pytest.raises(LiveError, match="longer than 0 seconds") as caught:
        owner.ask("steer", steer).future.result(60)
    assert caught.value.status == 504
    assert read(owner, "def")  # one pass has no pause


def test_a_process_that_dies_is_replaced_and_who_waits_is_told(own: Callable[..., Owner]) -> None:
    owner = own(new_tokens=31)
    pid = owner.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # nothing is answered from here on
    pending = owner.ask("activations", ActivationsAsked(text="def", sae=RESID, features=[0]))
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(LiveError, match="being started again") as caught:
        pending.future.result(60)
    assert caught.value.status == 503
    wait_until(lambda: owner.pid not in (None, pid))
    assert read(owner, "def")


def test_running_out_of_memory_is_a_sentence_and_the_process_lives_on(
    own: Callable[..., Owner], tmp_path: Path
) -> None:
    """Texts of 7 tokens don't fit, and passes over several never do."""
    script = tmp_path / "small_machine.py"
    script.write_text(
        "import torch\n"
        "from app.precompute.model.language_model import LanguageModel\n"
        "whole = LanguageModel.logits\n"
        "def small(self, tokens, changes=None):\n"
        "    if tokens.shape[1] == 7 or len(tokens) > 1:\n"
        "        raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')\n"
        "    return whole(self, tokens, changes)\n"
        "LanguageModel.logits = small\n"
        "from app.live.process import main\n"
        "main()\n"
    )
    owner = own(command=(sys.executable, str(script)))
    pid = owner.pid
    bodies = [
        ActivationsAsked(token_ids=[0] * n, sae=RESID, features=[0]) for n in (3, 7, 4, 5) * 5
    ]
    pendings = [owner.ask("activations", body) for body in bodies]
    for body, pending in zip(bodies, pendings, strict=True):
        assert body.token_ids is not None
        if len(body.token_ids) == 7:
            with pytest.raises(LiveError, match="ran out of memory") as caught:
                pending.future.result(60)
            assert caught.value.status == 507
        else:
            assert pending.future.result(60)["token_ids"] == body.token_ids
    assert owner.pid == pid


def test_it_ends_with_the_server(own: Callable[..., Owner]) -> None:
    owner = own()
    pid = owner.pid
    assert pid is not None
    owner.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(LiveError, match="ending"):
        read(owner, "def")
