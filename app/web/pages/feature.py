"""The page of one feature: its context record, how it is built, and its JSON twin.

Takes a dictionary, a feature's index and the view; reads the atlas once and hands the material to
the builder of each panel. A panel that has nothing to show is None, and `absent` says why. Knows no
template.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_feature
from app.db.records import GROUPS, FeatureRecord, Group
from app.web.memory import Memory
from app.web.pages.ablation_profile import AblationProfile, build_ablation_profile
from app.web.pages.activation_panel import ActivationPanel, build_activation_panel
from app.web.pages.examples import (
    ExampleView,
    Section,
    build_sections,
    chosen_rows,
    split_name,
)
from app.web.pages.feature_absent import absences
from app.web.pages.feature_facts import Fact, build_facts
from app.web.pages.feature_json import feature_json
from app.web.pages.feature_material import Material, load_material
from app.web.pages.lens_panel import LensPanel, build_lens_panel
from app.web.pages.locality_panel import Locality, Places, build_locality, build_places
from app.web.pages.policy import ablation_sentence, corpus_sentence
from app.web.pages.related_panel import (
    CoactiveTable,
    Neighbor,
    build_coactive,
    build_neighbors,
)
from app.web.pages.token_panel import TokenTable, build_token_table
from app.web.views import FeatureView


@dataclass(frozen=True)
class FeaturePage:
    """Everything the template of a feature prints."""

    sae: Sae
    record: FeatureRecord
    view: FeatureView
    group: str
    """group shown: the view's, or that of the example the view names"""
    group_sizes: dict[str, int]
    """stored examples by group; 0 where there are none"""
    previous: int | None
    """index of the feature before, None at the first"""
    next: int | None
    facts: list[Fact]
    activation: ActivationPanel | None
    tokens: TokenTable | None
    lens: LensPanel | None
    sections: list[Section]
    """the examples of the group shown; empty where there are none"""
    ablated: bool
    """whether an example shown has ablated text in the mode asked for"""
    profile: AblationProfile | None
    locality: Locality | None
    places: Places | None
    neighbors: list[Neighbor]
    coactive: CoactiveTable | None
    absent: dict[str, str]
    """for every panel that is missing, one sentence that says why"""
    corpus_note: str
    ablation_note: str
    material: Material = field(repr=False)
    """what the twin is made of; no template prints it"""

    def as_json(self) -> dict[str, Any]:
        """The twin: every group, exact numbers, keys as documented for the address."""
        return feature_json(self.material)


def build(
    connection: Connection,
    sae: Sae,
    feature_index: int,
    view: FeatureView,
    memory: Memory,
    everything: bool = False,
) -> FeaturePage:
    """The page of a feature that exists.

    Args:
        everything: read the text of all examples, as the twin needs it, not only of those shown.

    Raises:
        LookupError: the view names an example the feature does not have; the message is a sentence.
    """
    record = get_feature(connection, sae.sae_id, feature_index)
    if record is None:
        raise LookupError(f"{sae.address} holds no feature {feature_index}.")
    named = split_name(view.example)
    group = named[0] if named is not None and view.group == "mix" else view.group
    choose = None if everything else partial(chosen_rows, group=group)
    material = load_material(connection, sae, record, choose, memory)
    sizes = _sizes(material)
    if named is not None:
        _check_example(view.example, named, sizes)
    panels = {
        "activation": build_activation_panel(material, view.scale),
        "tokens": build_token_table(material),
        "lens": build_lens_panel(material, view.mode),
        "profile": build_ablation_profile(material, view.ablation),
        "locality": build_locality(material),
        "places": build_places(material),
        "neighbors": build_neighbors(material),
        "coactive": build_coactive(material),
        "sections": build_sections(
            material,
            chosen_rows(material.groups, material.ablations, group),
            ExampleView(group, view.ablation, view.layout, view.window, view.example),
        ),
    }
    ablated = any(
        line.baseline
        for section in panels["sections"]
        for example in section.examples
        for line in example.lines
    )
    missing = {name for name, panel in panels.items() if not panel}
    if not ablated and view.ablation != "off":
        missing.add("ablated")
    return FeaturePage(
        sae=sae,
        record=record,
        view=view,
        group=group,
        group_sizes=sizes,
        previous=feature_index - 1 if feature_index > 0 else None,
        next=feature_index + 1 if feature_index + 1 < sae.record.d_sae else None,
        facts=build_facts(material, memory.ranks(connection, sae.sae_id)),
        ablated=ablated,
        absent=absences(material, missing, group),
        corpus_note=corpus_sentence(sae),
        ablation_note=ablation_sentence(sae),
        material=material,
        **panels,
    )


def _sizes(material: Material) -> dict[str, int]:
    return {
        group: material.groups[group].context_id.size if group in material.groups else 0
        for group in GROUPS
    }


def _check_example(name: str, named: tuple[Group, int], sizes: dict[str, int]) -> None:
    group, row = named
    if row >= sizes[group]:
        raise LookupError(
            f"This feature has no example {name}: it has {sizes[group]} in the group {group}."
        )
