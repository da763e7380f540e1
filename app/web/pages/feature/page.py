"""The page of one feature: its context record, how it is built, and its JSON twin.

Takes a dictionary, a feature's index and the view; reads the atlas once and hands the material to
the builder of each panel. A panel that has nothing to show is None, and `absent` says why. Knows no
template.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.features import get_feature
from app.db.records import FeatureRecord
from app.db.studies import get_feature_study
from app.db.study_records.combined import FeatureCombined
from app.db.study_records.effects import FeatureEffects
from app.web import urls
from app.web.memory import Memory
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.pages.connections.panel import ConnectionsPanel, build_connections_panel
from app.web.pages.examples.choice import chosen_rows
from app.web.pages.examples.panel import (
    ExamplesPanel,
    build_examples_panel,
    group_sizes,
    shown_group,
)
from app.web.pages.examples.sections import Section
from app.web.pages.feature.absent import absences
from app.web.pages.feature.activation_panel import ActivationPanel, build_activation_panel
from app.web.pages.feature.combined_panel import (
    CombinedPanel,
    build_combined,
    combined_json,
    combined_token_ids,
)
from app.web.pages.feature.effects_panel import (
    EffectsPanel,
    build_effects,
    effect_token_ids,
    effects_json,
)
from app.web.pages.feature.elsewhere_panel import Elsewhere, build_elsewhere, bytes_of
from app.web.pages.feature.facts import Fact, build_facts
from app.web.pages.feature.lens_panel import LensPanel, build_lens_panel
from app.web.pages.feature.locality_panel import Locality, Places, build_locality, build_places
from app.web.pages.feature.locality_strips import Strips, build_strips
from app.web.pages.feature.material import Material, load_material, with_tokens
from app.web.pages.feature.related_panel import (
    CoactiveTable,
    Neighbor,
    build_coactive,
    build_neighbors,
)
from app.web.pages.feature.token_panel import TokenTable, build_token_table
from app.web.pages.feature.twin import feature_json
from app.web.pages.feature.view_said import view_said
from app.web.pages.notebook.panel import NotebookPanel, build_notebook_panel
from app.web.pages.notebook.words import called
from app.web.pages.policy import ablation_sentence, corpus_sentence, scale_sentence
from app.web.pages.profile.panel import AblationProfile, build_ablation_profile
from app.web.pages.reading.panel import ReadingPanel, build_reading_panel
from app.web.pages.reading.twin import reading_json
from app.web.views import FeatureView, MapView

_BYTES_OF_NAMES = 1_200
"""Labels of the features beside it"""
_SPARE_BYTES, _SPARE_BYTES_IN_BOTH_MODES = 8_000, -4_000
"""What panels that only some features have may take before examples make room for them"""


@dataclass(frozen=True)
class FeaturePage:
    """Everything the template of a feature prints."""

    sae: Sae
    record: FeatureRecord
    view: FeatureView
    previous: int | None
    """index of the feature before, None at the first"""
    next: int | None
    facts: list[Fact]
    activation: ActivationPanel | None
    tokens: TokenTable | None
    lens: LensPanel | None
    examples: ExamplesPanel
    reading: ReadingPanel
    profile: AblationProfile | None
    combined: CombinedPanel | None
    """None where the study took none of its examples apart: the panel is left out"""
    effects: EffectsPanel | None
    """None where the study was skipped or looked at no firing: the panel is left out"""
    locality: Locality | None
    places: Places | None
    strips: Strips | None
    neighbors: list[Neighbor]
    coactive: CoactiveTable | None
    connections: ConnectionsPanel | None
    """None where it has none: nothing is said of it then"""
    elsewhere: list[Elsewhere]
    """in the other dictionaries of its hook; empty where it was compared with none"""
    absent: dict[str, str]
    """for every panel that is missing, one sentence that says why"""
    map_url: str
    """the map of directions with this feature marked; empty where there is none"""
    notebook: NotebookPanel
    corpus_note: str
    ablation_note: str
    scale_note: str
    """the norm its activations are measured in; empty for an import"""
    material: Material = field(repr=False)
    """what the twin is made of; no template prints it"""
    removed: FeatureEffects | None = field(repr=False)
    """the same"""
    taken_apart: FeatureCombined | None = field(repr=False)
    """the same"""

    @property
    def label(self) -> str:
        """What somebody called it; empty without a label about this dictionary."""
        first = self.notebook.first
        return "" if first is None else first.label.text

    @property
    def called(self) -> str:
        """What names it in a title: its label in quotation marks, else its short form."""
        return called(self.label, self.record.short)

    @property
    def said(self) -> str:
        """What this view claims beyond the feature itself; usually empty."""
        return view_said(self.reading, self.activation)

    @property
    def sections(self) -> list[Section]:
        """The examples of the group shown; empty where there are none."""
        return self.examples.shown.sections

    @property
    def group_sizes(self) -> dict[str, int]:
        """Stored examples by group; 0 where there are none."""
        return group_sizes(self.material)

    @property
    def ablated(self) -> bool:
        """Whether an example shown has ablated text in the mode asked for."""
        return bool(self.examples.shown.modes)

    def as_json(self) -> dict[str, Any]:
        """The twin: every group, exact numbers, keys as documented for the address."""
        own = {"reading": reading_json(self.reading), "notebook": self.notebook.as_json()}
        own["connections"] = None if self.connections is None else self.connections.as_json()
        own["elsewhere"] = [each.as_json() for each in self.elsewhere]
        own["effects"] = effects_json(self.material, self.removed)
        own["combined"] = combined_json(self.material, self.taken_apart)
        return feature_json(self.material) | own


def build(
    connection: Connection,
    sae: Sae,
    feature_index: int,
    view: FeatureView,
    memory: Memory,
    everything: bool = False,
    reader: Reader = NO_NOTEBOOK,
    beside: int = 0,
) -> FeaturePage:
    """The page of a feature that exists.

    Args:
        everything: read the text of all examples, as the twin needs it, not only of those shown.
        reader: what people wrote about it.
        beside: bytes of the page that neither this module nor the notebook fills.

    Raises:
        LookupError: the view names an example the feature does not have; the message is a sentence.
        ReadingError: the twin is asked for and its reading can't be read; the page says so itself.
    """
    record = get_feature(connection, sae.sae_id, feature_index)
    if record is None:
        raise LookupError(f"{sae.address} holds no feature {feature_index}.")
    choose = None if everything else partial(chosen_rows, group=shown_group(view))
    whole = view.window == "whole"
    material = load_material(connection, sae, record, choose, memory, whole)
    removed = get_feature_study(connection, FeatureEffects, sae.sae_id, feature_index)
    taken_apart = get_feature_study(connection, FeatureCombined, sae.sae_id, feature_index)
    token_ids = effect_token_ids(removed, everything) | combined_token_ids(taken_apart)
    material = with_tokens(connection, material, memory, token_ids)
    notebook = build_notebook_panel(reader, sae, feature_index)
    elsewhere = build_elsewhere(connection, sae, feature_index, memory)
    brief = bool(view.reading)
    previous, following = memory.columns(connection, sae.sae_id).beside(feature_index)
    effects = build_effects(material, removed, brief)
    combined = build_combined(material, taken_apart, brief)
    taken = notebook.n_bytes + bytes_of(elsewhere) + beside
    taken += _BYTES_OF_NAMES if reader.names(sae) else 0
    taken += _taken_of_examples(view, [p.n_bytes for p in (effects, combined) if p is not None])
    examples = build_examples_panel(connection, material, view, memory, taken)
    reading = build_reading_panel(connection, material, view, memory, everything)
    if everything and reading.error is not None:
        raise reading.error
    panels = {
        "activation": build_activation_panel(
            material, view.scale, view.band, _band_links(material, view)
        ),
        "tokens": build_token_table(material),
        "lens": build_lens_panel(material, view.mode),
        "profile": build_ablation_profile(material, view.ablation, view.effect),
        "locality": build_locality(material),
        "places": build_places(material),
        "strips": build_strips(material),
        "neighbors": build_neighbors(material),
        "coactive": build_coactive(material),
        "sections": examples.shown.sections,
    }
    missing = {name for name, panel in panels.items() if not panel}
    panels.pop("sections")
    if not examples.shown.modes and view.ablation != "off" and sae.record.imported is None:
        missing.add("ablated")
    return FeaturePage(
        sae=sae,
        record=record,
        view=view,
        previous=previous,
        next=following,
        facts=build_facts(material, memory.ranks(connection, sae.sae_id)),
        examples=examples,
        reading=reading,
        absent=absences(material, missing, examples.group, examples.drawn),
        connections=build_connections_panel(connection, sae, feature_index, reader),
        elsewhere=elsewhere,
        map_url=_map_url(connection, sae, feature_index, memory),
        notebook=notebook,
        effects=effects,
        combined=combined,
        corpus_note=corpus_sentence(sae),
        ablation_note=ablation_sentence(sae),
        scale_note=scale_sentence(sae, record.decoder_norm),
        material=material,
        removed=removed,
        taken_apart=taken_apart,
        **panels,
    )


def _taken_of_examples(view: FeatureView, n_bytes: Sequence[int]) -> int:
    """What panels that not every feature has take of the examples' bytes: with one mode of ablated
    text the page has some to spare."""
    spare = _SPARE_BYTES_IN_BOTH_MODES if view.ablation == "both" else _SPARE_BYTES
    return max(0, sum(n_bytes) - spare) if n_bytes else 0


def _map_url(connection: Connection, sae: Sae, feature_index: int, memory: Memory) -> str:
    if not memory.has_map(connection, sae.sae_id):
        return ""
    return urls.map_url(sae, MapView(feature=feature_index).arguments())


def _band_links(material: Material, view: FeatureView) -> Callable[[Sequence[str]], list[str]]:
    """The addresses of this view with the examples of other bands, from the first one on."""

    def links(bands: Sequence[str]) -> list[str]:
        others = view.arguments(band="", example="", start=0)
        return urls.feature_urls(material.sae, material.record.feature_index, others, "band", bands)

    return links
