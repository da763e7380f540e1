"""Known dictionaries: the table is sound, fills options in, and gives way to what is typed."""

import re
from pathlib import Path

import pytest

from app.db.slugs import is_slug
from app.errors import AtlasError
from app.hub.address import model_address, parse_address
from app.precompute.presets import families, preset_options, table_lines
from app.precompute.settings import PrecomputeSettings, read_settings
from app.sae.readers import READERS

REST = {"corpus": "texts.jsonl", "output": Path("atlas.db")}


def test_every_preset_makes_settings() -> None:
    seen = set()
    for family in families():
        for name in family.names():
            settings = PrecomputeSettings(**preset_options(name), corpus="c", output=Path("a.db"))
            assert settings.name == [name]
            (named,) = settings.sae
            address = parse_address(named)
            assert address.folder and not re.search("[{}]", named + str(settings.hook_name))
            assert model_address(settings.model) is not None
            assert all(map(is_slug, name.split("/")))
            seen.add((settings.model, named, settings.hook_name))
    assert len(seen) == sum(len(list(family.names())) for family in families())


def test_the_formats_are_known() -> None:
    known = {reader.name for reader in READERS}
    assert {family.sae_format for family in families()} <= known


def test_lists_have_one_value_a_layer() -> None:
    for family in families():
        n_layers = family.layers[1] - family.layers[0] + 1
        assert all(len(values) == n_layers for values in family.by_layer.values())


def test_a_preset_fills_in() -> None:
    settings = read_settings(None, "pythia-70m-deduped/resid-3", **REST)
    assert settings.model == "EleutherAI/pythia-70m-deduped"
    assert settings.sae == ["hf://ctigges/pythia-70m-deduped__res-sm_processed/3-res-sm"]
    assert settings.hook_name == "blocks.3.hook_resid_post"
    assert settings.prepend_bos is None  # as the dictionary's own files say
    gemma = read_settings(None, "gemma-2-2b/resid-12-16k", **REST)
    assert gemma.sae == ["hf://google/gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_82"]
    assert (gemma.prepend_bos, gemma.context_size) == (True, 1024)


def test_what_is_given_wins(tmp_path: Path) -> None:
    settings = read_settings(
        None, "gemma-2-2b/resid-12-16k",
        sae=["mine"], model="here", prepend_bos=False, name=["a/b"], context_size=None, **REST,
    )  # fmt: skip
    assert (settings.sae, settings.model, settings.name) == (["mine"], "here", ["a/b"])
    assert settings.prepend_bos is False
    assert settings.context_size == 1024
    assert settings.hook_name == "blocks.12.hook_resid_post"
    config = tmp_path / "run.toml"
    config.write_text('preset = "gpt2-small/resid-7"\ncontext-size = 32\n')
    told = read_settings(config, **REST)
    assert (told.context_size, told.hook_name) == (32, "blocks.7.hook_resid_post")
    assert read_settings(config, "gpt2-small/resid-8", **REST).name == ["gpt2-small/resid-8"]


@pytest.mark.parametrize("name", ["pythia-70m-deduped/resid-6", "pythia-70m/resid-3", "nothing"])
def test_an_unknown_preset_names_the_closest(name: str) -> None:
    with pytest.raises(
        AtlasError,
        match=f"There is no preset '{name}'; the closest are pythia-70m"
        if name != "nothing"
        else "There is no preset 'nothing'; the closest are",
    ):
        read_settings(None, name, **REST)


def test_the_list_holds_every_family() -> None:
    lines = "\n".join(table_lines())
    for family in families():
        assert f"{family.name}   layer {family.layers[0]} to {family.layers[1]}" in lines
    assert "{l0}" not in lines
