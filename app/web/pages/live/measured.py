"""What was measured of one token when somebody asked: effects, context, blocks, pairs, least text.

Takes the model's answer, gives what the partial `live/measured` prints. Knows no address.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.db.records import TokenRecord
from app.live.protocol import AblationAnswer, Block, Effects, Removal
from app.web.charts.interactions import Block as DrawnBlock
from app.web.charts.interactions import BlockBars, PairMap, block_bars, labels_of, pair_map
from app.web.charts.scales import effect_class
from app.web.pages.examples.token_line import Effects as LineEffects
from app.web.pages.examples.token_line import Line, Window, ablated_line, activation_line
from app.web.text import MISSING, number, percent, signed_percent
from app.web.token_text import Pieces, line_pieces

MEASURE_NAMES = {
    "ablation": "Ablated text",
    "context": "Context needed",
    "blocks": "Occurrences and blocks",
    "pairs": "Pairs",
    "minimal": "Minimal text",
}
_BEFORE, _AFTER = 47, 16
"""tokens around the peak on its lines, as in stored examples"""
_MOST_BLOCK_PIECES = 8


@dataclass(frozen=True)
class EffectRow:
    """One token changed."""

    pieces: Pieces
    distance: str
    """places before the peak"""
    deleted: str
    deleted_css: str
    replaced: str
    replaced_css: str


@dataclass(frozen=True)
class ContextRow:
    """What is left of the activation when so many tokens before the peak are kept."""

    kept: int
    filled: str
    truncated: str


@dataclass(frozen=True)
class RemovalRow:
    """Several tokens deleted at once."""

    pieces: list[Pieces]
    """of the tokens, or of the first and last few"""
    more: int
    """tokens between them"""
    places: str
    activation: str
    hidden_pre: str
    css: str
    parts: str
    """what its tokens cost one by one; empty for occurrences"""
    said: str
    depth: int
    """0 for the whole window"""


@dataclass(frozen=True)
class PairTable:
    """Interactions of every two of the last tokens."""

    heads: list[Pieces]
    rows: list[tuple[Pieces, list[tuple[str, str]]]]
    """a token, and (percent, colour) with every token before it"""


@dataclass(frozen=True)
class MinimalLine:
    """The text with what can go in grey."""

    label: str
    pieces: list[tuple[Pieces, str]]
    """tokens with `kept`, `gone` or `peak`"""
    share: str
    n_tokens: int


@dataclass(frozen=True)
class Measured:
    """What the partial prints; empty lists for what was not asked."""

    silent: bool
    peak: Pieces
    baseline: str
    hidden_pre: str
    lines: list[Line]
    effects: list[EffectRow]
    context: list[ContextRow]
    filled: bool
    """whether text of other contexts was at hand to fill with"""
    occurrences: list[RemovalRow] | None
    blocks: list[RemovalRow] | None
    bars: BlockBars | None
    """the blocks drawn"""
    pairs: PairTable | None
    triangle: PairMap | None
    """the pairs drawn"""
    minimal: list[MinimalLine]
    too_long: bool
    """the suffix is too long for single tokens to be tried"""


def build_measured(
    answer: AblationAnswer, tokens: Sequence[TokenRecord], maximum: float
) -> Measured:
    """Everything that was measured."""
    pieces = line_pieces(tokens)
    blocks = answer.blocks
    return Measured(
        silent=answer.silent,
        peak=pieces[answer.position],
        baseline=number(answer.baseline),
        hidden_pre=number(answer.hidden_pre_baseline),
        lines=_lines(answer, tokens, maximum) if answer.ablation and not answer.silent else [],
        effects=_effect_rows(answer, pieces),
        context=_context_rows(answer),
        filled=bool(answer.context and any(v is not None for v in answer.context.activation_share)),
        occurrences=None if blocks is None else _removals(answer, blocks.occurrences, pieces),
        blocks=None if blocks is None else _blocks(answer, blocks.blocks, pieces),
        bars=_bars(answer),
        pairs=_pairs(answer, pieces),
        triangle=_triangle(answer, tokens),
        minimal=_minimal(answer, pieces),
        too_long=answer.minimal is not None and answer.minimal.fewest is None,
    )


def _lines(answer: AblationAnswer, tokens: Sequence[TokenRecord], maximum: float) -> list[Line]:
    window = Window(
        tokens,
        0,
        answer.position,
        {i: value for i, value in enumerate(answer.activations) if value > 0},
        answer.counted,
    ).cut(_BEFORE, _AFTER)
    effects = [_line_effects(found, answer.baseline) for found in answer.ablation or ()]
    return [
        activation_line(window, maximum, effects),
        *(ablated_line(window, found) for found in effects),
    ]


def _line_effects(found: Effects, baseline: float) -> LineEffects:
    by_position = dict(zip(found.positions, found.effects, strict=True))
    shares = {i: value / baseline for i, value in by_position.items()} if baseline > 0 else {}
    return LineEffects(found.mode, baseline, by_position, shares)


def _effect_rows(answer: AblationAnswer, pieces: Sequence[Pieces]) -> list[EffectRow]:
    if answer.ablation is None or not answer.baseline > 0:
        return []
    delete, replace = (_line_effects(found, answer.baseline).shares for found in answer.ablation)
    return [
        EffectRow(
            pieces[i],
            f"−{answer.position - i}" if i < answer.position else "0",
            _effect(delete.get(i)),
            effect_class(delete.get(i)),
            _effect(replace.get(i)),
            effect_class(replace.get(i)),
        )
        for i in sorted(replace, reverse=True)
    ]


def _effect(share: float | None) -> str:
    return MISSING if share is None else signed_percent(share)


def _context_rows(answer: AblationAnswer) -> list[ContextRow]:
    found = answer.context
    if found is None or answer.silent:
        return []
    rows = zip(found.kept, found.activation_share, found.truncated_share, strict=True)
    return [ContextRow(kept, percent(filled), percent(cut)) for kept, filled, cut in rows]


def _removals(
    answer: AblationAnswer, removals: Sequence[Removal], pieces: Sequence[Pieces]
) -> list[RemovalRow]:
    """Each token that stands there several times."""
    return [
        _removal(answer, item, [pieces[item.positions[0]]], 0, f"×{len(item.positions)}")
        for item in removals
    ]


def _blocks(
    answer: AblationAnswer, blocks: Sequence[Block], pieces: Sequence[Pieces]
) -> list[RemovalRow]:
    rows = []
    whole = len(blocks[0].positions) if blocks else 0
    for block in blocks:
        listed = [pieces[i] for i in block.positions]
        more = max(0, len(listed) - _MOST_BLOCK_PIECES)
        if more:
            half = _MOST_BLOCK_PIECES // 2
            listed = listed[:half] + listed[-half:]
        first, last = (block.positions[place] - answer.position for place in (0, -1))
        said = "its parts explain it"
        if block.joint:
            said = "more than its parts"
        if block.smallest:
            said = "more than its parts, and neither half is"
        depth = round(whole / len(block.positions)).bit_length() - 1
        rows.append(
            _removal(
                answer,
                block,
                listed,
                more,
                f"−{-first} … −{-last}",
                _share(block.parts, answer.hidden_pre_baseline),
                said,
                depth,
            )
        )
    return rows


def _removal(
    answer: AblationAnswer,
    item: Removal,
    pieces: list[Pieces],
    more: int,
    places: str,
    parts: str = "",
    said: str = "",
    depth: int = 0,
) -> RemovalRow:
    share = item.effect / answer.baseline if answer.baseline > 0 else None
    return RemovalRow(
        pieces,
        more,
        places,
        _effect(share),
        _share(item.hidden_pre_effect, answer.hidden_pre_baseline),
        effect_class(share),
        parts,
        said,
        depth,
    )


def _share(effect: float, baseline: float) -> str:
    return signed_percent(effect / abs(baseline)) if baseline else MISSING


def _pairs(answer: AblationAnswer, pieces: Sequence[Pieces]) -> PairTable | None:
    found = answer.pairs
    if found is None:
        return None
    size = abs(answer.hidden_pre_baseline)
    rows = []
    for i, position in enumerate(found.positions):
        cells = []
        for j in range(i):
            share = found.interactions[i][j] / size if size else None
            cells.append((_effect(share), effect_class(share)))
        rows.append((pieces[position], cells))
    return PairTable([pieces[i] for i in found.positions[:-1]], rows)


def _triangle(answer: AblationAnswer, tokens: Sequence[TokenRecord]) -> PairMap | None:
    """The same as on a feature's page."""
    found, size = answer.pairs, abs(answer.hidden_pre_baseline)
    if found is None or not size:
        return None
    labels = labels_of([tokens[i].token for i in found.positions])
    return pair_map(labels, np.array(found.interactions) / size)


