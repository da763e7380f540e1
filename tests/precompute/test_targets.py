"""How the dictionaries of a run are named, and what they must agree on."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from app.errors import AtlasError
from app.precompute.model.language_model import LanguageModel
from app.precompute.settings import PrecomputeSettings
from app.precompute.target import Target, hooks_of
from app.precompute.targets import (
    device_of,
    load_targets,
    other_context_sizes,
    shared_bos,
    shared_context_size,
)
from app.sae.dictionary import Dictionary


def settings_of(sae: list[Path], **options: Any) -> PrecomputeSettings:
    return PrecomputeSettings(
        model="models/Tiny_Model.v2/",
        sae=[str(path) for path in sae],
        corpus="c",
        output=Path("a.db"),
        **options,
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


def test_other_context_sizes_than_the_one_chosen_are_said(target: Callable[..., Target]) -> None:
    short, long, silent = (target(context_size=size) for size in (128, 1024, None))
    said = other_context_sizes([long, short, silent], 256)
    assert said == (
        "Dictionaries name contexts of 128 and 1,024 tokens, and all are run on contexts of 256: "
        "--context-size chooses another size."
    )
    assert other_context_sizes([short, silent], 128) is None
    assert other_context_sizes([silent], 128) is None


def test_devices_are_taken_as_named() -> None:
    assert device_of("cuda:1") == "cuda:1"
    assert device_of("auto") in ("cpu", "cuda", "mps")


@pytest.fixture
def write_transcoder(tmp_path: Path) -> Callable[..., Path]:
    """A SAELens transcoder of a name, with random weights; what it doesn't say it leaves out."""

    def write(name: str, d_out: int = 16, **metadata: str) -> Path:
        rng = np.random.default_rng(0)
        shapes = {"W_enc": (16, 24), "b_enc": (24,), "W_dec": (24, d_out), "b_dec": (d_out,)}
        config = {
            "architecture": "transcoder", "d_in": 16, "d_out": d_out, "d_sae": 24,
            "normalize_activations": "none", "metadata": metadata,
        }  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        (folder / "cfg.json").write_text(json.dumps(config))
        save_file(
            {key: rng.normal(size=shape).astype(np.float32) for key, shape in shapes.items()},
            folder / "sae_weights.safetensors",
        )
        return folder

    return write


READS, WRITES = "blocks.0.ln2.hook_normalized", "blocks.0.hook_mlp_out"


def test_a_transcoder_reads_one_hook_and_writes_another(
    tiny_model: Callable[[str], LanguageModel],
    write_transcoder: Callable[..., Path],
    tmp_path: Path,
) -> None:
    said = write_transcoder("said", hook_name=READS, hook_name_out=WRITES)
    _, (target,) = load_targets(settings_of([said]), tiny_model("gpt2"), tmp_path)
    assert (target.hooks, target.output_hook, target.d_out) == ((READS, WRITES), WRITES, 16)
    options = {"hook_name_out": "blocks.1.hook_mlp_out"}
    _, (target,) = load_targets(settings_of([said], **options), tiny_model("gpt2"), tmp_path)
    assert target.hooks == (READS, "blocks.1.hook_mlp_out")
    assert hooks_of([target, target]) == [READS, "blocks.1.hook_mlp_out"]


@pytest.mark.parametrize(
    ("d_out", "writes", "sentence"),
    [
        (16, None, "is a transcoder and doesn't say where it writes: give --hook-name-out"),
        (20, WRITES, "writes 20 numbers, but blocks.0.hook_mlp_out of .* is 16 wide"),
        (16, "blocks.0.attn.hook_z", "which the model computes before"),
        (16, "blocks.0.hook_nothing", "has no hook 'blocks.0.hook_nothing'"),
    ],
)
def test_a_transcoder_that_fits_nowhere_is_a_sentence(
    tiny_model: Callable[[str], LanguageModel],
    write_transcoder: Callable[..., Path],
    tmp_path: Path,
    d_out: int,
    writes: str | None,
    sentence: str,
) -> None:
    told = {} if writes is None else {"hook_name_out": writes}
    folder = write_transcoder("unfit", d_out, hook_name=READS, **told)
    with pytest.raises(AtlasError, match=sentence):
        load_targets(settings_of([folder]), tiny_model("gpt2"), tmp_path)


def test_a_dictionary_becomes_a_transcoder_by_the_option(
    tiny_model: Callable[[str], LanguageModel], write_sae: Callable[..., Path], tmp_path: Path
) -> None:
    """Some formats don't say what a dictionary is."""
    folder = write_sae(tmp_path / "silent", hook_name=READS)
    options = {"hook_name_out": WRITES}
    _, (target,) = load_targets(settings_of([folder], **options), tiny_model("gpt2"), tmp_path)
    assert target.hook_name_out == WRITES
    same = {"hook_name_out": READS}
    _, (target,) = load_targets(settings_of([folder], **same), tiny_model("gpt2"), tmp_path)
    assert target.hook_name_out is None
