"""What each stage depends on: the settings it reads, and the stages it reads from.

Takes a run's settings and the hashes of its inputs; gives a recipe for every stage. A setting named
here for a stage, when it changes, costs that stage and those behind it, and no other; a setting
named nowhere (where the output goes, how many threads) changes no content. A test holds the two
lists together. Knows no file and runs nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import app
from app.precompute.job import TOKENS
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import STUDIES
from app.precompute.workplace.ledger import AFTER, Recipe, fingerprint
from app.stats.feature import OPTIONS as STATISTICS

QUALITY = "quality"
FINAL_NORM = "final norm"
NEAR = "near misses"
SILENT = "silent examples"
ABLATED = "ablated text"

PER_DICTIONARY = ("events", "statistics", "co-activation", NEAR, "weights", "map")
"""Stages that each dictionary has for itself: `events/resid`."""

READS: dict[str, tuple[str, ...]] = {
    TOKENS: (),
    "events": (TOKENS,),
    "statistics": ("events",),
    "co-activation": ("events",),
    NEAR: ("events",),
    "weights": (),
    "map": (),
    FINAL_NORM: (TOKENS,),
    QUALITY: ("events",),
    SILENT: ("statistics",),
    ABLATED: ("statistics",),
    **{study.name: study.reads for study in STUDIES},
}
"""The stages that a stage reads from."""

SETTINGS: dict[str, tuple[str, ...]] = {
    TOKENS: ("text_field", "split", "packing", "max_tokens"),
    "events": ("dtype", "hidden_pre_contexts", "seed"),
    "statistics": tuple(STATISTICS.values()),
    "co-activation": ("coactivation_tokens",),
    NEAR: ("near_misses",),
    "weights": ("dtype",),
    "map": ("direction_map", "seed"),
    FINAL_NORM: ("dtype",),
    QUALITY: ("quality_contexts", "seed", "dtype"),
    SILENT: ("dtype",),
    ABLATED: (
        *("ablation_examples", "ablation_interval_examples", "ablation_window", "replacements"),
        *("context_examples", "context_draws", "seed", "dtype"),
    ),
    **{study.name: study.settings for study in STUDIES},
}
"""The settings a stage reads as they stand."""

SETTLED = {"corpus", "model", "sae", "hook_name", "context_size", "prepend_bos", "sae_format"} | {
    *("hook_name_out", "batch_contexts", "contexts_per_shard", "name"),
}
"""Settings that are in the recipes as what became of them: hashes, sizes."""

AT_ASSEMBLY = {"decoder_megabytes", "skip"}
"""Settings that no stage reads, but the atlas depends on when it is put together."""

HOW = {"replace", "threads", "progress", "workers", "num_gpus", "ray_address"} | {
    "activation_gigabytes"
}
"""Settings that say how the work is done; neither recipe nor command of an atlas names them."""

WITHOUT_EFFECT = HOW | {"output", "device", "verify"}
"""Settings that no content depends on: `verify` refuses or lets pass."""

EVENT_LAYOUT = 3
"""Raised whenever later stages could not read what an unfinished run has written."""

LIBRARIES = ("torch", "transformers", "transformer-lens", "tokenizers", "numpy")
"""Those that compute."""


@dataclass(frozen=True)
class Facts:
    """What became of the settings that are looked up, and the hashes of what was read."""

    corpus: str
    """its name and the state of its content"""
    tokenizer_hash: str
    model_hash: str
    dictionaries: Mapping[str, Mapping[str, str]]
    """hooks and hash of the weights, by address part"""
    context_size: int
    prepend_bos: bool
    contexts_per_shard: int | None
    """None for what follows from the size of the contexts"""
    sizes: Mapping[str, int] | None
    """of batches and tiles, which change the last digits; None until they are chosen"""
    way: str | None
    """what the model is run through, which changes them too; None until it was seen"""
    beside: Mapping[str, str] = field(default_factory=dict)
    """of the dictionaries of the model that the atlas holds besides, what is compared, as a hash"""


def stage_recipes(settings: PrecomputeSettings, facts: Facts) -> dict[str, Recipe]:
    """Every stage's recipe, those it reads from before it."""
    recipes: dict[str, Recipe] = {}
    for kind, reads in READS.items():
        own = {name: getattr(settings, name) for name in SETTINGS[kind]} | _settled(kind, facts)
        saes = list(facts.dictionaries)
        for sae in saes if kind in PER_DICTIONARY else [None]:
            recipe = own if sae is None else own | dict(facts.dictionaries[sae])
            sources = [name for read in reads for name in _stages(read, saes, sae)]
            after = {name: fingerprint(recipes[name]) for name in sources}
            recipes[stage_name(kind, sae)] = recipe | {AFTER: after}
    return recipes


def stage_name(kind: str, sae: str | None = None) -> str:
    """The stage of this kind; of one dictionary, where each has its own."""
    return kind if sae is None else f"{kind}/{sae}"


def changed_settings(old: Recipe, new: Recipe) -> set[str]:
    """What of a stage's own differs between two recipes, not what the stages before it changed."""
    names = (old.keys() | new.keys()) - {AFTER}
    return {name for name in names if old.get(name) != new.get(name)}


def _stages(kind: str, saes: Iterable[str], sae: str | None) -> list[str]:
    """The stages of a kind that a stage (of one dictionary, or of all) reads from."""
    if kind not in PER_DICTIONARY:
        return [kind]
    return [stage_name(kind, each) for each in ([sae] if sae else saes)]


def _settled(kind: str, facts: Facts) -> dict[str, Any]:
    if kind == TOKENS:
        return {
            "the corpus' content": facts.corpus,
            "the tokenizer": facts.tokenizer_hash,
            "context_size": facts.context_size,
            "prepend_bos": facts.prepend_bos,
        } | program_versions()
    model = {"the model": facts.model_hash}
    if kind == "events":
        return model | {
            "sizes": facts.sizes,
            "contexts_per_shard": facts.contexts_per_shard,
            "the way the model is run": facts.way,
            "the layout of event files": EVENT_LAYOUT,
        }
    if kind == SILENT:
        return model | {"sizes": facts.sizes}
    if kind == "weights":
        return model | {"the tokenizer": facts.tokenizer_hash} | program_versions()
    if kind == "map":
        return program_versions()
    if kind == ABLATED:  # its pieces name dictionaries by their place
        return model | {"the order of the dictionaries": list(facts.dictionaries)}
    if kind in OF_STUDIES:  # their pieces speak of all dictionaries of a run
        own: dict[str, Any] = {
            "the dictionaries": {sae: dict(told) for sae, told in facts.dictionaries.items()}
        }
        if OF_STUDIES[kind].beside:
            own["the dictionaries of the atlas"] = dict(facts.beside)
        return own | program_versions() | (model if OF_STUDIES[kind].uses_model else {})
    return model if kind in (QUALITY, FINAL_NORM) else {}


OF_STUDIES = {study.name: study for study in STUDIES}


def program_versions(libraries: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """The versions of what computes: other ones may give other last digits."""
    found = {"feature-atlas": app.__version__}
    for library in libraries:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
