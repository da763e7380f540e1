"""Which files of a folder are fetched: those that are read, and no more."""

import pytest

from app.errors import AtlasError
from app.hub.wanted import DICTIONARY, MODEL


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (
            ["README.md", "cfg.json", "sae_weights.safetensors", "sparsity.safetensors", "run.py"],
            ["cfg.json", "sae_weights.safetensors"],
        ),
        (["ae.pt", "config.json", "ae_1000.pt", "checkpoints/ae_5.pt"], ["config.json", "ae.pt"]),
        (["params.npz"], ["params.npz"]),
        (["config.json", "params.safetensors"], ["config.json", "params.safetensors"]),
        (["cfg.json", "sae.safetensors"], ["cfg.json", "sae.safetensors"]),
        (
            ["hyperparams.json", "checkpoints/final.safetensors", "checkpoints/0.safetensors"],
            ["hyperparams.json", "checkpoints/final.safetensors"],
        ),
        (["learned_dicts.pt", "plot.png"], ["learned_dicts.pt"]),
        (
            ["w-1-of-2.safetensors", "w-2-of-2.safetensors", "w.safetensors.index.json"],
            ["w.safetensors.index.json", "w-1-of-2.safetensors", "w-2-of-2.safetensors"],
        ),
        (["README.md", "cfg.json", "evil.py"], []),
    ],
)
def test_a_dictionary(names: list[str], wanted: list[str]) -> None:
    assert DICTIONARY.wanted(names, "hf://a/b") == wanted


def test_several_weights_are_a_question() -> None:
    with pytest.raises(AtlasError, match=r"\(0\.pt, 1\.pt, 2\.pt\): name one .* hf://a/b/0\.pt"):
        DICTIONARY.wanted(["0.pt", "1.pt", "2.pt"], "hf://a/b")


def test_a_file_comes_with_what_describes_it() -> None:
    names = ["0.pt", "1.pt", "config.json", "notes.md"]
    assert DICTIONARY.beside_file(names, "1.pt") == ["config.json", "1.pt"]


def test_a_model_in_its_safest_form_once() -> None:
    every = [
        *("config.json", "tokenizer.json", "tokenizer.model", "merges.txt", "modeling_x.py"),
        *("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "model.onnx", "README.md"),
        *("original/consolidated.00.pth", "pytorch_model.bin.index.json", "x.gguf"),
    ]
    small = ["config.json", "merges.txt", "tokenizer.json", "tokenizer.model"]
    assert MODEL.wanted([*every, "model.safetensors"], "m") == [*small, "model.safetensors"]
    shards = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    index = "model.safetensors.index.json"
    assert MODEL.wanted([*every, *shards, index], "m") == [*sorted([*small, index]), *shards]
    assert MODEL.wanted(every, "m")[-1] == "pytorch_model.bin"
    assert MODEL.wanted(["config.json", "adapter_model.safetensors"], "m") == []
