"""Reads SAELens dictionaries, v3 to v6: `cfg.json` beside `sae_weights.safetensors`.

Takes a folder (or either file), gives the internal form: standard, gated, jumprelu, topk, the
training checkpoints of batch-top-k, and transcoders. Its conventions: W_enc [d_in, d_sae], W_dec
[d_sae, d_in]; the input is normalised first, then b_dec is subtracted if `apply_b_dec_to_input`.
Finished dictionaries hold all constant factors in their weights; factors found beside the weights
are folded here. A transcoder has W_dec [d_sae, d_out] and W_skip [d_out, d_in]; its input may be
normalised, its output never is.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from app.errors import AtlasError
from app.sae.architectures import Activation, Gated, JumpReLU, ReLU, TopK
from app.sae.dictionary import Dictionary, DictionaryConfig
from app.sae.folding import describe_convention, fold_decoder_norm, fold_input_scale
from app.sae.readers.fields import Fields
from app.sae.readers.files import has_safetensors, read_json, read_safetensors
from app.sae.readers.reader import Reader
from app.sae.readers.saelens_config import SaelensConfig, parse_config
from app.sae.readers.weights import Weights, require_k
from app.sae.recognition import Findings, Recognition

NAME = "saelens"
CONFIG_FILE = "cfg.json"
WEIGHTS_FILE = "sae_weights.safetensors"

#: What each architecture stores besides W_enc, W_dec and b_dec.
OWN_TENSORS = {
    "standard": ("b_enc",),
    "topk": ("b_enc",),
    "jumprelu": ("b_enc", "threshold"),
    "gated": ("b_gate", "b_mag", "r_mag"),
    "batchtopk": ("b_enc", "topk_threshold"),
    "matryoshka_batchtopk": ("b_enc", "topk_threshold"),
    "transcoder": ("b_enc",),
    "skip_transcoder": ("b_enc", "W_skip"),
    "jumprelu_transcoder": ("b_enc", "threshold"),
    "jumprelu_skip_transcoder": ("b_enc", "threshold", "W_skip"),
}


def recognises(path: Path) -> bool:
    """A folder with the weights file under its fixed name, or one of the two files in it."""
    folder = _folder(path)
    # Llama Scope's later releases have weights under the same name, and their own config.
    beside = (folder / CONFIG_FILE).is_file() or not (folder / "config.json").is_file()
    return (
        beside
        and has_safetensors(folder / WEIGHTS_FILE)
        and (path.is_dir() or path.name in (CONFIG_FILE, WEIGHTS_FILE))
    )


def read(path: Path) -> Dictionary:
    folder, findings = _folder(path), Findings()
    findings.say("format", NAME, f"{CONFIG_FILE} lies beside {WEIGHTS_FILE}")
    config = parse_config(read_json(folder / CONFIG_FILE), folder / CONFIG_FILE, findings)
    weights = Weights(folder / WEIGHTS_FILE, read_safetensors(folder / WEIGHTS_FILE))
    weights.require(
        ("W_enc", "W_dec", "b_dec", *OWN_TENSORS[config.architecture]),
        f"architecture {config.architecture}",
    )
    W_enc = weights.tensor("W_enc", config.d_in, config.d_sae)
    d_in, d_sae = W_enc.shape
    d_out = config.d_out if config.is_transcoder else d_in
    W_dec = weights.tensor("W_dec", d_sae, d_out) * _finetuning_scale(weights, config, d_sae)
    d_out = W_dec.shape[1]
    b_dec = weights.tensor("b_dec", d_out)
    activation = _activation(weights, config, d_sae, findings)
    skip = "W_skip" in OWN_TENSORS[config.architecture]
    W_skip = weights.tensor("W_skip", d_out, d_in).T.contiguous() if skip else None
    b_enc = weights.tensor("b_enc", d_sae) if "b_enc" in weights else torch.zeros(d_sae)
    weights.refuse_surplus(f"architecture {config.architecture}")
    recognition = Recognition(findings.all(), weights.inventory())
    notes: list[str] = []
    dictionary = Dictionary(
        W_enc=W_enc,
        b_enc=b_enc,
        W_dec=W_dec,
        b_dec=b_dec,
        b_pre=b_dec.clone() if config.apply_b_dec_to_input else torch.zeros(d_in),
        activation=activation,
        normalisation=config.normalisation,
        config=replace(
            _dictionary_config(config, activation, folder, d_in, d_sae), recognition=recognition
        ),
        W_skip=W_skip,
    )
    if config.rescale_acts_by_decoder_norm:
        dictionary = fold_decoder_norm(dictionary)
        notes.append("activations multiplied by the decoder norm as trained, decoder divided by it")
    return _with_input_scale(dictionary, config, folder, notes)


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _activation(
    weights: Weights, config: SaelensConfig, d_sae: int, findings: Findings
) -> Activation:
    match config.architecture:
        case "topk":
            k = require_k(config.k, d_sae, weights.path.with_name(CONFIG_FILE))
            return TopK(findings.say("k", k, f"{CONFIG_FILE} has it"))
        case "jumprelu" | "jumprelu_transcoder" | "jumprelu_skip_transcoder":
            return JumpReLU(weights.tensor("threshold", d_sae))
        case "gated":
            names = ("b_gate", "b_mag", "r_mag")
            return Gated(**{name: weights.tensor(name, d_sae) for name in names})
        case "batchtopk" | "matryoshka_batchtopk":
            threshold = _batch_top_k_threshold(weights)
            findings.say("threshold", threshold, "topk_threshold, which training kept")
            return JumpReLU(torch.full((d_sae,), threshold))
        case _:
            return ReLU()


def _batch_top_k_threshold(weights: Weights) -> float:
    """The running minimum of what batch-top-k kept; it starts at 0 and only training raises it."""
    threshold = weights.number("topk_threshold")
    if not threshold > 0:
        raise AtlasError(
            f"{weights.path} has topk_threshold {threshold:g}, expected above 0: training never "
            "set it, so batch-top-k can't be applied token by token; choose a later checkpoint."
        )
    return threshold


def _finetuning_scale(weights: Weights, config: SaelensConfig, d_sae: int) -> Tensor:
    """A factor per feature on the decoder [d_sae, 1]; many old files have ones, that is none."""
    for name in ("scaling_factor", "finetuning_scaling_factor"):
        if name not in weights:
            continue
        scale = weights.tensor(name, d_sae)
        if not torch.allclose(scale, torch.ones(d_sae)):
            if not config.announces_finetuning:
                raise AtlasError(
                    f"{weights.path} holds a {name} other than 1 that its {CONFIG_FILE} does not "
                    "announce (finetuning_scaling_factor); correct whichever is wrong."
                )
            return scale[:, None]
    return torch.ones(d_sae, 1)


def _with_input_scale(
    dictionary: Dictionary, config: SaelensConfig, folder: Path, notes: list[str]
) -> Dictionary:
    """The factor of `expected_average_only_in` folded in if it lies beside the weights."""
    factor = _input_scale(config, folder) if config.expects_average else None
    if factor is not None:
        dictionary = fold_input_scale(dictionary, factor)
        notes.append(f"input scaled by {factor:.4g}, folded into the weights")
    elif config.expects_average:
        notes.append("input scale expected_average_only_in taken as already in the weights")
    complete = replace(
        dictionary.config,
        convention=describe_convention(dictionary.normalisation, dictionary.W_dec, notes),
        input_scale_unsettled=config.expects_average and factor is None,
    )
    return replace(dictionary, config=complete)


def _input_scale(config: SaelensConfig, folder: Path) -> float | None:
    """√d_in over the average norm: from the config, or from what a training run left beside it."""
    found = config.norm_scaling_factor
    if found is None and (scaler := folder / "activation_scaler.json").exists():
        found = Fields(read_json(scaler), scaler).number("scaling_factor")
    store = folder / "activations_store_state.safetensors"
    if found is None and store.is_file():
        state = Weights(store, read_safetensors(store))
        name = "estimated_norm_scaling_factor"
        found = state.number(name) if name in state else None
    if found is not None and not 0 < found < float("inf"):
        raise AtlasError(f"The input scale in {folder} is {found!r}, expected a positive number.")
    return found


def _dictionary_config(
    config: SaelensConfig, activation: Activation, folder: Path, d_in: int, d_sae: int
) -> DictionaryConfig:
    return DictionaryConfig(
        format=NAME,
        architecture=config.architecture,
        hook_name=config.hook_name,
        d_in=d_in,
        d_sae=d_sae,
        prepend_bos=config.prepend_bos,
        context_size=config.context_size,
        model_name=config.model_name,
        convention="",
        path=folder,
        raw=config.raw,
        k=activation.k if isinstance(activation, TopK) else None,
        target_l0=config.k if config.architecture.endswith("batchtopk") else None,
        hook_head_index=config.hook_head_index,
        flatten_heads=config.flatten_heads,
        hook_name_out=config.hook_name_out,
        is_transcoder=config.is_transcoder,
    )


READER = Reader(NAME, f"{CONFIG_FILE} with {WEIGHTS_FILE}", recognises, read)
