"""Reads dictionaries of sparse_coding (Cunningham et al. 2023): `learned_dicts.pt`, or `….pt#3`.

Takes the file and which of its dictionaries is meant, gives the internal form. Its conventions:
encoder [d_sae, d_in]; the decoder's rows are used at norm 1. A tied one encodes by its decoder
unless `norm_encoder` is false, and may centre its input first: (R (x - t)) · s, which is undone
behind the decoder and folded into the weights here. The site stands in a folder's name
(`tied_residual_l2_r4`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from app.errors import AtlasError
from app.sae.architectures import Activation, ReLU, TopK
from app.sae.dictionary import Dictionary, DictionaryConfig
from app.sae.normalisation import Normalisation
from app.sae.readers.finishing import finished, folders_above
from app.sae.readers.learned_dicts import LearnedDict, is_learned_dicts, read_learned_dicts
from app.sae.readers.modules import hooks_of_module
from app.sae.readers.numbered import numbered
from app.sae.readers.reader import Reader
from app.sae.readers.weights import Weights, require_k
from app.sae.recognition import Findings

NAME = "sparse_coding"
WEIGHTS_FILE = "learned_dicts.pt"
#: Tokens of a context in the library's data.
CONTEXT_SIZE = 256
#: By what the library calls a place in the block.
SITES = {
    "residual": "hook_resid_post",
    "resid": "hook_resid_post",
    "mlpout": "hook_mlp_out",
    "mlpin": "ln2.hook_normalized",
    "mlp": "mlp.hook_post",
    "attn_concat": "attn.hook_z",
}
_WORD = "|".join(SITES)
_SITE = re.compile(rf"(?<![a-z])(?:({_WORD})_l(\d+)|l(\d+)_({_WORD}))(?![a-z0-9])")
#: Columns this short are left as they are, as in the library.
SHORTEST = 1e-8


@dataclass(frozen=True)
class _Parts:
    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor
    activation: Activation


def recognises(path: Path) -> bool:
    """A file that names the library's classes, or a folder with one under its fixed name."""
    file = _file(path)[0]
    return file.is_file() and is_learned_dicts(file)


def read(path: Path) -> Dictionary:
    file, number = _file(path)
    learned, number = _chosen(file, number)
    findings = Findings()
    findings.say("format", NAME, f"the file names the class {learned.class_name}")
    findings.say("which", f"#{number}: {learned.described()}", "its place in the file's list")
    weights = Weights(file, learned.attributes)
    findings.say("architecture", learned.class_name, "the class of the object")
    parts = _BUILDERS[learned.class_name](weights, findings)
    weights.ignore("device")
    d_in, d_sae = parts.W_enc.shape
    hook = _hook(file, findings)
    return finished(
        Dictionary(
            W_enc=parts.W_enc,
            b_enc=parts.b_enc,
            W_dec=parts.W_dec,
            b_dec=parts.b_dec,
            b_pre=parts.b_dec.clone(),
            activation=parts.activation,
            normalisation=Normalisation(),
            config=DictionaryConfig(
                format=NAME,
                architecture=learned.class_name,
                hook_name=hook,
                d_in=d_in,
                d_sae=d_sae,
                prepend_bos=findings.say("BOS", False, "the library cuts running text"),
                context_size=findings.say("context size", CONTEXT_SIZE, "that of the library"),
                model_name=findings.say("model", None, "the file doesn't hold it"),
                convention="",
                path=path,
                raw=dict(learned.hyperparameters),
                k=parts.activation.k if isinstance(parts.activation, TopK) else None,
                flatten_heads=(hook or "").endswith("attn.hook_z"),
            ),
        ),
        weights,
        findings,
    )


def _file(path: Path) -> tuple[Path, int | None]:
    file, number = numbered(path)
    return (file / WEIGHTS_FILE if file.is_dir() else file), number


