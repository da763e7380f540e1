"""Reads Gemma Scope 1 (`params.npz`) and 2 (`params.safetensors`, with or without config.json).

Takes the folder (or the file), gives the internal form: JumpReLU autoencoders, transcoders and skip
transcoders. Their conventions: W_enc [d_in, d_sae], W_dec [d_sae, d_out], no pre-bias, a BOS before
every context, affine_skip_connection [d_in, d_out]; the names are in capitals in the first and not
in the second. The embedding dictionaries of Gemma Scope 1 were trained on embeddings before Gemma
multiplies them by √d_model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from app.errors import AtlasError
from app.sae.architectures import JumpReLU
from app.sae.dictionary import Dictionary, DictionaryConfig
from app.sae.folding import fold_input_scale
from app.sae.normalisation import Normalisation
from app.sae.readers.fields import Fields
from app.sae.readers.files import has_safetensors, read_json, read_npz, read_safetensors
from app.sae.readers.finishing import finished, folders_above
from app.sae.readers.gemma_scope_place import Place, place_of
from app.sae.readers.reader import Reader
from app.sae.readers.weights import Weights
from app.sae.recognition import Findings

NAME = "gemma_scope"
FIRST_FILE, SECOND_FILE = "params.npz", "params.safetensors"
CONFIG_FILE = "config.json"
SKIP = "affine_skip_connection"
#: Tokens of a context in the training of every release.
CONTEXT_SIZE = 1024
#: The folders above a file that may have a say: in a download the repository's lies five up.
FOLDERS = 7


def recognises(path: Path) -> bool:
    """A folder with the weights file under its fixed name, or that file."""
    if path.is_dir():
        return (path / FIRST_FILE).is_file() or has_safetensors(path / SECOND_FILE)
    return path.name in (FIRST_FILE, SECOND_FILE)


def read(path: Path) -> Dictionary:
    folder, findings = path if path.is_dir() else path.parent, Findings()
    file = folder / FIRST_FILE
    if not file.is_file():
        file = folder / SECOND_FILE
    version = "1" if file.name == FIRST_FILE else "2"
    findings.say("format", f"{NAME} {version}", f"the weights are called {file.name}")
    contents = read_npz(file) if version == "1" else read_safetensors(file)
    weights = Weights(file, _lower_case(contents, file))
    weights.require(("w_enc", "b_enc", "w_dec", "b_dec", "threshold"), "a JumpReLU dictionary")
    _refuse_cross_layer(weights, contents)
    config = _config(folder)
    W_enc = weights.tensor("w_enc", None, None)
    d_in, d_sae = W_enc.shape
    W_dec = weights.tensor("w_dec", d_sae, None)
    d_out = W_dec.shape[1]
    place = place_of(folders_above(folder, FOLDERS), config, d_in, findings)
    has_skip = SKIP in weights
    is_transcoder = place.is_transcoder or has_skip or d_out != d_in
    findings.say("architecture", _architecture(is_transcoder, has_skip), _why(weights, has_skip))
    findings.say("pre-bias", "none", "Gemma Scope has none")
    dictionary = Dictionary(
        W_enc=W_enc,
        b_enc=weights.tensor("b_enc", d_sae),
        W_dec=W_dec,
        b_dec=weights.tensor("b_dec", d_out),
        b_pre=torch.zeros(d_in),
        activation=JumpReLU(weights.tensor("threshold", d_sae)),
        normalisation=Normalisation(),
        config=DictionaryConfig(
            format=NAME,
            architecture=_architecture(is_transcoder, has_skip),
            hook_name=place.hook_name,
            d_in=d_in,
            d_sae=d_sae,
            prepend_bos=findings.say("BOS", True, "Gemma Scope was trained with one"),
            context_size=findings.say("context size", CONTEXT_SIZE, "that of every release"),
            model_name=place.model_name,
            convention="",
            path=folder,
            raw=read_json(folder / CONFIG_FILE) if (folder / CONFIG_FILE).exists() else {},
            target_l0=place.target_l0,
            flatten_heads=(place.hook_name or "").endswith("attn.hook_z"),
            hook_name_out=place.hook_name_out,
            is_transcoder=is_transcoder,
        ),
        W_skip=weights.tensor(SKIP, d_in, d_out) if has_skip else None,
    )
    dictionary, notes = _of_embeddings(dictionary, place)
    return finished(dictionary, weights, findings, notes)


def _lower_case(contents: Mapping[str, Any], file: Path) -> dict[str, Any]:
    named = {name.lower(): value for name, value in contents.items()}
    if len(named) < len(contents):
        raise AtlasError(f"{file} holds a name twice, in capitals and without.")
    return named


def _refuse_cross_layer(weights: Weights, contents: Mapping[str, Any]) -> None:
    shapes = {name.lower(): getattr(value, "ndim", 0) for name, value in contents.items()}
    if shapes["w_dec"] == 3:
        raise AtlasError(
            f"{weights.path} is a cross-layer transcoder ({weights.shape('w_dec')}): its features "
            "write at several layers, and here one hook is written."
        )


def _config(folder: Path) -> Fields:
    """The settings of config.json; empty where it is missing, as always in Gemma Scope 1."""
    file = folder / CONFIG_FILE
    fields = Fields(read_json(file) if file.exists() else {}, file)
    architecture = fields.text("architecture")
    if architecture not in (None, "jump_relu"):
        raise AtlasError(
            f"{file} has architecture {architecture!r}, which can't be read; known is jump_relu."
        )
    return fields


def _architecture(is_transcoder: bool, has_skip: bool) -> str:
    words = [
        "jumprelu",
        *(["skip"] if has_skip else []),
        *(["transcoder"] if is_transcoder else []),
    ]
    return "_".join(words)


def _why(weights: Weights, has_skip: bool) -> str:
    skip = f" and {weights.shape(SKIP)}" if has_skip else ""
    return f"the file holds {weights.shape('threshold')}{skip}"


def _of_embeddings(dictionary: Dictionary, place: Place) -> tuple[Dictionary, list[str]]:
    notes = [place.note] if place.note else []
    if not place.is_embedding:
        return dictionary, notes
    note = "input divided by √d_model, as it was trained on embeddings before Gemma's factor"
    return fold_input_scale(dictionary, dictionary.config.d_in**-0.5), [*notes, note]


READER = Reader(NAME, f"{FIRST_FILE}, or {SECOND_FILE}", recognises, read)
