"""The configuration of a SAELens dictionary: flat `cfg.json` (v3 to v5), nested (v6).

Takes the JSON object, gives one set of fields with each version's own defaults, and notes which
are which. Knows nothing of the weights.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.errors import AtlasError
from app.sae.normalisation import Normalisation
from app.sae.readers.context_size import stated_context_size
from app.sae.readers.fields import Fields
from app.sae.recognition import Findings

TRANSCODERS = ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder")
#: v6's batch-top-k names belong to training checkpoints; finished ones call themselves jumprelu.
ARCHITECTURES = (
    *("standard", "gated", "jumprelu", "topk", "batchtopk", "matryoshka_batchtopk"),
    *TRANSCODERS,
)
#: What SAELens saves too and no atlas can hold.
UNREADABLE = {
    "abstopk": "its features fire in both directions, and a feature here fires above zero",
    "matching_pursuit": "its features are found one after the other on what the last ones left",
    "temporal": "its features depend on the tokens before, and here on one token's activation",
}
NORMALISATIONS: dict[str, Literal["none", "layer_norm", "constant_norm"]] = {
    "none": "none",
    "layer_norm": "layer_norm",
    "constant_norm_rescale": "constant_norm",
    # A constant factor: folded into the weights by the reader, nothing per token.
    "expected_average_only_in": "none",
}
#: Where a model with centred writing weights differs from the raw one.
CENTRED_HOOKS = (
    "hook_resid_pre",
    "hook_resid_mid",
    "hook_resid_post",
    "hook_mlp_out",
    "hook_attn_out",
)


@dataclass(frozen=True)
class SaelensConfig:
    """The fields of any version's cfg.json, defaults filled in."""

    architecture: str
    hook_name: str | None
    hook_head_index: int | None
    model_name: str | None
    prepend_bos: bool | None
    context_size: int | None
    normalisation: Normalisation
    #: The config says activations were divided by a constant, the average norm over √d_in.
    expects_average: bool
    #: That constant's inverse, where the config holds it.
    norm_scaling_factor: float | None
    #: Where a transcoder writes.
    hook_name_out: str | None
    #: Whether b_dec is subtracted from the (normalised) input.
    apply_b_dec_to_input: bool
    #: Whether activations are pre-activations times ‖W_dec‖.
    rescale_acts_by_decoder_norm: bool
    #: Whether the decoder has a factor per feature beside it.
    announces_finetuning: bool
    flatten_heads: bool
    k: float | None
    d_in: int | None
    d_sae: int | None
    d_out: int | None
    raw: dict[str, Any]

    @property
    def is_transcoder(self) -> bool:
        return self.architecture in TRANSCODERS


def parse_config(raw: dict[str, Any], path: Path, findings: Findings) -> SaelensConfig:
    """The fields of a cfg.json; AtlasError for an architecture or a setting not known here."""
    top = Fields(raw, path)
    nested = raw.get("metadata", raw.get("meta"))
    flat = not isinstance(nested, dict)
    fields = top if flat else Fields({**raw, **nested}, path)
    version = fields.text("sae_lens_version") or ("3 to 5" if flat else "6")
    findings.say("written by", f"SAELens {version}", "cfg.json " + _layout(fields, flat))
    architecture = _architecture(fields, findings)
    is_transcoder = architecture in TRANSCODERS
    declared = _declared_normalisation(fields)
    findings.say("input normalisation", declared, fields.told("normalize_activations"))
    hook_name = _hook_name(fields)
    findings.say("hook", hook_name, fields.told("hook_name", "hook_point"))
    hook_name_out = fields.text("hook_name_out") if is_transcoder else None
    if is_transcoder:
        findings.say("output hook", hook_name_out, fields.told("hook_name_out"))
    subtracted = not is_transcoder and fields.flag("apply_b_dec_to_input") is not False
    why = fields.told("apply_b_dec_to_input", default="and then b_dec is subtracted")
    why = "a transcoder's b_dec is of the width of its output" if is_transcoder else why
    findings.say("pre-bias", "b_dec" if subtracted else "none", why)
    # Before v6 an absent prepend_bos meant true; since then it means "not stated".
    prepend_bos = True if flat and "prepend_bos" not in raw else fields.flag("prepend_bos")
    default = "and before version 6 that meant yes" if flat else "and since version 6 that is open"
    findings.say("BOS", prepend_bos, fields.told("prepend_bos", default=default))
    context_size = stated_context_size(fields, "context_size", findings)
    findings.say("model", fields.text("model_name"), fields.told("model_name"))
    return SaelensConfig(
        architecture=architecture,
        hook_name=hook_name,
        hook_name_out=hook_name_out,
        hook_head_index=fields.whole("hook_head_index", "hook_point_head_index"),
        model_name=fields.text("model_name"),
        prepend_bos=prepend_bos,
        context_size=context_size,
        normalisation=Normalisation(
            NORMALISATIONS[declared], _centred(fields, hook_name), one_way=is_transcoder
        ),
        expects_average=declared == "expected_average_only_in",
        norm_scaling_factor=fields.number("norm_scaling_factor"),
        apply_b_dec_to_input=subtracted,
        rescale_acts_by_decoder_norm=_rescaled(fields, architecture),
        announces_finetuning=bool(fields.flag("finetuning_scaling_factor")),
        flatten_heads=_flatten_heads(fields, hook_name, flat),
        k=_k(fields),
        d_in=fields.whole("d_in"),
        d_sae=fields.whole("d_sae"),
        d_out=fields.whole("d_out"),
        raw=raw,
    )


