"""Opening files: number formats, shards that may not point elsewhere, names without loading."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from app.errors import AtlasError
from app.sae.readers import READERS, load_dictionary
from app.sae.readers.files import read_safetensors
from app.sae.readers.pickled import pickled_words


def saelens(folder: Path, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """A SAELens folder whose numbers fit into eight bits."""
    shapes = {"W_enc": (3, 4), "b_enc": (4,), "W_dec": (4, 3), "b_dec": (3,)}
    tensors = {
        name: (torch.arange(1, 1 + torch.Size(shape).numel()).reshape(shape) / 2).to(dtype)
        for name, shape in shapes.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps({"d_in": 3, "d_sae": 4, "metadata": {}}))
    save_file(tensors, folder / "sae_weights.safetensors")
    return tensors


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float64]
)
def test_every_float_becomes_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    stored = saelens(tmp_path, dtype)
    dictionary = load_dictionary(tmp_path)
    assert torch.equal(dictionary.W_enc, stored["W_enc"].float())
    assert torch.equal(dictionary.W_dec, stored["W_dec"].float())
    dtypes = {tensor.dtype for tensor in dictionary.config.recognition.tensors}
    assert dtypes == {str(dtype).removeprefix("torch.")}


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_eight_bits_in_a_torch_file(tmp_path: Path, dtype: torch.dtype) -> None:
    state = {
        "encoder.weight": torch.ones(4, 3).to(dtype),
        "encoder.bias": torch.ones(4).to(dtype),
        "decoder.weight": torch.ones(3, 4).to(dtype),
        "decoder.bias": torch.ones(3).to(dtype),
    }
    torch.save(state, tmp_path / "ae.pt")
    assert torch.equal(load_dictionary(tmp_path).W_enc, torch.ones(3, 4))


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.bool])
def test_whole_numbers_are_no_weights(tmp_path: Path, dtype: torch.dtype) -> None:
    saelens(tmp_path, dtype)
    with pytest.raises(AtlasError, match="expected a floating-point tensor"):
        load_dictionary(tmp_path)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_nan_in_eight_bits_is_found(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = saelens(tmp_path)
    tensors["W_enc"] = torch.full((3, 4), float("nan")).to(dtype)
    save_file(tensors, tmp_path / "sae_weights.safetensors")
    with pytest.raises(AtlasError, match="holds 12 values that are NaN or infinite"):
        load_dictionary(tmp_path)


def test_one_nan_is_one_value(tmp_path: Path) -> None:
    tensors = saelens(tmp_path)
    tensors["W_enc"][0, 0] = float("nan")
    save_file(tensors, tmp_path / "sae_weights.safetensors")
    with pytest.raises(AtlasError, match="holds 1 value that is NaN or infinite; the file is"):
        load_dictionary(tmp_path)


def shards(folder: Path, placed: object, **files: dict[str, torch.Tensor]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, tensors in files.items():
        save_file(tensors, folder / f"{name}.safetensors")
    index = folder / "weights.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": placed}))
    return folder / "weights.safetensors"


def test_shards_are_one_file(tmp_path: Path) -> None:
    one, two = {"a": torch.ones(2), "other": torch.zeros(1)}, {"b": torch.zeros(3)}
    placed = {"a": "one.safetensors", "b": "two.safetensors"}
    found = read_safetensors(shards(tmp_path, placed, one=one, two=two))
    assert {name: value.tolist() for name, value in found.items()} == {"a": [1, 1], "b": [0, 0, 0]}


@pytest.mark.parametrize(
    "name",
    ["../outside.safetensors", "sub/one.safetensors", "/etc/passwd", "..", "", "a\\b.safetensors"],
)
def test_a_shard_elsewhere_is_never_opened(tmp_path: Path, name: str) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "outside.safetensors")
    with pytest.raises(AtlasError, match="lie beside its index, and no other is opened"):
        read_safetensors(shards(tmp_path / "folder", {"a": name}))


@pytest.mark.parametrize("placed", [None, {}, [], "one.safetensors"])
def test_an_index_without_places(tmp_path: Path, placed: object) -> None:
    with pytest.raises(AtlasError, match="has no weight_map"):
        read_safetensors(shards(tmp_path, placed))


def test_shards_that_are_missing_or_lack_what_they_should_hold(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"one\.safetensors is missing"):
        read_safetensors(shards(tmp_path, {"a": "one.safetensors"}))
    with pytest.raises(AtlasError, match=r"says that one\.safetensors holds a, and it does not"):
        read_safetensors(shards(tmp_path, {"a": "one.safetensors"}, one={"b": torch.ones(1)}))


@pytest.mark.parametrize(
    "config",
    ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, '{"a": "\\ud800"}'],
    ids=["a deep list", "a deep object", "half of a character"],
)
def test_json_that_cannot_be_read_or_said(tmp_path: Path, config: str) -> None:
    saelens(tmp_path)
    (tmp_path / "cfg.json").write_text(config)
    with pytest.raises(AtlasError, match=r"cfg\.json can't be read as JSON \(.{1,70}\); save it"):
        load_dictionary(tmp_path)


@pytest.mark.parametrize(
    ("weight", "says"),
    [
        (torch.ones(4, 3).to_sparse(), "encoder.weight in .* is sparse, expected a dense"),
        (torch.ones(4, 3, device="meta"), "encoder.weight in .* is without numbers"),
        (torch.ones(1).expand(1 << 20, 1 << 20), "is a view that repeats fewer numbers"),
    ],
    ids=["sparse", "meta", "expanded"],
)
def test_a_tensor_without_all_its_numbers(tmp_path: Path, weight: torch.Tensor, says: str) -> None:
    state = {"encoder.weight": weight, "encoder.bias": torch.zeros(4)}
    state |= {"decoder.weight": torch.ones(3, 4), "bias": torch.zeros(3)}
    torch.save(state, tmp_path / "ae.pt")
    with pytest.raises(AtlasError, match=says):
        load_dictionary(tmp_path)


class Bomb:
    """A pickle that creates a file when it is loaded naively."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize(
    "name", ["ae.pt", "8.pt", "learned_dicts.pt", "params.npz", "params.safetensors"]
)
@pytest.mark.parametrize("style", ["zip", "old", "bare"])
def test_no_reader_carries_out_a_pickle_under_any_name(
    tmp_path: Path, name: str, style: str
) -> None:
    """Recognised or not, and whichever reader is named: nothing of the file happens."""
    file, bomb = tmp_path / name, Bomb(tmp_path / "trace")
    content = {"pre_bias": bomb, "latent_bias": bomb, "encoder.weight": bomb}
    if style == "bare":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=style == "zip")
    for reader in (None, *(reader.name for reader in READERS)):
        for path in (file, tmp_path):
            with pytest.raises(AtlasError):
                load_dictionary(path, sae_format=reader)
    assert not bomb.target.exists()


@pytest.mark.parametrize("old_style", [False, True])
def test_names_in_a_torch_file_are_told_without_loading(tmp_path: Path, old_style: bool) -> None:
    bomb = Bomb(tmp_path / "trace")
    content = {"pre_bias": torch.ones(2), "hidden": bomb}
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=not old_style)
    words = pickled_words(tmp_path / "x.pt")
    assert {"pre_bias", "hidden"} <= words.texts
    assert not bomb.target.exists()


def test_what_is_no_pickle_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"\x80\x02 no pickle at all")
    assert not pickled_words(tmp_path / "x.pt").classes
    (tmp_path / "empty.pt").write_bytes(b"")
    assert not pickled_words(tmp_path / "empty.pt").texts
