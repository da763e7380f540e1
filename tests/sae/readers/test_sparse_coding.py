"""`learned_dicts.pt` of sparse_coding, pickled here from classes of its names, and hostile ones.

The references are loops over the library's encode, decode, center and uncenter.
"""

import pickle
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from app.errors import AtlasError
from app.sae.dictionary import Dictionary
from app.sae.readers import load_dictionary

Array = NDArray[np.float64]
Draw = Callable[..., Array]
SETTINGS = {"dict_size": 9, "l1_alpha": 0.00086}


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Makes an object of a class that pickles under the library's name, as the library's would."""
    package, modules = types.ModuleType("autoencoders"), {}
    monkeypatch.setitem(sys.modules, "autoencoders", package)
    for name in ("learned_dict", "topk_encoder", "other"):
        module = types.ModuleType(f"autoencoders.{name}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        modules[name] = module

    def make(class_name: str, module: str = "learned_dict", **attributes: Any) -> Any:
        owner = modules[module]
        if not hasattr(owner, class_name):
            made = type(class_name, (), {"__module__": owner.__name__})
            setattr(owner, class_name, made)
        made_object = getattr(owner, class_name)()
        for name, value in attributes.items():
            given = torch.from_numpy(value).float() if isinstance(value, np.ndarray) else value
            setattr(made_object, name, given)
        return made_object

    yield make


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Dictionary]:
    """Reads a file where none of the library's modules can be imported."""

    def load(path: Path) -> Dictionary:
        for name in [name for name in sys.modules if name.startswith("autoencoders")]:
            monkeypatch.delitem(sys.modules, name)
        return load_dictionary(path)

    return load


def write(file: Path, content: Any, old_style: bool = False) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, file, _use_new_zipfile_serialization=not old_style)
    return file


def rotation(draw: Draw, n: int) -> Array:
    """An orthogonal matrix as float32 keeps it."""
    return np.linalg.qr(draw(9, n, n))[0].astype(np.float32).astype(np.float64)


def unit(rows: Array) -> Array:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def reference(
    x: Array, encoder: Array, bias: Array, decoder: Array, centring: tuple[Any, Any, Any]
) -> tuple[Array, Array]:
    """(feature_acts, output): centre, encode, decode, undo the centring, value by value."""
    shift, turn, scale = centring
    acts, out = np.zeros((len(x), len(encoder))), np.zeros_like(x)
    n = x.shape[1]
    for t, token in enumerate(x):
        moved = [token[u] - shift[u] for u in range(n)]
        centred = [sum(turn[c, u] * moved[u] for u in range(n)) * scale[c] for c in range(n)]
        for f in range(len(encoder)):
            acts[t, f] = max(0.0, sum(encoder[f, i] * centred[i] for i in range(n)) + bias[f])
        made = [
            sum(acts[t, f] * decoder[f, i] for f in range(len(encoder))) / scale[i]
            for i in range(n)
        ]
        for u in range(n):
            out[t, u] = sum(turn[c, u] * made[c] for c in range(n)) + shift[u]
    return acts, out


def plain(n: int) -> tuple[Array, Array, Array]:
    return np.zeros(n), np.eye(n), np.ones(n)


@pytest.mark.parametrize("old_style", [False, True])
@pytest.mark.parametrize("norm_encoder", [True, False, None])
@pytest.mark.parametrize(("d_in", "d_sae"), [(5, 9), (8, 4)])
def test_tied(
    tmp_path: Path,
    library: Callable[..., Any],
    read: Callable[[Path], Dictionary],
    numbers: Draw,
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
    d_in: int,
    d_sae: int,
    norm_encoder: bool | None,
    old_style: bool,
) -> None:
    """The oldest have neither norm_encoder, which was on, nor centring."""
    encoder, bias = numbers(1, d_sae, d_in), numbers(2, d_sae, scale=0.4)
    extra = {} if norm_encoder is None else {"norm_encoder": norm_encoder, "n_feats": d_sae}
    tied = library("TiedSAE", encoder=encoder, encoder_bias=bias, **extra)
    file = write(
        tmp_path / "tied_residual_l2_r2/_9/learned_dicts.pt", [(tied, SETTINGS)], old_style
    )
    dictionary, x = read(file), tokens(d_in)
    used = encoder if norm_encoder is False else unit(encoder)
    agrees(dictionary, x, *reference(x, used, bias, unit(encoder), plain(d_in)))
    config = dictionary.config
    assert (config.format, config.architecture) == ("sparse_coding", "TiedSAE")
    assert config.hook_name == "blocks.2.hook_resid_post"
    assert config.prepend_bos is False
    assert config.raw == SETTINGS