def _bars(answer: AblationAnswer) -> BlockBars | None:
    found, size = answer.blocks, abs(answer.hidden_pre_baseline)
    if found is None or not size:
        return None
    return block_bars(
        [
            DrawnBlock(
                block.positions[0],
                block.positions[-1] + 1,
                block.hidden_pre_effect / size,
                block.parts / size,
                block.joint,
            )
            for block in found.blocks
        ]
    )


def _minimal(answer: AblationAnswer, pieces: Sequence[Pieces]) -> list[MinimalLine]:
    found = answer.minimal
    if found is None:
        return []
    lines = [_minimal_line("shortest end", answer, found.suffix, found.suffix_share, pieces)]
    if found.fewest is not None and found.fewest_share is not None:
        lines.append(
            _minimal_line("fewest tokens", answer, found.fewest, found.fewest_share, pieces)
        )
    return lines


def _minimal_line(
    label: str,
    answer: AblationAnswer,
    kept: Sequence[int],
    share: float,
    pieces: Sequence[Pieces],
) -> MinimalLine:
    left = set(kept)
    shown = [
        (pieces[i], "peak" if i == answer.position else "kept" if i in left else "gone")
        for i in range(answer.position + 1)
    ]
    return MinimalLine(label, shown, percent(share), len(left))
