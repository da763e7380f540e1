"""Recognising a format, and files that are missing, damaged or hostile."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from app.errors import AtlasError
from app.sae.readers import load_dictionary

DEMO = Path(__file__).parents[3] / "app" / "demo" / "dictionaries"


def saelens_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps({"d_in": 3, "d_sae": 4, "metadata": {}}))
    tensors = {
        "W_enc": torch.randn(3, 4),
        "W_dec": torch.randn(4, 3),
        "b_enc": torch.randn(4),
        "b_dec": torch.randn(3),
    }
    save_file(tensors, folder / "sae_weights.safetensors")
    return folder


def library_state() -> dict[str, torch.Tensor]:
    return {
        "encoder.weight": torch.randn(4, 3),
        "encoder.bias": torch.randn(4),
        "decoder.weight": torch.randn(3, 4),
        "bias": torch.randn(3),
    }


class Bomb:
    """A pickle that creates a file when it is loaded naively."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


def test_the_files_decide_the_format(tmp_path: Path) -> None:
    assert load_dictionary(saelens_folder(tmp_path / "a")).config.format == "saelens"
    (tmp_path / "b").mkdir()
    torch.save(library_state(), tmp_path / "b" / "ae.pt")
    assert load_dictionary(tmp_path / "b").config.format == "dictionary_learning"
    torch.save(library_state(), tmp_path / "b" / "ae_1000.pt")
    assert load_dictionary(tmp_path / "b" / "ae_1000.pt").config.format == "dictionary_learning"


def test_the_format_can_be_given(tmp_path: Path) -> None:
    saelens_folder(tmp_path)
    torch.save(library_state(), tmp_path / "ae.pt")
    for name in ("saelens", "dictionary_learning"):
        assert load_dictionary(tmp_path, sae_format=name).config.format == name


def test_an_unknown_format_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"Unknown dictionary format 'sealens'; known .*saelens"):
        load_dictionary(saelens_folder(tmp_path), sae_format="sealens")


def test_a_given_format_names_the_file_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"ae\.pt is missing"):
        load_dictionary(saelens_folder(tmp_path), sae_format="dictionary_learning")


def test_a_missing_path(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"No dictionary at .*nowhere: the path does not exist"):
        load_dictionary(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        ([], "an empty folder"),
        (["cfg.json", "model.safetensors"], "cfg.json, model.safetensors"),
        ([f"{i}.txt" for i in range(10)], "7.txt and 2 more"),
    ],
)
def test_an_unknown_layout_lists_what_is_there_and_what_is_needed(
    tmp_path: Path, names: list[str], seen: str
) -> None:
    for name in names:
        (tmp_path / name).write_text("")
    with pytest.raises(AtlasError) as caught:
        load_dictionary(tmp_path)
    assert seen in str(caught.value)
    assert "cfg.json with sae_weights.safetensors (saelens)" in str(caught.value)
    assert "ae.pt, with or without config.json (dictionary_learning)" in str(caught.value)


def test_a_single_unknown_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(AtlasError, match=r"found a single file notes.txt"):
        load_dictionary(tmp_path / "notes.txt")


def test_weights_without_their_config(tmp_path: Path) -> None:
    (saelens_folder(tmp_path) / "cfg.json").unlink()
    with pytest.raises(AtlasError, match=r"cfg\.json is missing"):
        load_dictionary(tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "can't be read as JSON"), ("[1]", "holds a JSON list"), ("\udcff", "as JSON")],
)
def test_a_damaged_config(tmp_path: Path, text: str, sentence: str) -> None:
    saelens_folder(tmp_path)
    (tmp_path / "cfg.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(AtlasError, match=sentence):
        load_dictionary(tmp_path)


@pytest.mark.parametrize("length", [0, 5, 100, -10])
def test_truncated_weights(tmp_path: Path, length: int) -> None:
    file = saelens_folder(tmp_path / "a") / "sae_weights.safetensors"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(AtlasError, match="is damaged or no safetensors file"):
        load_dictionary(tmp_path / "a")
    state = tmp_path / "ae.pt"
    torch.save(library_state(), state)
    state.write_bytes(state.read_bytes()[:length])
    with pytest.raises(AtlasError, match="is damaged or"):
        load_dictionary(state)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 400), byte=st.integers(0, 255), old_style=st.booleans())