def test_tied_with_centring(
    tmp_path: Path,
    library: Callable[..., Any],
    read: Callable[[Path], Dictionary],
    numbers: Draw,
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
) -> None:
    encoder, bias = numbers(1, 9, 5), numbers(2, 9, scale=0.4)
    centring = (numbers(3, 5), rotation(numbers, 5), np.abs(numbers(4, 5)) + 0.5)
    tied = library(
        "TiedSAE",
        encoder=encoder,
        encoder_bias=bias,
        norm_encoder=True,
        center_trans=centring[0],
        center_rot=centring[1],
        center_scale=centring[2],
    )
    x = tokens(5)
    dictionary = read(write(tmp_path / "learned_dicts.pt", [(tied, SETTINGS)]))
    agrees(dictionary, x, *reference(x, unit(encoder), bias, unit(encoder), centring))


def test_untied(
    tmp_path: Path,
    library: Callable[..., Any],
    read: Callable[[Path], Dictionary],
    numbers: Draw,
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
) -> None:
    encoder, bias, decoder = numbers(1, 9, 5), numbers(2, 9, scale=0.4), numbers(3, 9, 5)
    untied = library("UntiedSAE", encoder=encoder, encoder_bias=bias, decoder=decoder)
    x = tokens(5)
    dictionary = read(write(tmp_path / "one.pt", untied))  # an object by itself, in any file
    agrees(dictionary, x, *reference(x, encoder, bias, unit(decoder), plain(5)))


def test_top_k(
    tmp_path: Path,
    library: Callable[..., Any],
    read: Callable[[Path], Dictionary],
    numbers: Draw,
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
) -> None:
    rows, x = unit(numbers(1, 9, 5)), tokens(5)
    entry = library("TopKLearnedDict", "topk_encoder", dict=rows, sparsity=3, n_feats=9)
    dictionary = read(write(tmp_path / "learned_dicts.pt", [(entry, {})]))
    acts = np.zeros((len(x), 9))
    for t, token in enumerate(x):
        scores = rows @ token
        for f in sorted(range(9), key=lambda f: (-scores[f], f))[:3]:
            acts[t, f] = max(0.0, scores[f])
    agrees(dictionary, x, acts, acts @ rows)
    assert dictionary.config.k == 3


@pytest.fixture
def several(tmp_path: Path, library: Callable[..., Any], numbers: Draw) -> Path:
    entries = []
    for number, alpha in enumerate((0.001, np.float64(0.002), np.float32(0.5))):
        tied = library(
            "TiedSAE",
            encoder=numbers(number, 9, 5),
            encoder_bias=numbers(7, 9),
            norm_encoder=True,
        )
        entries.append((tied, {"dict_size": np.int64(9), "l1_alpha": alpha}))
    return write(tmp_path / "run" / "learned_dicts.pt", entries)


def test_one_of_several_is_named_by_its_number(
    several: Path, read: Callable[[Path], Dictionary], numbers: Draw
) -> None:
    chosen = several.with_name("learned_dicts.pt#2")
    dictionary = read(chosen)
    np.testing.assert_allclose(dictionary.W_dec.numpy(), unit(numbers(2, 9, 5)), rtol=1e-5)
    assert dictionary.config.path == chosen
    assert dictionary.config.raw == {"dict_size": 9, "l1_alpha": 0.5}
    why = {finding.about: finding.value for finding in dictionary.config.recognition.findings}
    assert why["which"] == "#2: TiedSAE [9, 5] (dict_size 9, l1_alpha 0.5)"


def test_several_are_listed_with_their_hyperparameters(
    several: Path, read: Callable[[Path], Dictionary]
) -> None:
    """Numbers of numpy are read as plain ones."""
    for path in (several, several.parent):
        with pytest.raises(AtlasError) as caught:
            read(path)
        assert "holds 3 dictionaries; name one, as in learned_dicts.pt#2: " in str(caught.value)
        assert "#1 TiedSAE [9, 5] (dict_size 9, l1_alpha 0.002);" in str(caught.value)
    with pytest.raises(AtlasError, match=r"holds 3 dictionaries and no #3; name one"):
        read(several.with_name("learned_dicts.pt#3"))


@pytest.mark.parametrize(
    ("place", "hook_name"),
    [
        ("output_hoagy_dense_sweep_tied_resid_l2_r0/_9/learned_dicts.pt", "hook_resid_post"),
        ("untied_mlpout_l2_r4/learned_dicts.pt", "hook_mlp_out"),
        ("tied_mlp_l2_r4/learned_dicts.pt", "mlp.hook_post"),
        ("l2_attn_concat/learned_dicts.pt", "attn.hook_z"),
        ("pythia-70m-deduped_r4_gpt_neox.layers.2.pt", "hook_resid_post"),
        ("pythia-70m-deduped_r4_gpt_neox.layers.2.mlp.pt", "hook_mlp_out"),
        ("somewhere/learned_dicts.pt", None),
    ],
)
def test_names_of_file_and_folders_say_the_site(
    tmp_path: Path,
    library: Callable[..., Any],
    read: Callable[[Path], Dictionary],
    numbers: Draw,
    place: str,
    hook_name: str | None,
) -> None:
    tied = library("TiedSAE", encoder=numbers(1, 9, 5), encoder_bias=numbers(2, 9))
    config = read(write(tmp_path / place, [(tied, {})])).config
    assert config.hook_name == (hook_name and f"blocks.2.{hook_name}")
    assert config.flatten_heads == (hook_name == "attn.hook_z")