def _chosen(file: Path, number: int | None) -> tuple[LearnedDict, int]:
    found = read_learned_dicts(file)
    if number is None and len(found) == 1:
        return found[0], 0
    if number is None or number >= len(found):
        listed = "; ".join(f"#{i} {entry.described()}" for i, entry in enumerate(found))
        chosen = "" if number is None else f" and no #{number}"
        raise AtlasError(
            f"{file} holds {len(found)} dictionaries{chosen}; name one, as in "
            f"{file.name}#{len(found) - 1}: {listed}."
        )
    return found[number], number


def _tied(weights: Weights, findings: Findings) -> _Parts:
    weights.require(("encoder", "encoder_bias"), "the class TiedSAE")
    encoder = weights.tensor("encoder", None, None)
    d_sae, d_in = encoder.shape
    decoder = _unit(encoder)
    normed = not weights.is_false("norm_encoder")
    findings.say("encoder", "rows of norm 1" if normed else "as stored", "norm_encoder")
    shift = _or(weights, "center_trans", torch.zeros(d_in), d_in)
    rotation = _or(weights, "center_rot", torch.eye(d_in), d_in, d_in)
    scale = _or(weights, "center_scale", torch.ones(d_in), d_in)
    centred = bool(shift.any()) or not torch.equal(rotation, torch.eye(d_in))
    centred = centred or not torch.equal(scale, torch.ones(d_in))
    findings.say("centring", centred, "center_trans, center_rot and center_scale")
    # (R (x - t)) · s before the encoder, and its inverse (R is a rotation) behind the decoder.
    W_enc = ((decoder if normed else encoder) * scale) @ rotation
    W_dec = (decoder / scale) @ rotation
    b_enc = weights.tensor("encoder_bias", d_sae)
    return _Parts(W_enc.T.contiguous(), b_enc, W_dec, shift, ReLU())


def _untied(weights: Weights, findings: Findings) -> _Parts:
    weights.require(("encoder", "encoder_bias", "decoder"), "the class UntiedSAE")
    encoder = weights.tensor("encoder", None, None)
    d_sae, d_in = encoder.shape
    decoder = _unit(weights.tensor("decoder", d_sae, d_in))
    b_enc = weights.tensor("encoder_bias", d_sae)
    return _Parts(encoder.T.contiguous(), b_enc, decoder, torch.zeros(d_in), ReLU())


def _top_k(weights: Weights, findings: Findings) -> _Parts:
    weights.require(("dict", "sparsity"), "the class TopKLearnedDict")
    rows = weights.tensor("dict", None, None)
    d_sae, d_in = rows.shape
    k = require_k(weights.number("sparsity"), d_sae, weights.path)
    findings.say("k", k, "the object's sparsity")
    zeros = torch.zeros(d_in)
    return _Parts(rows.T.contiguous(), torch.zeros(d_sae), rows, zeros, TopK(k))


_BUILDERS: dict[str, Callable[[Weights, Findings], _Parts]] = {
    "TiedSAE": _tied,
    "UntiedSAE": _untied,
    "TopKLearnedDict": _top_k,
}


def _unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=-1, keepdim=True).clamp(min=SHORTEST)


def _or(weights: Weights, name: str, default: Tensor, *shape: int) -> Tensor:
    return weights.tensor(name, *shape) if name in weights else default


def _hook(file: Path, findings: Findings) -> str | None:
    for name in (file.stem, *folders_above(file, 4)):
        if found := _SITE.search(name):
            site, layer = found[1] or found[4], found[2] or found[3]
            hook = f"blocks.{layer}.{SITES[site]}"
            return findings.say("hook", hook, f"the name {name} says {found[0]}")
        if hooks := hooks_of_module(name):
            why = f"the output of the module that {name} is called after"
            return findings.say("hook", hooks.written, why)
    return findings.say("hook", None, "neither the file's name nor a folder's says it")


READER = Reader(NAME, f"{WEIGHTS_FILE}, or {WEIGHTS_FILE}#3", recognises, read)