def _layout(fields: Fields, flat: bool) -> str:
    if fields.text("sae_lens_version"):
        return "has sae_lens_version"
    return "is flat, as before version 6" if flat else "has metadata, as since version 6"


def _architecture(fields: Fields, findings: Findings) -> str:
    architecture = fields.text("architecture") or "standard"
    why = fields.told("architecture", default="and then it is standard")
    if architecture in UNREADABLE:
        raise AtlasError(
            f"{fields.path} has architecture {architecture!r}, which can't be shown: "
            f"{UNREADABLE[architecture]}."
        )
    if architecture not in ARCHITECTURES:
        raise AtlasError(
            f"{fields.path} has architecture {architecture!r}, which can't be read; known are "
            f"{', '.join(ARCHITECTURES)}."
        )
    function = fields.text("activation_fn_str", "activation_fn") or "relu"
    if function == "topk" and architecture in ("standard", "topk"):
        named = fields.told("activation_fn_str", "activation_fn")
        return findings.say("architecture", "topk", named)
    if function != "relu":
        raise AtlasError(
            f"{fields.path} has activation function {function!r} with architecture "
            f"{architecture!r}, which can't be read; known are relu and, for standard and topk, "
            "topk."
        )
    return findings.say("architecture", architecture, why)


def _rescaled(fields: Fields, architecture: str) -> bool:
    """Other architectures than the top-k family ignore the setting, even where it is written."""
    stated = fields.flag("rescale_acts_by_decoder_norm")
    if architecture.endswith("batchtopk"):
        # A training config, where it is on by default.
        return True if stated is None else stated
    return architecture == "topk" and bool(stated)


def _k(fields: Fields) -> float | None:
    k = fields.number("k")
    return fields.section("activation_fn_kwargs").number("k") if k is None else k


def _declared_normalisation(fields: Fields) -> str:
    value = fields.any("normalize_activations")
    if value is None or value is False:
        return "none"
    if value is True:
        return "expected_average_only_in"
    if not isinstance(value, str) or value not in NORMALISATIONS:
        raise AtlasError(
            f"{fields.path} has normalize_activations {value!r}, expected one of "
            f"{', '.join(NORMALISATIONS)}."
        )
    return value


def _hook_name(fields: Fields) -> str | None:
    name = fields.text("hook_name", "hook_point")
    layer = fields.whole("hook_layer", "hook_point_layer")
    # The oldest files hold a pattern and the layer beside it.
    return None if name is None else name.replace("{layer}", str(layer))


def _flatten_heads(fields: Fields, hook_name: str | None, flat: bool) -> bool:
    stated = fields.text("reshape_activations")
    if stated is None:
        return flat and "hook_z" in (hook_name or "")
    if stated not in ("none", "hook_z"):
        raise AtlasError(
            f"{fields.path} has reshape_activations {stated!r}, expected none or hook_z."
        )
    return stated == "hook_z"


def _centred(fields: Fields, hook_name: str | None) -> bool:
    centred = fields.section("model_from_pretrained_kwargs").flag("center_writing_weights")
    return bool(centred) and (hook_name or "").endswith(CENTRED_HOOKS)
