"""Reads dictionaries of Llama Scope and of its library lm-saes.

`hyperparams.json` beside `checkpoints/final.safetensors` (2024), or `config.json` beside
`sae_weights.safetensors` (since). Takes the folder, gives the internal form: autoencoders and
transcoders. Its conventions: encoder.weight [d_sae, d_in], decoder.weight [d_out, d_sae]; the input
is scaled by √d_in over the average norm of the corpus, the output by the same of its own hook, and
both scales are folded here. The one threshold of the files (jump_relu_threshold) holds for
pre-activations in the *unscaled* input's units, so it is multiplied by the input scale, as SAELens
does; a threshold per feature (log_jumprelu_threshold) holds for the scaled ones. Where
`sparsity_include_decoder_norm` is on, pre-activations are compared, and activations shown, times
the decoder's norm.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from app.errors import AtlasError
from app.sae.architectures import Activation, JumpReLU, ReLU, TopK
from app.sae.dictionary import Dictionary, DictionaryConfig
from app.sae.folding import fold_decoder_norm, fold_input_scale
from app.sae.normalisation import Normalisation
from app.sae.readers.fields import Fields
from app.sae.readers.files import has_safetensors, read_json, read_safetensors
from app.sae.readers.finishing import finished, folders_above
from app.sae.readers.reader import Reader
from app.sae.readers.weights import Weights, require_k
from app.sae.recognition import Findings

NAME = "llama_scope"
CONFIG_FILES = ("hyperparams.json", "config.json")
#: In the order the library looks for them.
WEIGHTS_FILES = (
    "sae_weights.safetensors",
    "checkpoints/pruned.safetensors",
    "checkpoints/final.safetensors",
)
LOG_THRESHOLD = "log_jumprelu_threshold"
CONTEXT_SIZE = 1024
_MODEL = re.compile(r"Llama3_1-8B-Base")


@dataclass(frozen=True)
class _Scales:
    """Factors of input and output; the same for an autoencoder."""

    read: float
    written: float
    normalisation: Normalisation
    #: The files say that there is one and not which.
    unsettled: bool = False


def recognises(path: Path) -> bool:
    """A folder with one of the configs, which speaks of a hook point, and weights."""
    if not path.is_dir() or _weights_file(path) is None:
        return False
    config = _config_file(path)
    return config is not None and "hook_point_in" in read_json(config)


def read(path: Path) -> Dictionary:
    config, file = _config_file(path), _weights_file(path)
    if config is None or file is None:
        raise AtlasError(f"{path} lacks hyperparams.json or checkpoints/final.safetensors.")
    findings, raw = Findings(), read_json(config)
    fields = Fields(raw, config)
    findings.say("format", NAME, f"{config.name} lies beside {file.relative_to(path)}")
    weights = Weights(file, read_safetensors(file))
    weights.require(("encoder.weight", "encoder.bias", "decoder.weight"), "a Llama Scope file")
    _refuse_unreadable(fields)
    W_enc = weights.tensor("encoder.weight", fields.whole("d_sae"), fields.whole("d_model"))
    d_sae, d_in = W_enc.shape
    W_dec = weights.tensor("decoder.weight", None, d_sae).T
    d_out = W_dec.shape[1]
    hook_name = findings.say("hook", fields.text("hook_point_in"), fields.told("hook_point_in"))
    hook_name_out = fields.text("hook_point_out")
    is_transcoder = hook_name_out not in (None, hook_name) or d_out != d_in
    if is_transcoder:
        findings.say("output hook", hook_name_out, fields.told("hook_point_out"))
    scales = _scales(weights, fields, (d_in, d_out), is_transcoder, findings)
    b_dec = _b_dec(weights, fields, d_out)
    b_pre = torch.zeros(d_in)
    subtracts = bool(fields.flag("apply_decoder_bias_to_pre_encoder")) and not is_transcoder
    findings.say(
        "pre-bias", "b_dec" if subtracts else "none",
        fields.told("apply_decoder_bias_to_pre_encoder"),
    )  # fmt: skip
    plain = Dictionary(
        W_enc=W_enc.T.contiguous(),
        b_enc=weights.tensor("encoder.bias", d_sae),
        W_dec=W_dec.contiguous(),
        b_dec=b_dec,
        b_pre=b_dec.clone() if subtracts else b_pre,
        activation=ReLU(),
        normalisation=scales.normalisation,
        config=DictionaryConfig(
            format=NAME,
            architecture=fields.text("act_fn") or "relu",
            hook_name=hook_name,
            d_in=d_in,
            d_sae=d_sae,
            prepend_bos=findings.say("BOS", True, "Llama Scope was trained with one"),
            context_size=findings.say("context size", CONTEXT_SIZE, "that of the release"),
            model_name=_model_name(path, fields, findings),
            convention="",
            path=path,
            raw=raw,
            flatten_heads=(hook_name or "").endswith("attn.hook_z"),
            hook_name_out=hook_name_out if is_transcoder else None,
            is_transcoder=is_transcoder,
            input_scale_unsettled=scales.unsettled,
        ),
    )
    return _scaled(plain, weights, fields, scales, findings)


def _config_file(path: Path) -> Path | None:
    return next((path / name for name in CONFIG_FILES if (path / name).is_file()), None)


def _weights_file(path: Path) -> Path | None:
    return next((path / name for name in WEIGHTS_FILES if has_safetensors(path / name)), None)


def _model_name(path: Path, fields: Fields, findings: Findings) -> str | None:
    stated = fields.text("model_name", "model")
    for name in folders_above(path):
        if stated is None and _MODEL.search(name):
            return findings.say("model", "meta-llama/Llama-3.1-8B", f"a folder is called {name}")
    return findings.say("model", stated, fields.told("model_name", "model"))


def _refuse_unreadable(fields: Fields) -> None:
    if fields.flag("use_glu_encoder"):
        raise AtlasError(
            f"{fields.path} has use_glu_encoder = true: an encoder of two factors, which can't be "
            "read."
        )
    if (kind := fields.text("sae_type") or "sae") != "sae":
        raise AtlasError(f"{fields.path} has sae_type {kind!r}, which can't be read; known is sae.")


def _b_dec(weights: Weights, fields: Fields, d_out: int) -> torch.Tensor:
    if fields.flag("use_decoder_bias") is False and "decoder.bias" not in weights:
        return torch.zeros(d_out)
    weights.require(("decoder.bias",), "use_decoder_bias")
    return weights.tensor("decoder.bias", d_out)


def _scales(
    weights: Weights,
    fields: Fields,
    widths: tuple[int, int],
    is_transcoder: bool,
    findings: Findings,
) -> _Scales:
    declared = fields.text("norm_activation") or "dataset-wise"
    findings.say("input normalisation", declared, fields.told("norm_activation"))
    if declared == "inference":
        return _Scales(1.0, 1.0, Normalisation())
    if declared == "token-wise":
        return _Scales(1.0, 1.0, Normalisation("constant_norm", one_way=is_transcoder))
    if declared != "dataset-wise":
        raise AtlasError(
            f"{fields.path} has norm_activation {declared!r}, which can't be read; known are "
            "dataset-wise, token-wise, inference."
        )
    hooks = fields.text("hook_point_in"), fields.text("hook_point_out")
    norms = [
        _average_norm(weights, fields, side, hook)
        for side, hook in zip(("in", "out"), hooks, strict=True)
    ]
    read = _scale("input", widths[0], norms[0], findings)
    written = _scale("output", widths[1], norms[1], findings) if is_transcoder else read
    if read is None and not is_transcoder and LOG_THRESHOLD in weights:
        return _Scales(1.0, 1.0, Normalisation(), unsettled=True)
    if read is None or written is None:
        raise AtlasError(
            f"{fields.path} has norm_activation dataset-wise and no average norm to scale by: "
            "dataset_average_activation_norm must hold it."
        )
    return _Scales(read, written, Normalisation())


def _average_norm(
    weights: Weights, fields: Fields, side: str, hook_name: str | None
) -> float | None:
    """The average norm of the activations at a hook: from the config, else from the weights."""
    name = f"dataset_average_activation_norm.{hook_name}"
    stored = weights.number(name) if name in weights else None
    names = (side,) if hook_name is None else (side, hook_name)
    stated = fields.section("dataset_average_activation_norm").number(*names)
    return stored if stated is None else stated


def _scale(about: str, d: int, norm: float | None, findings: Findings) -> float | None:
    if norm is None or not norm > 0:
        return findings.say(f"{about} scale", None, "no average norm is stored")
    return findings.say(f"{about} scale", d**0.5 / norm, f"√{d} over the average norm {norm:g}")


def _scaled(
    plain: Dictionary, weights: Weights, fields: Fields, scales: _Scales, findings: Findings
) -> Dictionary:
    """The activation function in the units it holds for, then input and output scales folded."""
    notes = []
    d_sae = plain.config.d_sae
    dictionary = plain
    if fields.flag("sparsity_include_decoder_norm"):
        # One threshold was set with both scales folded, those of training without.
        ratio = 1.0 if LOG_THRESHOLD in weights else scales.read / scales.written
        dictionary = fold_decoder_norm(replace(plain, W_dec=plain.W_dec * ratio))
        dictionary = replace(dictionary, W_dec=dictionary.W_dec / ratio)
        findings.say("decoder norm", "folded", fields.told("sparsity_include_decoder_norm"))
        notes.append("activations multiplied by the decoder norm as trained, decoder divided by it")
    activation = _activation(weights, fields, d_sae, scales.read, findings)
    top_k = activation.k if isinstance(activation, TopK) else None
    dictionary = replace(
        dictionary, activation=activation, config=replace(dictionary.config, k=top_k)
    )
    if scales.read != 1.0 or scales.written != 1.0:
        folded = fold_input_scale(dictionary, scales.read)
        dictionary = replace(
            folded,
            W_dec=dictionary.W_dec / scales.written,
            b_dec=dictionary.b_dec / scales.written,
        )
        notes.append(f"input scaled by {scales.read:.4g}, folded into the weights")
    return finished(dictionary, weights, findings, notes)


def _activation(
    weights: Weights, fields: Fields, d_sae: int, input_scale: float, findings: Findings
) -> Activation:
    function = (fields.text("act_fn") or "relu").lower()
    why = fields.told("act_fn", default="and then it is relu")
    threshold = fields.number("jump_relu_threshold") or 0.0
    if function == "topk" and threshold == 0:
        findings.say("architecture", "topk", why)
        return TopK(require_k(fields.number("top_k"), d_sae, fields.path))
    if function == "relu":
        findings.say("architecture", "relu", why)
        return ReLU()
    if function not in ("jumprelu", "topk"):
        raise AtlasError(
            f"{fields.path} has act_fn {function!r}, which can't be read; known are relu, "
            "jumprelu, topk."
        )
    findings.say("architecture", "jumprelu", why)
    if LOG_THRESHOLD in weights:
        findings.say("threshold", "one a feature", weights.shape(LOG_THRESHOLD))
        return JumpReLU(weights.tensor(LOG_THRESHOLD, d_sae).exp())
    findings.say("threshold", threshold, fields.told("jump_relu_threshold"))
    return JumpReLU(torch.full((d_sae,), threshold * input_scale))


READER = Reader(NAME, "hyperparams.json with checkpoints/final.safetensors", recognises, read)
