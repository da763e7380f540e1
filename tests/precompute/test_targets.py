"""How the dictionaries of a run are named, and what they must agree on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.errors import AtlasError
from app.precompute.model.language_model import LanguageModel
from app.precompute.settings import PrecomputeSettings
from app.precompute.target import Target
from app.precompute.targets import (
    device_of,
    load_targets,
    shared_bos,
    shared_context_size,
)
from app.sae.dictionary import Dictionary


def settings_of(sae: list[Path], **options: Any) -> PrecomputeSettings:
    return PrecomputeSettings(
        model="models/Tiny_Model.v2/", sae=sae, corpus="c", output=Path("a.db"), **options
    )


def test_names_are_made_of_the_folders(
    tiny_model: Callable[[str], LanguageModel],
    write_sae: Callable[..., Path],
    tmp_path: Path,
) -> None:
    first = write_sae(tmp_path / "Layer 0 (v2)")
    second = write_sae(tmp_path / "random")  # a word that addresses use themselves
    model_slug, targets = load_targets(
        settings_of([first, second]), tiny_model("neox"), tmp_path / "events"
    )
    assert model_slug == "tiny-model-v2"
    assert [target.sae for target in targets] == ["layer-0-v2", "random-1"]
    assert targets[0].folder == tmp_path / "events" / "layer-0-v2"
    assert targets[0].hook_name == "blocks.0.hook_resid_post"


def test_the_hook_can_be_given(
    tiny_model: Callable[[str], LanguageModel], write_sae: Callable[..., Path], tmp_path: Path
) -> None:
    silent = write_sae(tmp_path / "silent", hook_name=None)
    options = {"hook_name": "blocks.1.hook_resid_pre", "name": ["a/b"]}
    slug, (target,) = load_targets(settings_of([silent], **options), tiny_model("neox"), tmp_path)
    assert (slug, target.sae, target.hook_name) == ("a", "b", "blocks.1.hook_resid_pre")
    with pytest.raises(AtlasError, match="does not say where it reads"):
        load_targets(settings_of([silent]), tiny_model("neox"), tmp_path)


@pytest.fixture
def target(tiny_dictionary: Callable[..., Dictionary]) -> Callable[..., Target]:
    def make(**config: Any) -> Target:
        dictionary = tiny_dictionary(8)
        changed = replace(dictionary, config=replace(dictionary.config, **config))
        return Target("x", changed, "hook_embed", Path("events"))

    return make


def test_bos_is_what_all_say(target: Callable[..., Target]) -> None:
    says_yes, says_no, says_nothing = (target(prepend_bos=said) for said in (True, False, None))
    plain = settings_of([Path("s")])
    assert shared_bos(plain, [says_yes, says_nothing]) is True
    assert shared_bos(plain, [says_no]) is False
    assert shared_bos(plain, [says_nothing]) is False
    with pytest.raises(AtlasError, match="decide with --prepend-bos"):
        shared_bos(plain, [says_yes, says_no])
    assert shared_bos(settings_of([Path("s")], prepend_bos=True), [says_yes, says_no]) is True


def test_contexts_are_as_long_as_the_longest_wants_and_the_model_can(
    target: Callable[..., Target],
) -> None:
    plain, targets = settings_of([Path("s")]), [target(context_size=64), target(context_size=None)]
    assert shared_context_size(plain, targets, n_ctx=512) == 64
    assert shared_context_size(plain, targets, n_ctx=32) == 32
    assert shared_context_size(plain, targets[1:], n_ctx=512) == 128
    assert shared_context_size(settings_of([Path("s")], context_size=600), targets, 512) == 600


def test_devices_are_taken_as_named() -> None:
    assert device_of("cuda:1") == "cuda:1"
    assert device_of("auto") in ("cpu", "cuda", "mps")
