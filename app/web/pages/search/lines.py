"""The line of a feature's example around what was searched, matches underlined.

Takes hits of the examples' ranking, reads their windows, gives rows ready to print. Colour is the
feature's own activation, scaled by its largest. Knows no query language.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection

from app.db.examples import get_contexts, pick_groups
from app.db.fulltext.records import EXAMPLE_GROUPS
from app.db.records import ContextRecord, ExampleGroup, Group, TokenRecord
from app.stats.wording import plain
from app.web.charts.scales import heat_class
from app.web.memory import Memory
from app.web.pages.feature_row import FeatureRow
from app.web.pages.search.examples import ExampleHit
from app.web.pages.search.results import Rows
from app.web.token_markup import line_markup, show_tokens
from app.web.urls import feature_url

BEFORE, AFTER = 18, 26
"""Tokens shown before a match's first token and from it on."""


@dataclass(frozen=True)
class MatchLine:
    """A line of text, cut before the match it is built around."""

    before: Markup
    after: Markup
    """the match first"""


@dataclass(frozen=True)
class ExampleResult:
    """One feature with the example that shows best what was searched."""

    hit: ExampleHit
    row: FeatureRow
    line: MatchLine
    name: str
    """group and rank from 1, e.g. top-3"""
    url: str
    """the feature at this example"""
    activation: float
    """at the example's peak"""
    context_id: int
    position: int
    """of the peak"""
    matches: list[tuple[int, int]]
    """first and last position + 1 of each match in the window"""

    def as_json(self) -> dict[str, Any]:
        """The feature's address, the counts it is ranked by, and where its best example stands."""
        hit = self.hit
        return {
            "model": hit.sae.record.model,
            "sae": hit.sae.record.sae,
            "feature_index": hit.feature_index,
            "n_near": hit.n_near,
            "n_showing": hit.n_showing,
            "n_examples": hit.n_examples,
            "example": self.name,
            "activation": self.activation,
            "context_id": self.context_id,
            "position": self.position,
            "matches": [list(match) for match in self.matches],
            "max_activation": self.row.record.max_activation,
            "short": plain(self.row.record.short),
            "label": self.row.label or None,
        }


def make_example_results(
    connection: Connection, memory: Memory, rows: Rows, hits: Sequence[ExampleHit]
) -> list[ExampleResult]:
    """The rows of some hits, in their order."""
    found: dict[tuple[int, int], ExampleResult] = {}
    for sae in {hit.sae.sae_id: hit.sae for hit in hits}.values():
        own = [hit for hit in hits if hit.sae.sae_id == sae.sae_id]
        groups = pick_groups(connection, sae.sae_id, {h.feature_index: _group(h) for h in own})
        stored = {
            hit.feature_index: (groups[hit.feature_index], int(hit.examples.row[hit.best]))
            for hit in own
        }
        context_ids = [int(group.context_id[row]) for group, row in stored.values()]
        contexts = get_contexts(connection, sae.corpus_id, context_ids)
        ids = {i for context in contexts.values() for i in context.token_ids.tolist()}
        tokens = memory.tokens(connection, sae.model_id, ids)
        for hit in own:
            group, row = stored[hit.feature_index]
            context = contexts[int(group.context_id[row])]
            found[sae.sae_id, hit.feature_index] = _result(
                hit, rows[sae.sae_id, hit.feature_index], group, row, context, tokens
            )
    return [found[hit.sae.sae_id, hit.feature_index] for hit in hits]


def _group(hit: ExampleHit) -> Group:
    return EXAMPLE_GROUPS[int(hit.examples.group[hit.best])]


def _result(
    hit: ExampleHit,
    feature: FeatureRow,
    group: ExampleGroup,
    row: int,
    context: ContextRecord,
    tokens: dict[int, TokenRecord],
) -> ExampleResult:
    name = _group(hit)
    matches = _matches(hit)
    inside = slice(int(group.firing_indptr[row]), int(group.firing_indptr[row + 1]))
    activations = dict(
        zip(
            group.firing_position[inside].tolist(),
            group.firing_activation[inside].tolist(),
            strict=True,
        )
    )
    window = int(group.window_start[row]), int(group.window_stop[row])
    peak = int(group.position[row])
    place = f"{name}-{row + 1}"
    return ExampleResult(
        hit,
        feature,
        _line(context, tokens, window, _anchor(matches, peak), matches, activations,
              feature.record.max_activation or 0.0),
        place,
        _url(hit, name, place),
        float(group.activation[row]),
        context.context_id,
        peak,
        matches,
    )  # fmt: skip


def _url(hit: ExampleHit, group: str, place: str) -> str:
    view = [("group", group), ("example", place)]
    return f"{feature_url(hit.sae, hit.feature_index, view)}#{place}"


def _matches(hit: ExampleHit) -> list[tuple[int, int]]:
    """The matches inside the window of the best example, as positions."""
    examples, size = hit.examples, hit.matches[0].text.context_size
    start, stop = int(examples.start[hit.best]), int(examples.stop[hit.best])
    origin = int(examples.row_of_context[hit.best]) * size
    found = {span for matches in hit.matches for span in matches.inside(start, stop)}
    return sorted((first - origin, last - origin) for first, last in found)


def _anchor(matches: list[tuple[int, int]], peak: int) -> int:
    """Where the match begins that the line is built around: the last before the peak, or the first
    after it."""
    before = [first for first, _ in matches if first <= peak]
    return before[-1] if before else matches[0][0]


def _line(
    context: ContextRecord,
    tokens: dict[int, TokenRecord],
    window: tuple[int, int],
    anchor: int,
    matches: list[tuple[int, int]],
    activations: dict[int, float],
    maximum: float,
) -> MatchLine:
    start, stop = max(window[0], anchor - BEFORE), min(window[1], anchor + AFTER)
    ids = context.token_ids[start:stop].tolist()
    shown = show_tokens([tokens[i] for i in ids])
    classes: dict[int, str] = {}
    for position in range(start, stop):
        value = activations.get(position, 0.0)
        css = [heat_class(value, maximum)] if value > 0 else []
        if any(first <= position < last for first, last in matches):
            css.append("match")
        if css:
            classes[position - start] = " ".join(css)
    cut = anchor - start
    return MatchLine(
        line_markup(shown[:cut], {i: css for i, css in classes.items() if i < cut}),
        line_markup(shown[cut:], {i - cut: css for i, css in classes.items() if i >= cut}),
    )