def test_a_broken_byte_never_escapes_as_another_error(
    tmp_path: Path, position: int, byte: int, old_style: bool
) -> None:
    path = tmp_path / "ae.pt"
    torch.save(library_state(), path, _use_new_zipfile_serialization=not old_style)
    content = bytearray(path.read_bytes())
    content[position] = byte
    path.write_bytes(content)
    try:
        load_dictionary(path)
    except AtlasError:
        return


@pytest.mark.parametrize("old_style", [False, True])
def test_a_pickle_that_wants_to_run_code_is_refused_and_does_not_run(
    tmp_path: Path, old_style: bool
) -> None:
    path, trace = tmp_path / "ae.pt", tmp_path / "trace"
    torch.save(
        library_state() | {"bias": Bomb(trace)},
        path,
        _use_new_zipfile_serialization=not old_style,
    )
    with pytest.raises(AtlasError, match="holds Python objects besides tensors, which are never"):
        load_dictionary(path)
    assert not trace.exists()


def test_a_bare_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "ae.pt", tmp_path / "trace"
    path.write_bytes(pickle.dumps({"bias": Bomb(trace)}))
    with pytest.raises(AtlasError, match="is damaged or"):
        load_dictionary(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists(), "the bomb would have gone off"


@pytest.mark.parametrize("name", ["8.pt", "learned_dicts.pt"])
@pytest.mark.parametrize(
    ("pickled", "says"),
    [
        (
            b"cposix\nsystem\n(S'touch it'\ntR.",
            "naming code that .* none of it run: 'posix.system'",
        ),
        (b"cposix\nrm -rf ~; \x1b[2J\n.", r"none of it run: 'posix\.rm -rf ~; \\x1b\[2J'"),
        (b"clearned_dict\n\x1b[2J;" + b"a" * 90 + b"\n.", r"none of it was run: '.*x1b\[2J;a+…';"),
    ],
    ids=["a function", "a command", "a command in the library's name"],
)
def test_code_that_a_pickle_names_is_quoted_and_short(
    tmp_path: Path, name: str, pickled: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(b"Vsome text\n0" + pickled)
    for path in (tmp_path, tmp_path / name) if name != "8.pt" else (tmp_path / name,):
        with pytest.raises(AtlasError, match=says) as caught:
            load_dictionary(path)
        assert "\x1b" not in str(caught.value)
        assert "touch it" not in str(caught.value)


@pytest.mark.parametrize("content", [[torch.zeros(2)], torch.zeros(2), 3])
def test_a_file_without_names_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "ae.pt")
    with pytest.raises(AtlasError, match=r"expected a state dict \(tensors by name\)"):
        load_dictionary(tmp_path)


def test_the_device_is_chosen_after_reading(tmp_path: Path) -> None:
    dictionary = load_dictionary(saelens_folder(tmp_path), device="meta")
    assert dictionary.W_enc.device.type == "meta"
    assert dictionary.b_pre.device.type == "meta"


@pytest.mark.parametrize("path", sorted(DEMO.glob("*")), ids=lambda path: path.name)
def test_the_bundled_dictionaries_load(path: Path) -> None:
    dictionary = load_dictionary(path)
    stated = json.loads((path / "cfg.json").read_text())
    assert dictionary.config.architecture == stated["architecture"]
    assert dictionary.config.hook_name == stated["metadata"]["hook_name"]
    assert tuple(dictionary.W_enc.shape) == (stated["d_in"], stated["d_sae"])
    assert dictionary.W_dec.dtype == torch.float32
