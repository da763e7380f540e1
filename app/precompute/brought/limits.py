"""What can be measured of what was given: the settings without what can't, and that in words.

Takes a run's options and which functions there are. The same lists serve a user's module and
firings that were given. Knows no function.
"""

from dataclasses import dataclass
from typing import Any

from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import COMBINED, GEOMETRY, RECONSTRUCTION, REGIONS
from app.precompute.studies.catalog import NAMES as STUDIES


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
    can = studies(has)
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


def studies(has: AtHand) -> list[str]:
    """Names of the studies that need no more than there is, in their order."""
    needs = {
        REGIONS.name: True,
        RECONSTRUCTION.name: has.own_run,
        GEOMETRY.name: has.model and has.directions,
        COMBINED.name: has.model and has.hidden_pre,
    }
    return [name for name in STUDIES if needs.get(name)]


def absent(has: AtHand) -> dict[str, str]:
    """What pages lack, by the name of what is missing, each with the reason: a whole sentence."""
    found: dict[str, str] = {}
    if not has.model:
        found["ablated text"] = "There is no ablated text: the model was not at hand."
    if not has.hidden_pre:
        found["pre-activations"] = (
            "There are no pre-activations: no function hidden_pre was given."
            if has.own_run
            else "There are no pre-activations: the model was not at hand."
        )
    if not (has.own_run and has.hidden_pre):
        found["near misses"] = "There are no near misses: " + (
            "they are found by pre-activations, and no function hidden_pre was given."
            if has.own_run
            else "the firings were given, without the pre-activations of silent tokens."
        )
    if not has.directions:
        found["neighbors"] = (
            "There are no nearest features, decoder norms or map: the decoder rows were not given."
        )
    if not (has.directions and has.unembedding):
        found["logit lens"] = (
            "There is no logit lens: it takes decoder rows and an unembedding, and "
            f"{'no unembedding was' if has.directions else 'they were not'} given."
        )
    if not has.own_run:
        found["reconstruction"] = (
            "How well the dictionary reconstructs is not known: the firings were given, not the "
            "activations."
        )
    elif not has.logits:
        found["cross-entropy"] = (
            "What the reconstruction costs the model is not measured: no logits were given."
        )
    return found
