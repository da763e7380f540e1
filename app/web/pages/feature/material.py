"""Everything an atlas holds on one feature, read once and handed to the builders of its panels.

Takes a connection and a feature that exists; knows the queries, no panel and no page.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from sqlalchemy import Connection

from app.db import catalog, examples, features
from app.db.catalog import Sae
from app.db.records import (
    GROUPS,
    AblationGroup,
    ContextRecord,
    ExampleGroup,
    FeaturePanels,
    FeatureRecord,
    Group,
    TokenRecord,
)
from app.web.feature_numbers import Named
from app.web.memory import Memory
from app.web.pages.examples.token_line import Window
from app.web.pages.feature.busiest_contexts import busiest_contexts

Chooser = Callable[
    [dict[Group, ExampleGroup], dict[Group, AblationGroup]], Mapping[Group, Iterable[int]]
]
"""from the stored groups to the rows (from 0) whose text is wanted"""


@dataclass(frozen=True)
class Material:
    """One feature as stored, with the vocabulary entries, contexts and names it refers to."""

    sae: Sae
    record: FeatureRecord
    panels: FeaturePanels
    groups: dict[Group, ExampleGroup]
    """in the order of GROUPS; groups without any example are absent"""
    ablations: dict[Group, AblationGroup]
    contexts: dict[int, ContextRecord]
    documents: dict[int, str]
    related: dict[int, list[list[str]]]
    """short forms of the features its panels refer to"""
    vocabulary: dict[int, TokenRecord]
    elsewhere: str = ""
    """what a page of another dictionary calls it, `sae:number`; empty on its own dictionary's"""
    windows: dict[tuple[Group, int], Window | None] = field(
        default_factory=dict, init=False, repr=False
    )
    """those looked at so far, by group and row: the examples and their profile show the same"""

    @property
    def named(self) -> Named:
        """What tells it from the others of a page."""
        return self.elsewhere or self.record.feature_index

    def token(self, token_id: int) -> TokenRecord:
        """A vocabulary entry; an id the vocabulary lacks stands for itself."""
        return self.vocabulary.get(token_id) or unknown_token(token_id)

    def text(self, context_id: int, start: int, stop: int) -> list[TokenRecord] | None:
        """The tokens of a stretch of a context; None where the context is not stored."""
        context = self.contexts.get(context_id)
        if context is None:
            return None
        known = self.vocabulary.get
        return [known(i) or unknown_token(i) for i in context.token_ids[start:stop].tolist()]


def unknown_token(token_id: int) -> TokenRecord:
    """What stands for an id the vocabulary lacks: itself."""
    return TokenRecord(token_id, f"<{token_id}>", "", b"", special=False, producible=False)


def load_material(
    connection: Connection,
    sae: Sae,
    record: FeatureRecord,
    choose: Chooser | None,
    memory: Memory,
    whole: bool = False,
) -> Material:
    """Reads one feature.

    Args:
        choose: picks the examples whose contexts are read; None reads those of all.
        memory: holds the vocabulary entries read before.
        whole: whether whole contexts are shown, not only windows of them.
    """
    panels = features.get_panels(connection, sae.sae_id, record.feature_index)
    stored = examples.get_groups(connection, sae.sae_id, record.feature_index)
    groups: dict[Group, ExampleGroup] = {
        g: stored[g][0] for g in GROUPS if g in stored and stored[g][0].context_id.size
    }
    ablations: dict[Group, AblationGroup] = {
        g: found for g in groups if (found := stored[g][1]) is not None and found.rank.size
    }
    rows = _rows_with_text(groups, ablations, choose)
    contexts = examples.get_contexts(
        connection,
        sae.corpus_id,
        {int(groups[g].context_id[row]) for g, wanted in rows.items() for row in wanted}
        | {busy.context_id for busy in busiest_contexts(groups)},
    )
    return Material(
        sae,
        record,
        panels,
        groups,
        ablations,
        contexts,
        catalog.document_names(connection, sae.corpus_id, _document_ids(panels, groups, contexts)),
        features.short_forms(connection, sae.sae_id, _related_indices(panels)),
        memory.tokens(
            connection, sae.model_id, _token_ids(record, panels, groups, contexts, whole)
        ),
    )


def with_tokens(
    connection: Connection, material: Material, memory: Memory, token_ids: set[int]
) -> Material:
    """The same with more entries of the vocabulary."""
    missing = token_ids - material.vocabulary.keys()
    if not missing:
        return material
    more = memory.tokens(connection, material.sae.model_id, missing)
    return replace(material, vocabulary=material.vocabulary | more)


def _rows_with_text(
    groups: dict[Group, ExampleGroup], ablations: dict[Group, AblationGroup], choose: Chooser | None
) -> dict[Group, set[int]]:
    """Rows whose tokens are needed: those shown, and those the ablation profile is made of."""
    if choose is None:
        return {g: set(range(group.context_id.size)) for g, group in groups.items()}
    chosen = choose(groups, ablations)
    return {
        g: set(chosen.get(g, ())) | (set(ablations[g].rank.tolist()) if g in ablations else set())
        for g in groups
    }


def _related_indices(panels: FeaturePanels) -> set[int]:
    found: set[int] = set()
    for panel in (panels.neighbors, panels.coactive):
        if panel is not None:
            found |= set(panel.feature_index.tolist())
    return found


def _document_ids(
    panels: FeaturePanels, groups: dict[Group, ExampleGroup], contexts: dict[int, ContextRecord]
) -> set[int]:
    found = set() if panels.places is None else set(panels.places.document_id.tolist())
    for group in groups.values():
        for context_id, position in zip(
            group.context_id.tolist(), group.position.tolist(), strict=True
        ):
            if context_id in contexts:
                found.add(int(contexts[context_id].document_ids[position]))
    return found - {-1}


def _token_ids(
    record: FeatureRecord,
    panels: FeaturePanels,
    groups: dict[Group, ExampleGroup],
    contexts: dict[int, ContextRecord],
    whole: bool,
) -> set[int]:
    """Every token id the page may print."""
    found = {record.top_token_id, record.ablation_token_id, *record.top_tokens} - {None}
    ids: list[np.ndarray] = []
    if panels.tokens is not None:
        ids.append(panels.tokens.token_id)
    if panels.logit_lens is not None:
        lens = panels.logit_lens
        ids += [lens.raw_positive_ids, lens.raw_negative_ids]
        ids += [lens.adjusted_positive_ids, lens.adjusted_negative_ids]
    if whole:
        ids += [context.token_ids for context in contexts.values()]
    for group in groups.values():
        for context_id, start, stop in zip(
            group.context_id.tolist(),
            group.window_start.tolist(),
            group.window_stop.tolist(),
            strict=True,
        ):
            if context_id in contexts:
                ids.append(contexts[context_id].token_ids[start:stop])
    return {int(i) for i in found if i is not None} | set(
        np.unique(np.concatenate(ids)).tolist() if ids else []
    )
