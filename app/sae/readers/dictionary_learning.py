"""Reads dictionaries of the library dictionary_learning (Marks et al.): `ae.pt`.

Takes a folder or the `.pt` file, gives the internal form. The class comes from the config or,
without one, from the names of the tensors; what the config doesn't say about the site comes from
the folder's name.
"""

from pathlib import Path

import torch

from app.errors import AtlasError, closest
from app.sae.architectures import TopK
from app.sae.dictionary import Dictionary, DictionaryConfig
from app.sae.folding import fold_decoder_norm
from app.sae.normalisation import Normalisation
from app.sae.readers.dictionary_learning_classes import CLASSES
from app.sae.readers.dictionary_learning_config import CONFIG_FILE, LibraryConfig, read_config
from app.sae.readers.files import read_state_dict
from app.sae.readers.finishing import finished
from app.sae.readers.pickled import pickled_words
from app.sae.readers.reader import Reader
from app.sae.readers.weights import Weights
from app.sae.recognition import Findings

NAME = "dictionary_learning"
WEIGHTS_FILE = "ae.pt"
#: One of these every class stores.
ENCODERS = {"encoder.weight", "W_enc"}


def recognises(path: Path) -> bool:
    """A folder with `ae.pt`, or a torch file by itself (checkpoints are `ae_100.pt`)."""
    if path.is_dir() or path.suffix not in (".pt", ".pth"):
        return (path / WEIGHTS_FILE).is_file()
    texts = pickled_words(path).texts if path.is_file() else frozenset()
    # Of a damaged file nothing is known; reading it says that it is damaged.
    return path.is_file() and (path.name.startswith("ae") or not texts or bool(texts & ENCODERS))


def read(path: Path) -> Dictionary:
    file = path / WEIGHTS_FILE if path.is_dir() else path
    findings = Findings()
    findings.say("format", NAME, f"the file is called {file.name}")
    weights = Weights(file, read_state_dict(file))
    config = read_config(file, findings)
    name, note = _class_name(weights, config, findings)
    required, build = CLASSES[name]
    weights.require(required, f"the class {name}")
    parts = build(weights, config)
    d_in, d_sae = parts.W_enc.shape
    _require_sizes(file, config, d_in, d_sae)
    normalisation = Normalisation()
    dictionary = Dictionary(
        W_enc=parts.W_enc,
        b_enc=parts.b_enc,
        W_dec=parts.W_dec,
        b_dec=parts.b_dec,
        b_pre=parts.b_pre,
        activation=parts.activation,
        normalisation=normalisation,
        config=DictionaryConfig(
            format=NAME,
            architecture=name,
            hook_name=config.hook_name,
            d_in=d_in,
            d_sae=d_sae,
            prepend_bos=config.prepend_bos,
            context_size=config.context_size,
            model_name=config.model_name,
            convention="",
            path=path,
            raw=config.raw,
            k=parts.k,
            target_l0=parts.target_l0,
        ),
    )
    notes = [note] if note else []
    # The library's AutoEncoder brings its decoder to unit norm when it is loaded, so activations
    # published for it assume that; its other classes are used as they are stored.
    if name == "AutoEncoder" and not _unit_norm(dictionary):
        dictionary = fold_decoder_norm(dictionary)
        notes.append("activations multiplied by the stored decoder norm, decoder divided by it")
    pre_bias = "the same as the output's" if dictionary.b_pre.any() else "none"
    findings.say("pre-bias", pre_bias, f"the class {name}")
    if isinstance(dictionary.activation, TopK):
        # They carry the threshold of another way to run them.
        weights.ignore("threshold")
    return finished(dictionary, weights, findings, notes)


def _class_name(
    weights: Weights, config: LibraryConfig, findings: Findings
) -> tuple[str, str | None]:
    """The library's class, and a note where it had to be assumed."""
    name, note = _class_and_note(weights, config)
    why = note or f"the file holds {', '.join(CLASSES[name][0])}"
    if config.class_name is not None:
        why = f'{CONFIG_FILE} has dict_class = "{name}"'
    elif note is None and name in ("AutoEncoderTopK", "BatchTopKSAE"):
        why += f"; {_top_k_reason(config)}"
    return findings.say("architecture", name, why), note


def _top_k_reason(config: LibraryConfig) -> str:
    if config.folder_says_batch is None:
        return "its threshold was never set"
    return "a folder's name says " + ("batch-top-k" if config.folder_says_batch else "top-k")


def _class_and_note(weights: Weights, config: LibraryConfig) -> tuple[str, str | None]:
    if config.class_name is not None:
        if config.class_name not in CLASSES:
            raise AtlasError(
                f"{weights.path} is of class {config.class_name!r}, which can't be read; known are "
                f"{closest(config.class_name, CLASSES, n=len(CLASSES))}."
            )
        return config.class_name, None
    fitting = [
        name for name, (required, _) in CLASSES.items() if all(key in weights for key in required)
    ]
    if not fitting:
        needed = "; ".join(f"{name}: {', '.join(keys)}" for name, (keys, _) in CLASSES.items())
        raise AtlasError(
            f"{weights.path} holds {', '.join(weights.names()) or 'nothing'}, which is no class of "
            f"dictionary_learning; expected one of {needed}."
        )
    if fitting[0] == "BatchTopKSAE":
        return _top_k_class(weights, config)
    return fitting[0], None


def _top_k_class(weights: Weights, config: LibraryConfig) -> tuple[str, str | None]:
    """TopK and BatchTopK store the same names: the folder decides, else a threshold never set.

    Where nothing tells them apart, per-token top-k is assumed and the atlas says so.
    """
    if config.folder_says_batch is not None:
        return ("BatchTopKSAE" if config.folder_says_batch else "AutoEncoderTopK"), None
    if weights.number("threshold") < 0:
        return "AutoEncoderTopK", None
    return "AutoEncoderTopK", (
        "read as per-token top-k, because nothing beside the weights says if it is batch-top-k "
        '(config.json: {"trainer": {"dict_class": "BatchTopKSAE"}})'
    )


def _unit_norm(dictionary: Dictionary) -> bool:
    return torch.allclose(dictionary.decoder_norm(), torch.ones(dictionary.config.d_sae))


def _require_sizes(file: Path, config: LibraryConfig, d_in: int, d_sae: int) -> None:
    for name, stated, found in (
        ("activation_dim", config.d_in, d_in),
        ("dict_size", config.d_sae, d_sae),
    ):
        if stated is not None and stated != found:
            raise AtlasError(
                f"{file} has {found} where its config.json says {name} = {stated}: the weights are "
                "transposed or belong to another config."
            )


READER = Reader(NAME, f"{WEIGHTS_FILE}, with or without config.json", recognises, read)
