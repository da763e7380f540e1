"""Reads sparse coders of EleutherAI's sparsify: `cfg.json` beside `sae.safetensors`.

Takes the folder of a hookpoint (or either file), gives the internal form: top-k and groupmax,
autoencoders, transcoders, skip connections. Its conventions: encoder.weight [d_sae, d_in], W_dec
[d_sae, d_in] and not transposed; b_dec is subtracted from the input of an autoencoder and not of a
transcoder; W_skip [d_out, d_in] reads the input as it is. The hookpoint is a Hugging Face module,
whose output an autoencoder reads; a transcoder reads its input and predicts its output. The folder
is called after the module; the run's `config.json` one folder up names the model.
"""

from pathlib import Path

import torch

from app.errors import AtlasError
from app.sae.architectures import Activation, GroupMax, TopK
from app.sae.dictionary import Dictionary, DictionaryConfig
from app.sae.normalisation import Normalisation
from app.sae.readers.context_size import stated_context_size
from app.sae.readers.fields import Fields
from app.sae.readers.files import has_safetensors, read_json, read_safetensors
from app.sae.readers.finishing import finished, folders_above
from app.sae.readers.modules import first_module
from app.sae.readers.reader import Reader
from app.sae.readers.weights import Weights, require_k
from app.sae.recognition import Findings

NAME = "sparsify"
CONFIG_FILE = "cfg.json"
RUN_FILE = "config.json"
WEIGHTS_FILE = "sae.safetensors"


def recognises(path: Path) -> bool:
    """A folder with the weights file under its fixed name, or one of the two files in it."""
    return has_safetensors(_folder(path) / WEIGHTS_FILE) and (
        path.is_dir() or path.name in (CONFIG_FILE, WEIGHTS_FILE)
    )


def read(path: Path) -> Dictionary:
    folder, findings = _folder(path), Findings()
    findings.say("format", NAME, f"{CONFIG_FILE} lies beside {WEIGHTS_FILE}")
    raw = read_json(folder / CONFIG_FILE)
    fields = Fields(raw, folder / CONFIG_FILE)
    run = _run(folder)
    weights = Weights(folder / WEIGHTS_FILE, read_safetensors(folder / WEIGHTS_FILE))
    weights.require(("encoder.weight", "encoder.bias", "W_dec", "b_dec"), "a sparse coder")
    W_enc = weights.tensor("encoder.weight", _n_latents(fields), fields.whole("d_in"))
    d_sae, d_in = W_enc.shape
    transcodes = bool(fields.flag("transcode"))
    kind = "transcoder" if transcodes else "autoencoder"
    findings.say("kind", kind, fields.told("transcode", default="and then it is an autoencoder"))
    activation = _activation(fields, d_sae, findings)
    b_dec = weights.tensor("b_dec", d_in)
    why = "sparsify subtracts b_dec unless it transcodes"
    findings.say("pre-bias", "none" if transcodes else "b_dec", why)
    model_name = findings.say("model", run.text("model"), run.told("model"))
    hook_name, hook_name_out = _hooks(folder, transcodes, model_name, findings)
    context_size = stated_context_size(run, "ctx_len", findings)
    prepend_bos = findings.say("BOS", False, "sparsify cuts running text into contexts")
    return finished(
        Dictionary(
            W_enc=W_enc.T.contiguous(),
            b_enc=weights.tensor("encoder.bias", d_sae),
            W_dec=weights.tensor("W_dec", d_sae, d_in),
            b_dec=b_dec,
            b_pre=torch.zeros(d_in) if transcodes else b_dec.clone(),
            activation=activation,
            normalisation=Normalisation(),
            config=DictionaryConfig(
                format=NAME,
                architecture=activation.name,
                hook_name=hook_name,
                d_in=d_in,
                d_sae=d_sae,
                prepend_bos=prepend_bos,
                context_size=context_size,
                model_name=model_name,
                convention="",
                path=folder,
                raw=raw,
                k=activation.settings()["k"],  # type: ignore[arg-type]
                hook_name_out=hook_name_out,
                is_transcoder=transcodes,
            ),
            W_skip=_skip(weights, fields, d_in, findings),
        ),
        weights,
        findings,
    )


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _run(folder: Path) -> Fields:
    """The training run's settings; its folder lies above that of the hookpoint, and of the seed."""
    for above in (folder.absolute().parent, folder.absolute().parent.parent):
        file = above / RUN_FILE
        # Any file may be called so above a folder: only one that speaks of sparse coders counts.
        if file.is_file() and isinstance((found := read_json(file)).get("sae"), dict):
            return Fields(found, file)
    return Fields({}, folder.parent / RUN_FILE)


def _n_latents(fields: Fields) -> int | None:
    """Features by the config, where 0 means a multiple of d_in."""
    stated = fields.whole("num_latents")
    if stated:
        return stated
    d_in, factor = fields.whole("d_in"), fields.whole("expansion_factor")
    return None if d_in is None or factor is None else d_in * factor


def _activation(fields: Fields, d_sae: int, findings: Findings) -> Activation:
    function = fields.text("activation") or "topk"
    why = fields.told("activation", default="and then it is topk")
    if fields.flag("signed"):
        raise AtlasError(
            f"{fields.path} has signed = true: its features fire in both directions, and a feature "
            "here fires above zero."
        )
    k = require_k(fields.number("k"), d_sae, fields.path)
    findings.say("architecture", function, why)
    findings.say("k", k, fields.told("k"))
    if function == "topk":
        return TopK(k)
    if function == "groupmax" and d_sae % k == 0:
        return GroupMax(k)
    if function == "groupmax":
        raise AtlasError(
            f"{fields.path} has k = {k}, expected a divisor of its {d_sae} features: groupmax puts "
            "them into k equal groups."
        )
    raise AtlasError(
        f"{fields.path} has activation {function!r}, which can't be read; known are topk, groupmax."
    )


def _hooks(
    folder: Path, transcodes: bool, model_name: str | None, findings: Findings
) -> tuple[str | None, str | None]:
    """(where it reads, where it writes if that is elsewhere), from the folder of the module."""
    hooks = first_module(folders_above(folder, 2), model_name)
    if hooks is None:
        findings.say("hook", None, f"the folder {folder.name} is called after no module")
        return None, None
    if not transcodes:
        why = f"the output of the module that the folder {hooks.module} is called after"
        return findings.say("hook", hooks.written, why), None
    why = f"of the module that the folder {hooks.module} is called after"
    return (
        findings.say("hook", hooks.read, f"the input {why}"),
        findings.say("output hook", hooks.written, f"the output {why}"),
    )


def _skip(weights: Weights, fields: Fields, d_in: int, findings: Findings) -> torch.Tensor | None:
    """W_skip [d_in, d_out]; a config that promises one must have it."""
    if not fields.flag("skip_connection"):
        return None
    weights.require(("W_skip",), "skip_connection = true")
    findings.say("skip connection", True, fields.told("skip_connection"))
    return weights.tensor("W_skip", d_in, d_in).T.contiguous()


READER = Reader(NAME, f"{CONFIG_FILE} with {WEIGHTS_FILE}", recognises, read)
