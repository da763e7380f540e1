"""What can be measured of what was given: the settings without what can't, and that in words.

Takes a run's options and which functions there are. The same lists serve a user's module and
firings that were given. Knows no function.
"""

from dataclasses import dataclass
from typing import Any

from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import NAMES as STUDIES
from app.precompute.studies.catalog import RECONSTRUCTION, REGIONS


@dataclass(frozen=True)
class AtHand:
    """What a run has."""

    model: bool
    """activations of any text"""
    own_run: bool
    """whether the corpus goes through the model here; else the firings were given"""
    logits: bool
    hidden_pre: bool
    directions: bool
    """decoder rows"""
    unembedding: bool
    """a way from the hook to the logits"""


def limited(settings: PrecomputeSettings, has: AtHand) -> PrecomputeSettings:
    """The settings, without what can't be measured."""
    can = {REGIONS.name} | ({RECONSTRUCTION.name} if has.own_run else set())
    changes: dict[str, Any] = {
        "skip": [name for name in STUDIES if name in settings.skip or name not in can]
    }
    if not (has.own_run and has.hidden_pre):
        changes["hidden_pre_contexts"] = 0
    if not (has.own_run and has.logits):
        changes["quality_contexts"] = 0
    if not has.model:
        changes |= {"ablation_examples": 0, "ablation_interval_examples": 0}
    if not has.directions:
        changes |= {"direction_map": "none", "decoder_megabytes": 0}
    return settings.model_copy(update=changes)


def absent(has: AtHand) -> list[str]:
    """What pages lack, each with the reason, in words."""
    why_model = "the model was not at hand"
    found = []
    if not has.own_run:
        found.append("errors of reconstruction: the firings were given, not the activations")
    if not has.model:
        found.append(f"ablated text and context needed: {why_model}")
    if not has.hidden_pre:
        found.append("pre-activations and near misses: no function hidden_pre was given"
                     if has.own_run else f"pre-activations: {why_model}")  # fmt: skip
    elif not has.own_run:
        found.append("near misses: the firings were given, without pre-activations")
    if not has.directions:
        found.append("neighbours, decoder norms and the map of directions: decoder rows were not "
                     "given")  # fmt: skip
    if not has.directions or not has.unembedding:
        found.append("logit lens: it takes decoder rows and an unembedding")
    if not has.logits:
        found.append("cross-entropies with the reconstruction in place: no logits were given")
    return found
