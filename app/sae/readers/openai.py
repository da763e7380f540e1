"""Reads OpenAI's sparse autoencoders of GPT-2 small: `{layer}.pt`.

Takes the file, gives the internal form. Its conventions: encoder.weight [d_sae, d_in],
decoder.weight [d_in, d_sae] (or the encoder's, tied); pre_bias is subtracted before the encoder and
added after the decoder; `activation` is ReLU or TopK with its k, and a TopK file implies that the
input is layer-normalised, which the reconstruction undoes. The layer is the file's name, the site a
folder's (`resid_post_mlp_v5_32k/autoencoders/8.pt`).
"""

import re
from pathlib import Path

from app.errors import AtlasError
from app.sae.architectures import Activation, ReLU, TopK
from app.sae.dictionary import Dictionary, DictionaryConfig
from app.sae.normalisation import Normalisation
from app.sae.readers.fields import Fields
from app.sae.readers.files import read_state_dict
from app.sae.readers.finishing import finished, folders_above
from app.sae.readers.pickled import pickled_words
from app.sae.readers.reader import Reader
from app.sae.readers.weights import Weights, require_k
from app.sae.recognition import Findings

NAME = "openai"
TIED = "decoder.linear.weight"
#: By what the release calls a place in the block.
SITES = {
    "mlp_post_act": "mlp.hook_post",
    "resid_delta_mlp": "hook_mlp_out",
    "resid_delta_attn": "hook_attn_out",
    "resid_post_attn": "hook_resid_mid",
    "resid_post_mlp": "hook_resid_post",
}
_SITE = re.compile("|".join(SITES))
_LAYER = re.compile(r"^(?:layer_?)?(\d+)$")
#: Gao et al. 2024, "Scaling and evaluating sparse autoencoders", section 2.1.
CONTEXT_SIZE = 64


def recognises(path: Path) -> bool:
    """A torch file in which this format's own names stand."""
    return path.is_file() and {"pre_bias", "latent_bias"} <= pickled_words(path).texts


def read(path: Path) -> Dictionary:
    if path.is_dir():
        raise AtlasError(f"{path} is a folder; name one of its files, which are called by layer.")
    findings = Findings()
    findings.say("format", NAME, "the file holds pre_bias and latent_bias")
    weights = Weights(path, read_state_dict(path))
    decoder = TIED if TIED in weights else "decoder.weight"
    weights.require(("pre_bias", "latent_bias", "encoder.weight", decoder), "an OpenAI autoencoder")
    encoder = weights.tensor("encoder.weight", None, None)
    d_sae, d_in = encoder.shape
    W_dec = encoder if decoder == TIED else weights.tensor(decoder, d_in, d_sae).T
    if decoder == TIED:
        weights.ignore(TIED)
        findings.say("decoder", "the encoder's rows", f"the file holds {TIED}")
    activation = _activation(weights, d_sae, findings)
    is_top_k = isinstance(activation, TopK)
    normalisation = Normalisation("layer_norm" if is_top_k else "none")
    why = "in this format TopK implies it" if is_top_k else "in this format only TopK has one"
    findings.say("input normalisation", normalisation.kind, why)
    findings.say("pre-bias", "pre_bias", f"the file holds {weights.shape('pre_bias')}")
    pre_bias = weights.tensor("pre_bias", d_in)
    return finished(
        Dictionary(
            W_enc=encoder.T.contiguous(),
            b_enc=weights.tensor("latent_bias", d_sae),
            W_dec=W_dec.contiguous(),
            b_dec=pre_bias,
            b_pre=pre_bias.clone(),
            activation=activation,
            normalisation=normalisation,
            config=DictionaryConfig(
                format=NAME,
                architecture=activation.name,
                hook_name=_hook(path, findings),
                d_in=d_in,
                d_sae=d_sae,
                prepend_bos=findings.say("BOS", None, "neither the file nor its folders say it"),
                context_size=findings.say("context size", CONTEXT_SIZE, "that of the paper"),
                model_name=findings.say("model", "gpt2", "the release is of GPT-2 small"),
                convention="",
                path=path,
                k=activation.k if isinstance(activation, TopK) else None,
            ),
        ),
        weights,
        findings,
    )


def _activation(weights: Weights, d_sae: int, findings: Findings) -> Activation:
    named = weights.text("activation") if "activation" in weights else "ReLU"
    why = f"the file holds activation = {named}" if "activation" in weights else "none is stored"
    settings = Fields(weights.mapping("activation_state_dict"), weights.path)
    findings.say("architecture", named, why)
    if named == "ReLU":
        return ReLU()
    if named != "TopK":
        raise AtlasError(
            f"{weights.path} has activation {named!r}, which can't be read; known are ReLU, TopK."
        )
    after = settings.text("postact_fn") or "ReLU"
    if after != "ReLU":
        raise AtlasError(
            f"{weights.path} has {after!r} after its TopK, which lets features fire below zero; "
            "known is ReLU."
        )
    k = require_k(settings.number("k"), d_sae, weights.path)
    return TopK(findings.say("k", k, "the file holds it in activation_state_dict"))


def _hook(path: Path, findings: Findings) -> str | None:
    layer = _LAYER.search(path.stem)
    sites = [found for name in folders_above(path, 4) if (found := _SITE.search(name))]
    if layer is None or not sites:
        missing = "the file's name is no layer" if layer is None else "no folder names a site"
        return findings.say("hook", None, missing)
    hook = f"blocks.{layer[1]}.{SITES[sites[0][0]]}"
    why = f"the file is called {path.name}, and a folder {sites[0].string}"
    return findings.say("hook", hook, why)


READER = Reader(NAME, "{layer}.pt with pre_bias and latent_bias", recognises, read)
