"""What an atlas says about how it was made: enough to repeat it, nothing about where."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import app
from app.precompute.corpus.documents import Document
from app.precompute.settings import PrecomputeSettings
from app.precompute.target import Target
from app.precompute.workplace.recipe import (
    command_of,
    corpus_stamp,
    generator,
    run_recipe,
    without_folder,
)
from app.sae.dictionary import Dictionary


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., PrecomputeSettings]:
    (tmp_path / "my model").mkdir()
    (tmp_path / "sae").mkdir()
    (tmp_path / "text.txt").write_text("text")

    def make(**options: Any) -> PrecomputeSettings:
        defaults: dict[str, Any] = {
            "model": f"{tmp_path}/my model/",
            "sae": [tmp_path / "sae"],
            "corpus": str(tmp_path / "text.txt"),
            "output": tmp_path / "atlas.db",
        }
        return PrecomputeSettings(**(defaults | options))

    return make


def test_the_command_repeats_the_settings_without_folders(
    settings: Callable[..., PrecomputeSettings],
) -> None:
    made = settings(verify=False, replace=True, threads=3, name=["a/b"], max_tokens=40, seed=0)
    assert command_of(made) == (
        "feature-atlas precompute --model 'my model' --sae sae --corpus text.txt "
        "--output atlas.db --name a/b --no-verify --max-tokens 40"
    )


def test_names_on_the_hub_stay_whole(tmp_path: Path) -> None:
    assert without_folder("EleutherAI/pythia-70m") == "EleutherAI/pythia-70m"
    assert without_folder(tmp_path / ".") == tmp_path.name
    assert without_folder(f"{tmp_path}/") == tmp_path.name
    (tmp_path / "learned_dicts.pt").touch()
    assert without_folder(tmp_path / "learned_dicts.pt#3") == "learned_dicts.pt#3"
    assert without_folder("hf://lab/saes@v1/layer_3") == "hf://lab/saes@v1/layer_3"


def test_the_recipe_holds_what_changes_the_content_and_no_folder(
    settings: Callable[..., PrecomputeSettings], tiny_dictionary: Callable[..., Dictionary]
) -> None:
    target = Target("sae", tiny_dictionary(8), "hook_embed", Path("events"))
    recipe = run_recipe(settings(), "model-hash", [target])
    assert recipe["model"] == "my model"
    assert recipe["sae"] == ["sae"]
    assert recipe["corpus"] == "text.txt"
    assert recipe["model_hash"] == "model-hash"
    assert recipe["saes"]["sae"]["hook_name"] == "hook_embed"
    assert len(recipe["saes"]["sae"]["weights_hash"]) == 64
    assert str(settings().output.parent) not in repr(recipe)
    same = run_recipe(
        settings(threads=7, device="cpu", replace=True, verify=False), "model-hash", [target]
    )
    assert same == recipe
    assert run_recipe(settings(decoder_megabytes=1), "model-hash", [target]) != recipe
    assert run_recipe(settings(seed=1), "model-hash", [target]) != recipe


def test_the_stamp_changes_with_the_files(
    settings: Callable[..., PrecomputeSettings], tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    first = corpus_stamp(settings(), None)
    assert corpus_stamp(settings(), None) == first
    text.write_text("other")
    os.utime(text, ns=(1, 1))
    second = corpus_stamp(settings(), None)
    os.utime(text, ns=(2, 2))
    assert len({first, second, corpus_stamp(settings(), None)}) == 3
    folder = settings(corpus=str(tmp_path))
    before = corpus_stamp(folder, None)
    (tmp_path / "sae" / "more.txt").write_text("x")
    assert corpus_stamp(folder, None) != before
    documents = [Document("a", "text"), Document("b", "")]
    stamps = {corpus_stamp(settings(), documents[:n]) for n in range(3)}
    assert len(stamps) == 3


def test_the_program_names_itself_and_its_libraries() -> None:
    made = generator()
    assert made["feature-atlas"] == app.__version__
    assert {"torch", "numpy", "transformer-lens"} <= set(made)
