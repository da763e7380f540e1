"""The weights that ship: complete, small, readable, and as good as their own logs say."""

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from transformers import AutoTokenizer

import app.demo
from app.demo.corpus import split, stdlib_documents
from app.demo.recipe.log import read_log
from app.demo.recipe.settings import DictionarySettings, RecipeSettings
from app.demo.recipe.tokenizer import encode_documents
from app.demo.recipe.train_model import load_model

DEMO = Path(app.demo.__file__).parent
SETTINGS = RecipeSettings()
EACH_DICTIONARY = pytest.mark.parametrize(
    "dictionary", SETTINGS.dictionaries, ids=lambda dictionary: dictionary.name
)


def test_the_folders_are_those_of_the_recipe_and_fit_in_25_megabytes() -> None:
    names = {path.name for path in (DEMO / "dictionaries").iterdir()}
    assert names == {dictionary.name for dictionary in SETTINGS.dictionaries}
    assert len(names) == 3
    assert len({dictionary.layer for dictionary in SETTINGS.dictionaries}) == 2
    files = [p for part in ("model", "dictionaries") for p in (DEMO / part).rglob("*")]
    assert sum(path.stat().st_size for path in files if path.is_file()) < 25_000_000


def test_the_model_has_the_shape_of_the_recipe() -> None:
    config = load_model(DEMO / "model").config
    shape = SETTINGS.model
    assert (config.hidden_size, config.num_hidden_layers) == (shape.d_model, shape.n_layers)
    assert (config.vocab_size, config.max_position_embeddings) == (shape.d_vocab, shape.n_ctx)


def test_the_tokenizer_reads_the_library_without_unknown_tokens() -> None:
    tokenizer = AutoTokenizer.from_pretrained(DEMO / "model")
    document = split(stdlib_documents())[1][0]
    ids = encode_documents(tokenizer, [document]).tolist()
    assert ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.decode(ids[1:]) == document.text


@EACH_DICTIONARY
def test_a_dictionary_is_an_ordinary_saelens_folder(dictionary: DictionarySettings) -> None:
    folder = DEMO / "dictionaries" / dictionary.name
    config = json.loads((folder / "cfg.json").read_text())
    weights = load_file(folder / "sae_weights.safetensors")
    d_in, d_sae = config["d_in"], config["d_sae"]
    assert config["architecture"] == "jumprelu"
    assert config["metadata"]["hook_name"] == f"blocks.{dictionary.layer}.hook_resid_post"
    assert config["metadata"]["prepend_bos"] is True
    assert (d_in, d_sae) == (SETTINGS.model.d_model, dictionary.d_sae)
    assert {name: tensor.shape for name, tensor in weights.items()} == {
        "W_enc": (d_in, d_sae),
        "b_enc": (d_sae,),
        "W_dec": (d_sae, d_in),
        "b_dec": (d_in,),
        "threshold": (d_sae,),
    }
    assert all(tensor.dtype == "float16" for tensor in weights.values())
    assert (weights["threshold"] > 0).all()


@EACH_DICTIONARY
def test_a_dictionary_met_its_targets_on_held_out_text(dictionary: DictionarySettings) -> None:
    result = read_log(DEMO / "dictionaries" / dictionary.name)["result"]
    assert result["n_tokens"] > 100_000
    assert 20 <= result["l0"] <= 60
    assert result["recovered_against_mean"] >= 0.97
    assert result["share_dead"] < 0.05


def test_the_model_predicts_held_out_text_as_well_as_its_log_must_say() -> None:
    log = read_log(DEMO / "model")
    assert log["corpus"]["held_out_tokens"] > 100_000
    assert log["step"]["step"] == log["step"]["of"]
    assert log["result"]["bits_per_byte"] < 1.45
