"""Examples of a feature with several tokens deleted at once, as the page prints them.

Takes the study's record and the vocabulary; gives for each example a sentence on its strongest
pair, the triangle of pairs, the bar of blocks, and the tokens that stand several times. Knows no
query.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.db.study_records.combined import CombinedExample, FeatureCombined
from app.stats.interactions import Kind, kind_of, strongest_pair
from app.web import text
from app.web.charts.interactions import (
    Block,
    BlockBars,
    PairMap,
    block_bars,
    labels_of,
    pair_map,
)
from app.web.pages.feature.material import Material
from app.web.token_text import Pieces, text_pieces

MOST_OCCURRENCES = 2
_BYTES, _BYTES_OF_EXAMPLE, _BYTES_BRIEF = 1_300, 1_300, 600


@dataclass(frozen=True)
class StrongestPair:
    """The two tokens that interact most, in numbers; shares of the pre-activation."""

    first: Pieces
    second: Pieces
    tokens: tuple[str, str]
    """their exact texts"""
    together: str
    """effect of deleting both"""
    alone: tuple[str, str]
    interaction: str
    kind: Kind


@dataclass(frozen=True)
class Several:
    """A token that stands several times, all its places deleted at once."""

    pieces: Pieces
    times: int
    effect: str


@dataclass(frozen=True)
class TakenApart:
    """One example."""

    name: str
    """its group and rank, "top-1" """
    activation: str
    held: str
    singles: str
    pair: StrongestPair | None
    pairs: PairMap | None
    blocks: BlockBars | None
    occurrences: list[Several]
    """those that lower it by 5% or more, strongest first"""


@dataclass(frozen=True)
class CombinedPanel:
    """What the partial prints."""

    kind: Kind
    """of the feature, by the mean over its examples"""
    n_of_kind: int
    """examples that are of this kind by themselves"""
    n_examples: int
    examples: list[TakenApart]
    """none beside a tested reading"""

    @property
    def n_bytes(self) -> int:
        """What it takes of the page, nearly."""
        drawings = [d for e in self.examples for d in (e.pairs, e.blocks) if d is not None]
        drawn = sum(len(drawing.markup.encode()) for drawing in drawings)
        of_examples = _BYTES_OF_EXAMPLE * len(self.examples) + drawn
        return _BYTES + of_examples if self.examples else _BYTES_BRIEF


def combined_token_ids(found: FeatureCombined | None) -> set[int]:
    """Every token id the panel may print."""
    if found is None:
        return set()
    return {token_id for example in found.examples for token_id in example.token_ids.tolist()}


def build_combined(
    material: Material, found: FeatureCombined | None, brief: bool = False
) -> CombinedPanel | None:
    """The panel; None where no example was taken apart.

    Args:
        brief: without the examples, where the page has no room for them.
    """
    if found is None or not found.examples:
        return None
    share = material.record.pair_interaction
    kind = kind_of(share) if share is not None else ""
    kinds = [
        kind_of(strongest_pair(e.interactions, e.hidden_pre_baseline)[2]) for e in found.examples
    ]
    return CombinedPanel(
        kind,
        kinds.count(kind) if kind else 0,
        len(found.examples),
        [] if brief else [_example(material, example) for example in found.examples],
    )


def strongest_of(example: CombinedExample, tokens: Sequence[str]) -> StrongestPair | None:
    """The pair that interacts most; `tokens` are those of the example. None without a pair."""
    i, j, share = strongest_pair(example.interactions, example.hidden_pre_baseline)
    if not np.isfinite(share):
        return None
    size = abs(example.hidden_pre_baseline)
    alone = [float(example.alone[k]) / size for k in (i, j)]
    named = [tokens[int(example.pair_positions[k]) - example.first] for k in (i, j)]
    return StrongestPair(
        text_pieces(named[0]),
        text_pieces(named[1]),
        (named[0], named[1]),
        text.signed_percent(share + sum(alone)),
        (text.signed_percent(alone[0]), text.signed_percent(alone[1])),
        text.signed_percent(share),
        kind_of(share),
    )


def combined_json(material: Material, found: FeatureCombined | None) -> dict[str, Any] | None:
    """Everything measured, for the twin."""
    if found is None:
        return None
    return {
        "pair_interaction": material.record.pair_interaction,
        "examples": [_example_json(example) for example in found.examples],
    }


def _example(material: Material, example: CombinedExample) -> TakenApart:
    tokens = [material.token(i).token for i in example.token_ids.tolist()]
    size = abs(example.hidden_pre_baseline) or 1.0
    paired = [tokens[i - example.first] for i in example.pair_positions.tolist()]
    blocks = [
        Block(start, stop, effect / size, parts / size, joint)
        for start, stop, effect, parts, joint in zip(
            example.block_start.tolist(),
            example.block_stop.tolist(),
            example.block_hidden_pre_effect.tolist(),
            example.block_parts.tolist(),
            example.block_joint.tolist(),
            strict=True,
        )
    ]
    return TakenApart(
        f"{example.group}-{example.rank + 1}",
        text.number(example.baseline),
        text.percent(example.held),
        text.percent(example.singles),
        strongest_of(example, tokens),
        pair_map(labels_of(paired), example.interactions / size),
        block_bars(blocks),
        _several(example, tokens, size),
    )


def _several(example: CombinedExample, tokens: Sequence[str], size: float) -> list[Several]:
    found = [
        Several(
            text_pieces(tokens[places[0] - example.first]),
            len(places),
            text.signed_percent(effect / size),
        )
        for places, effect in zip(
            example.occurrences, example.occurrence_hidden_pre_effect.tolist(), strict=True
        )
        if effect <= -0.05 * size
    ]
    return found[:MOST_OCCURRENCES]


def _example_json(example: CombinedExample) -> dict[str, Any]:
    return {
        "group": example.group,
        "rank": example.rank + 1,
        "baseline": example.baseline,
        "hidden_pre_baseline": example.hidden_pre_baseline,
        "held": example.held,
        "singles": example.singles,
        "first_position": example.first,
        "token_ids": example.token_ids.tolist(),
        "pairs": {
            "positions": example.pair_positions.tolist(),
            "alone": example.alone.tolist(),
            "interactions": example.interactions.tolist(),
        },
        "blocks": [
            {
                "start": start,
                "stop": stop,
                "effect": effect,
                "hidden_pre_effect": hidden_pre,
                "parts": parts,
                "joint": joint,
                "smallest": smallest,
            }
            for start, stop, effect, hidden_pre, parts, joint, smallest in zip(
                example.block_start.tolist(),
                example.block_stop.tolist(),
                example.block_effect.tolist(),
                example.block_hidden_pre_effect.tolist(),
                example.block_parts.tolist(),
                example.block_joint.tolist(),
                example.block_smallest.tolist(),
                strict=True,
            )
        ],
        "occurrences": [
            {"positions": places, "effect": effect, "hidden_pre_effect": hidden_pre}
            for places, effect, hidden_pre in zip(
                example.occurrences,
                example.occurrence_effect.tolist(),
                example.occurrence_hidden_pre_effect.tolist(),
                strict=True,
            )
        ],
    }