def test_a_class_that_is_no_dictionary_is_named(
    tmp_path: Path, library: Callable[..., Any], read: Callable[[Path], Dictionary]
) -> None:
    file = write(tmp_path / "learned_dicts.pt", [(library("ReverseSAE"), {})])
    with pytest.raises(
        AtlasError, match=r"no known class of dictionaries, .*'.*ReverseSAE'; known are"
    ):
        read(file)


class Bomb:
    """A pickle that creates a file when it is loaded naively."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("old_style", [False, True])
@pytest.mark.parametrize("place", ["attribute", "hyperparameter", "entry"])
def test_a_bomb_beside_a_dictionary_is_refused_and_does_not_go_off(
    tmp_path: Path,
    library: Callable[..., Any],
    read: Callable[[Path], Dictionary],
    numbers: Draw,
    place: str,
    old_style: bool,
) -> None:
    bomb = Bomb(tmp_path / "trace")
    parts = {"encoder": numbers(1, 9, 5), "encoder_bias": numbers(2, 9)}
    tied = library("TiedSAE", **parts, **({"extra": bomb} if place == "attribute" else {}))
    entries: list[Any] = [(tied, {"l1_alpha": bomb} if place == "hyperparameter" else {})]
    entries += [(bomb, {})] if place == "entry" else []
    file = write(tmp_path / "learned_dicts.pt", entries, old_style)
    with pytest.raises(AtlasError, match="holds Python objects besides dictionaries and tensors"):
        read(file)
    assert not bomb.target.exists()


def test_a_bomb_under_the_name_of_the_library_is_refused(
    tmp_path: Path, library: Callable[..., Any], read: Callable[[Path], Dictionary]
) -> None:
    """An object whose pickle calls something of the library's modules that is no known class."""

    class Calls:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return type(library("run_anything", "other")), ()

    file = write(tmp_path / "learned_dicts.pt", [(library("TiedSAE"), {}), (Calls(), {})])
    with pytest.raises(AtlasError, match="holds Python objects besides dictionaries and tensors"):
        read(file)


def test_attributes_cannot_take_the_place_of_a_method(
    tmp_path: Path,
    library: Callable[..., Any],
    read: Callable[[Path], Dictionary],
    numbers: Draw,
    tokens: Callable[[int], Array],
    agrees: Callable[..., None],
) -> None:
    encoder, bias, x = numbers(1, 9, 5), numbers(2, 9), tokens(5)
    tied = library("TiedSAE", encoder=encoder, encoder_bias=bias, __setstate__=3, described=4)
    dictionary = read(write(tmp_path / "learned_dicts.pt", [(tied, {})]))
    agrees(dictionary, x, *reference(x, unit(encoder), bias, unit(encoder), plain(5)))


@pytest.mark.parametrize("content", [[], {}, [3], [(3, {})], 3, torch.zeros(2)])
def test_another_content_under_the_fixed_name(tmp_path: Path, content: Any) -> None:
    file = write(tmp_path / "learned_dicts.pt", content)
    with pytest.raises(AtlasError, match=r"learned_dicts\.pt"):
        load_dictionary(file, sae_format="sparse_coding")
    with pytest.raises(AtlasError, match=r"is no list of \(dictionary, hyperparameters\)"):
        load_dictionary(tmp_path, sae_format="sparse_coding")


@pytest.mark.parametrize("length", [0, 30, 500, -20])
def test_a_truncated_file(several: Path, read: Callable[[Path], Dictionary], length: int) -> None:
    several.write_bytes(several.read_bytes()[:length])
    with pytest.raises(AtlasError, match="is damaged"):
        read(several)


def test_a_bare_pickle_is_refused_and_does_not_run(
    tmp_path: Path, library: Callable[..., Any], read: Callable[[Path], Dictionary]
) -> None:
    bomb = Bomb(tmp_path / "trace")
    file = tmp_path / "learned_dicts.pt"
    file.write_bytes(pickle.dumps([(library("TiedSAE", extra=bomb), {})], protocol=2))
    with pytest.raises(AtlasError, match="is damaged or"):
        read(file)
    assert not bomb.target.exists()
