"""The examples of one band of activations: drawn from every firing where the events stand beside
the atlas, else those stored that lie inside.

Takes a feature's material and the band, gives the section to show and the material its texts are
read from. The draw itself is `app.stats.band_examples`. Knows no markup and no address.
"""

from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import Connection

from app.db.examples import get_contexts
from app.db.records import ContextRecord, ExampleGroup
from app.evidence.event_files import SaeEvents, missing_sentence
from app.stats.band_examples import draw_band
from app.stats.events import FeatureEvents
from app.stats.windows import context_activations, windows
from app.web import text
from app.web.bands import Band, read_band
from app.web.memory import Memory
from app.web.pages.examples.choice import BAND, Choice, Chosen, Source, by_activation
from app.web.pages.feature.activation_panel import bin_edges
from app.web.pages.feature.material import Material


@dataclass(frozen=True)
class BandExamples:
    """What a view with a band shows."""

    label: str
    """the borders, as the chip says them"""
    sections: list[Chosen]
    material: Material
    """the feature's, with the contexts of these examples"""
    absent: str
    """why there is nothing to show; empty where there is"""
    n_drawn: int
    """examples that have names of the band's own; 0 where stored ones are shown"""


def load_band(
    connection: Connection, material: Material, memory: Memory, argument: str
) -> BandExamples | None:
    """The band an address names; None without one, or where the feature never fired."""
    panel = material.panels.histogram
    if panel is None or not panel.max_activation > 0:
        return None
    edges = bin_edges(panel)
    band = read_band(argument, edges)
    if band is None:
        return None
    low, high = max(band.low, 0.0), min(band.high, edges[-1])
    label = f"{text.number(low)} – {text.number(high)}"
    if low > high:
        label = f"above {text.number(high)}"
    events = memory.events(connection, material.sae)
    if events is None:
        return _stored(connection, material, memory, band, label)
    return _drawn(connection, material, memory, events, band, label)


def _drawn(
    connection: Connection,
    material: Material,
    memory: Memory,
    events: SaeEvents,
    band: Band,
    label: str,
) -> BandExamples:
    """Random firings, one per context."""
    own = events.feature(material.record.feature_index)
    draw = draw_band(
        own,
        events.corpus,
        band.low,
        band.high,
        low_included=band.low_included,
        seed=_seed(material),
    )
    if draw.n_active == 0:
        weakest, strongest = own.ordered_activation[[0, -1]].tolist()
        return BandExamples(
            label,
            [],
            material,
            f"No firing lies in this band: activations of this feature go from "
            f"{text.number(weakest)} to {text.number(strongest)}.",
            0,
        )
    stored = _as_group(own, draw.chosen, draw.n_active)
    source = Source(BAND, stored, None)
    n = draw.chosen.size
    detail = (
        f"all {n:,} firings in it"
        if n == draw.n_active
        else f"{n:,} of {draw.n_active:,} firings in it, one per context, drawn at random"
    )
    section = Chosen(
        source, label, detail, list(map(Choice, by_activation(source, list(range(n)))))
    )
    contexts = {
        context_id: ContextRecord(
            context_id,
            np.asarray(events.corpus.tokens[context_id]),
            np.asarray(events.corpus.document_ids[context_id]),
        )
        for context_id in stored.context_id.tolist()
    }
    names = events.corpus.document_names
    documents = {
        document: names[document]
        for context_id, position in zip(stored.context_id, stored.position, strict=True)
        if 0 <= (document := int(contexts[int(context_id)].document_ids[position])) < len(names)
    }
    material = replace(material, documents=material.documents | documents)
    return BandExamples(label, [section], _with(connection, material, memory, contexts), "", n)


def _stored(
    connection: Connection,
    material: Material,
    memory: Memory,
    band: Band,
    label: str,
) -> BandExamples:
    """The stored examples inside, group by group; a place stored twice is shown once."""
    seen: set[tuple[int, int]] = set()
    sections: list[Chosen] = []
    for group, stored in material.groups.items():
        if group in ("silent", "near"):
            continue
        source = Source(group, stored, material.ablations.get(group))
        rows = []
        for row in np.flatnonzero(band.holds(stored.activation)).tolist():
            place = int(stored.context_id[row]), int(stored.position[row])
            if place not in seen:
                seen.add(place)
                rows.append(row)
        if rows:
            choices = list(map(Choice, by_activation(source, rows)))
            examples = "example" if len(rows) == 1 else "examples"
            detail = (
                f"the {len(rows)} stored {group} {examples} inside, not a fair draw from it. "
                f"{missing_sentence(memory.atlas, material.sae)}"
            )
            sections.append(Chosen(source, label, detail, choices))
    wanted = {int(s.source.stored.context_id[choice.row]) for s in sections for choice in s.choices}
    contexts = get_contexts(connection, material.sae.corpus_id, wanted - set(material.contexts))
    absent = (
        ""
        if sections
        else f"No stored example lies in this band. {missing_sentence(memory.atlas, material.sae)}"
    )
    material = _with(connection, material, memory, contexts)
    return BandExamples(label, sections, material, absent, 0)


def _as_group(own: FeatureEvents, chosen: np.ndarray, n_active: int) -> ExampleGroup:
    """Firings in the form examples are stored in, so that they are shown by the same code."""
    context_id, position = own.context_id[chosen], own.position[chosen]
    spans = windows(position, own.context_size)
    found = context_activations(own, context_id)
    none = np.zeros(0)
    return ExampleGroup(
        context_id=context_id,
        position=position,
        activation=own.activation[chosen],
        hidden_pre=np.full(chosen.size, np.nan),
        band=np.full(chosen.size, -1),
        repeats=np.ones(chosen.size, dtype=np.int64),
        window_start=spans.start,
        window_stop=spans.stop,
        firing_indptr=found.indptr,
        firing_position=found.position,
        firing_activation=found.activation,
        band_low=none,
        band_high=none,
        band_n_active=np.zeros(0, dtype=np.int64),
        band_share=none,
        n_candidates=n_active,
    )


def _with(
    connection: Connection, material: Material, memory: Memory, contexts: dict[int, ContextRecord]
) -> Material:
    """The material with more contexts and the tokens in them."""
    ids = {int(i) for context in contexts.values() for i in context.token_ids}
    return replace(
        material,
        contexts=material.contexts | contexts,
        vocabulary=material.vocabulary | memory.tokens(connection, material.sae.model_id, ids),
    )


def _seed(material: Material) -> int:
    """The seed of the run: a band as wide as an interval then shows the interval's examples."""
    seed = material.sae.record.recipe.get("seed", 0)
    return seed if isinstance(seed, int) else 0
