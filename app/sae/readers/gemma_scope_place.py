"""Where a Gemma Scope dictionary reads: from its config, else from what its folders are called.

`gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71` (Gemma Scope 1, no config), or
`gemma-scope-2-1b-pt/transcoder/layer_17_width_16k_l0_big_affine` (Gemma Scope 2). Takes the folder,
the config and the width of the input; knows no weights.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from app.sae.readers.fields import Fields
from app.sae.readers.modules import ModuleHooks, hooks_of_module
from app.sae.recognition import Findings

_FIRST = re.compile(r"gemma-scope-(2b|9b|27b)-(pt|it)-(res|mlp|att|transcoders)")
_SECOND = re.compile(r"gemma-scope-2-(\d+m|\d+b)-(pt|it)")
_LAYER = re.compile(r"layer_(\d+)")
_AVERAGE_L0 = re.compile(r"average_l0_(\d+)")
#: By the width of concatenated heads or of the residual stream, which only these models have.
_WIDTHS = {
    2304: ("google/gemma-2-2b", "res"),
    2048: ("google/gemma-2-2b", "att"),
    3584: ("google/gemma-2-9b", "res"),
    4096: (None, "att"),
    4608: ("google/gemma-2-27b", "res"),
}
#: (where it reads, where it writes if that is elsewhere) by the word for the site.
_SITES = {
    "res": ("hook_resid_post", None),
    "resid_post": ("hook_resid_post", None),
    "mlp": ("hook_mlp_out", None),
    "mlp_out": ("hook_mlp_out", None),
    "att": ("attn.hook_z", None),
    "attn_out": ("attn.hook_z", None),
    # Gemma Scope 1 reads behind the norm and before its gains, Gemma Scope 2 what the MLP reads.
    "transcoders": ("ln2.hook_normalized", "hook_mlp_out"),
    "transcoder": ("mlp.hook_in", "hook_mlp_out"),
}


@dataclass(frozen=True)
class Place:
    """What is known besides the weights; None is "nothing says it"."""

    model_name: str | None
    hook_name: str | None
    hook_name_out: str | None
    is_transcoder: bool
    is_embedding: bool
    target_l0: float | None
    #: What had to be assumed, for the atlas.
    note: str | None = None


def place_of(names: list[str], config: Fields, d_in: int, findings: Findings) -> Place:
    """`names`: the folders from the dictionary's own upwards; `config`: empty where there is none.

    Notes every fact with what says it.
    """
    repository = _first(_FIRST, names)
    model_name = _model(names, config, d_in, findings)
    target_l0 = _target_l0(names, config, findings)
    if "embedding" in names:
        hook = findings.say("hook", "hook_embed", "a folder is called embedding")
        return Place(model_name, hook, None, False, True, target_l0)
    read, written = (
        _hook_point(config, name, model_name) for name in ("hf_hook_point_in", "hf_hook_point_out")
    )
    if read is not None:
        written = None if written == read else written
        findings.say("hook", read, config.told("hf_hook_point_in"))
        if written:
            findings.say("output hook", written, config.told("hf_hook_point_out"))
        return Place(model_name, read, written, written is not None, False, target_l0)
    site, why, note = _site(names, repository, d_in)
    layer = _first(_LAYER, names)
    read, written = _SITES[site]
    hook = None if layer is None else f"blocks.{layer[1]}.{read}"
    layer_why = "no folder names a layer" if layer is None else f"a folder is called {layer[0]}"
    findings.say("hook", hook, f"{why}; {layer_why}")
    hook_out = None if layer is None or written is None else f"blocks.{layer[1]}.{written}"
    if written is not None:
        findings.say("output hook", hook_out, why)
    return Place(model_name, hook, hook_out, written is not None, False, target_l0, note)


def _first(pattern: re.Pattern[str], names: Iterable[str]) -> re.Match[str] | None:
    return next((found for name in names if (found := pattern.search(name))), None)


def _model(names: list[str], config: Fields, d_in: int, findings: Findings) -> str | None:
    stated = config.text("model_name")
    if stated is not None:
        name = stated.replace("-v3", "-3")
        name = name if "/" in name else f"google/{name}"
        return findings.say("model", name, config.told("model_name"))
    if first := _first(_FIRST, names):
        name = f"google/gemma-2-{first[1]}" + ("-it" if first[2] == "it" else "")
        return findings.say("model", name, f"a folder is called {first[0]}")
    if second := _first(_SECOND, names):
        name = f"google/gemma-3-{second[1]}-{second[2]}"
        return findings.say("model", name, f"a folder is called {second[0]}")
    guess = _WIDTHS.get(d_in, (None, ""))[0]
    why = f"of its family that model has a width of {d_in}" if guess else "nothing says it"
    return findings.say("model", guess, why)


def _target_l0(names: list[str], config: Fields, findings: Findings) -> float | None:
    stated = config.number("l0")
    if stated is not None:
        return findings.say("L0 target", stated, config.told("l0"))
    found = _first(_AVERAGE_L0, names)
    if found is None:
        return None
    return findings.say("L0 target", float(found[1]), f"a folder is called {found[0]}")


def _hook_point(config: Fields, name: str, model_name: str | None) -> str | None:
    """The hook of `model.layers.17.mlp.output`; None where the config has no such place."""
    stated = config.text(name)
    module, _, side = (stated or "").rpartition(".")
    hooks: ModuleHooks | None = hooks_of_module(module, model_name)
    if hooks is None or side not in ("input", "output"):
        return None
    return hooks.read if side == "input" else hooks.written


def _site(
    names: list[str], repository: re.Match[str] | None, d_in: int
) -> tuple[str, str, str | None]:
    """(the word for the site, why, what was assumed)."""
    if repository is not None:
        return repository[3], f"a folder is called {repository[0]}", None
    for name in names:
        word = name.removesuffix("_all")
        if word in _SITES:
            return word, f"a folder is called {name}", None
    if _WIDTHS.get(d_in, (None, ""))[1] == "att":
        return "att", f"its input is {d_in} wide, as the heads of Gemma 2 are together", None
    note = "no folder names the site, so the residual stream is assumed (--hook-name says another)"
    return "res", note, note
