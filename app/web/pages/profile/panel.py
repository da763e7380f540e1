"""What holds the activation up, over the examples with ablated text: by place, token and context.

Takes a feature's material, the change shown (delete, replace or both) and what effects are measured
on; every average says over which examples and how many, interval examples weigh as much as their
band's share of the firings, and a token is compared with the mean effect at its distance, so that
mere adjacency does not look like meaning. Knows no query.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.web.charts.plot import Chart
from app.web.pages.examples.stored import MODES
from app.web.pages.feature.material import Material
from app.web.pages.profile.context_needed import ContextNeeded, build_context_needed
from app.web.pages.profile.disagreement import Disagreements, build_disagreements
from app.web.pages.profile.distances import (
    DistanceRow,
    distance_rows,
    farther_words,
    mean_curve,
    means_by_distance,
)
from app.web.pages.profile.examples import EffectOn, ProfileExample, profile_examples
from app.web.pages.profile.map import OFFSETS, HeatRow, heat_rows, n_drawn
from app.web.pages.profile.tokens import ProfileToken, build_profile_tokens


@dataclass(frozen=True)
class AblationProfile:
    """The panel as printed."""

    modes: tuple[str, ...]
    """the changes the heat map shows"""
    effect: EffectOn
    measured_on: str
    """what effects are a share of, in words"""
    not_above_zero: str
    """what is shown where hidden_pre is not above zero; empty where there is no such example"""
    scope: str
    """which examples stand behind it"""
    curve: Chart
    offsets: list[str]
    """column heads of the heat map"""
    rows: list[HeatRow]
    n_rows_left_out: int
    distances: list[DistanceRow]
    farther: str
    """what lies before the first column, in words; empty where nothing was measured there"""
    tokens: list[ProfileToken]
    tokens_scope: str
    disagreements: Disagreements | None
    context_needed: ContextNeeded | None

    @property
    def mode(self) -> str:
        """The first of the changes shown."""
        return self.modes[0]


def build_ablation_profile(
    material: Material, ablation: str, effect: EffectOn = "activation"
) -> AblationProfile | None:
    """The panel, or None where no example has ablated text; `off` shows deletions."""
    examples = profile_examples(material, effect)
    if not examples:
        return None
    top = [item for item in examples if item.group == "top"]
    others = [item for item in examples if item.group != "top"]
    modes = MODES if ablation == "both" else (ablation,) if ablation in MODES else ("delete",)
    means = means_by_distance(top, others)
    return AblationProfile(
        modes=modes,
        effect=effect,
        measured_on="activation" if effect == "activation" else "pre-activation (hidden_pre)",
        not_above_zero=_not_above_zero(examples),
        scope=_scope(material, len(top), len(others)),
        curve=mean_curve(top, means, modes[0], effect),
        offsets=OFFSETS,
        rows=heat_rows(examples, modes),
        n_rows_left_out=max(0, len(examples) - n_drawn(len(modes))),
        distances=distance_rows(means, top, others),
        farther=farther_words(means["delete"]),
        tokens=build_profile_tokens(top, others, means["delete"]),
        tokens_scope=f"{len(top)} top and {len(others)} interval examples",
        disagreements=build_disagreements(examples),
        context_needed=build_context_needed(material),
    )


def _not_above_zero(examples: Sequence[ProfileExample]) -> str:
    n = sum(not item.above_zero for item in examples)
    if n == 0:
        return ""
    return (
        f"In {n} of {len(examples)} examples hidden_pre is not above zero at the peak, so a share "
        "of it says nothing: for them the change of the activation is shown."
    )


def _scope(material: Material, n_top: int, n_others: int) -> str:
    parts = []
    if n_top:
        parts.append(f"{n_top} of {material.groups['top'].context_id.size} top examples")
    if n_others:
        n_stored = sum(material.groups[g].context_id.size for g in material.ablations if g != "top")
        parts.append(
            f"{n_others} of {n_stored} interval examples, weighted by their band's share of the "
            "firings"
        )
    return " and ".join(parts)
