"""What is known about a dictionary_learning dictionary besides its weights.

Takes the path of the weights file; gives the fields of the `config.json` beside it and, where that
is missing or silent, what the folders' names say (`pythia-70m-deduped/mlp_out_layer3/…`). Knows
nothing of the weights.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.sae.readers.context_size import stated_context_size
from app.sae.readers.fields import Fields
from app.sae.readers.files import read_json
from app.sae.recognition import Findings

CONFIG_FILE = "config.json"
#: How many folders above the weights may have a say.
FOLDERS = 4
#: How the library's scripts call a site, and the TransformerLens hook at the same place.
SITES = {
    "resid_pre": "hook_resid_pre",
    "resid_mid": "hook_resid_mid",
    "resid_post": "hook_resid_post",
    "resid_out": "hook_resid_post",
    "attn_out": "hook_attn_out",
    "attention_out": "hook_attn_out",
    "mlp_out": "hook_mlp_out",
}
SITE_PATTERN = re.compile(rf"(?<![a-z])({'|'.join(SITES)})_layer_?(\d+)(?!\d)")
TOP_K_PATTERN = re.compile(r"(batch[_-]?)?top[_-]?k", re.IGNORECASE)


@dataclass(frozen=True)
class LibraryConfig:
    """None is "not stated"."""

    class_name: str | None
    hook_name: str | None
    model_name: str | None
    prepend_bos: bool | None
    context_size: int | None
    k: float | None
    target_l0: float | None
    d_in: int | None
    d_sae: int | None
    #: Whether a folder's name says batch-top-k (True) or top-k (False).
    folder_says_batch: bool | None
    raw: dict[str, Any]


def read_config(weights_file: Path, findings: Findings) -> LibraryConfig:
    """Everything but the weights, noted with what says it.

    AtlasError only for a config.json that is no JSON object.
    """
    path = weights_file.with_name(CONFIG_FILE)
    raw = read_json(path) if path.exists() else {}
    trainer = Fields(raw, path).section("trainer")
    buffer = Fields(raw, path).section("buffer")
    # The nearest folder has the last word; the file's own name is only ae.pt.
    folders = list(reversed(weights_file.absolute().parts[:-1]))[:FOLDERS]
    model_name = findings.say("model", trainer.text("lm_name"), trainer.told("lm_name"))
    return LibraryConfig(
        class_name=trainer.text("dict_class"),
        hook_name=_hook_name(trainer, folders, findings),
        model_name=model_name,
        prepend_bos=_prepend_bos(model_name, folders, findings),
        context_size=stated_context_size(buffer, "ctx_len", findings),
        k=trainer.number("k"),
        target_l0=trainer.number("target_l0"),
        d_in=trainer.whole("activation_dim"),
        d_sae=trainer.whole("dict_size"),
        folder_says_batch=_folder_says_batch(folders),
        raw=raw,
    )


def _hook_name(trainer: Fields, folders: list[str], findings: Findings) -> str | None:
    submodule, layer = trainer.text("submodule_name"), trainer.whole("layer")
    if submodule is not None:
        hook = _hook_of(submodule) or _hook_of(f"{submodule}_layer_{layer}")
        if hook is not None:
            return findings.say("hook", hook, trainer.told("submodule_name"))
    for folder in folders:
        if hook := _hook_of(folder):
            return findings.say("hook", hook, f"a folder is called {folder}")
    # The library trains on the residual stream after the layer unless another submodule is named.
    if submodule is None and layer is not None:
        why = f"{trainer.told('layer')}, and without a submodule that is the residual stream"
        return findings.say("hook", f"blocks.{layer}.hook_resid_post", why)
    return findings.say("hook", None, "neither config.json nor a folder says it")


def _hook_of(name: str) -> str | None:
    found = SITE_PATTERN.search(name)
    return f"blocks.{found[2]}.{SITES[found[1]]}" if found else None


def _folder_says_batch(folders: list[str]) -> bool | None:
    for folder in folders:
        if found := TOP_K_PATTERN.search(folder):
            return found[1] is not None
    return None


def _prepend_bos(model_name: str | None, folders: list[str], findings: Findings) -> bool | None:
    """False for Pythia: the library leaves BOS to the tokenizer, and Pythia's adds none."""
    names = [model_name] if model_name else folders
    if any("pythia" in name.lower() for name in names):
        return findings.say(
            "BOS", False, "the library leaves it to the tokenizer; Pythia's has none"
        )
    return findings.say("BOS", None, "it is left to the tokenizer")
