"""Two drawings of several tokens deleted at once: a triangle of pairs, and a bar of blocks.

The triangle has a row and a column for each token, named once at the end of its row, above its
column. The bar has the window's tokens from left to right, halves beneath what was halved. Takes
shares and labels, gives geometry and words. Knows no feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from markupsafe import Markup, escape
from numpy import ndarray

from app.db.display import display
from app.stats.wording import clipped
from app.web.charts.scales import effect_class
from app.web.markup import attribute
from app.web.text import signed_percent

CELL = 15
"""Pixels of a cell of the triangle, and of the height of a block."""
_LABEL_CHARACTERS = 10
_LABEL = 88
"""Pixels for the longest name."""


@dataclass(frozen=True)
class Cell:
    """One coloured cell or block."""

    x: str
    y: int
    width: str
    css: str
    words: str
    """shown on hover"""

    @property
    def markup(self) -> str:
        """The rectangle: a page holds dozens."""
        return (
            f"<rect{attribute('class', self.css)} x={self.x} y={self.y} width={self.width} "
            f"height={CELL - 1}><title>{escape(self.words)}</title></rect>"
        )


@dataclass(frozen=True)
class Label:
    """The name of a token beside its row."""

    x: int
    y: int
    text: str


@dataclass(frozen=True)
class PairMap:
    """The triangle; sizes in pixels."""

    width: int
    height: int
    ground: str
    """path of all rows"""
    cells: list[Cell]
    """those of 5% or more"""
    labels: list[Label]
    words: str
    """what it shows, for readers who can't see it"""

    @property
    def markup(self) -> Markup:
        """What is inside of the SVG."""
        return Markup(
            "".join(
                [
                    f'<path class=ground d="{self.ground}"/>',
                    *(cell.markup for cell in self.cells),
                    *(f"<text x={n.x} y={n.y}>{escape(n.text)}</text>" for n in self.labels),
                ]
            )
        )


@dataclass(frozen=True)
class BlockBars:
    """The bar and its halves; x and width in percent, y in pixels."""

    height: int
    cells: list[Cell]
    words: str

    @property
    def markup(self) -> Markup:
        """What is inside of the SVG."""
        return Markup("".join([cell.markup for cell in self.cells]))


@dataclass(frozen=True)
class Block:
    """Neighbouring tokens deleted at once."""

    start: int
    stop: int
    """exclusive"""
    share: float
    """effect on the pre-activation, as a share of it"""
    parts: float
    """the same of its tokens one by one, added up"""
    joint: bool


def labels_of(tokens: Sequence[str]) -> list[str]:
    """Names of tokens, short enough for the triangle."""
    return [clipped(display(token), _LABEL_CHARACTERS) for token in tokens]


def pair_map(labels: Sequence[str], shares: Float[ndarray, "n n"]) -> PairMap | None:
    """The triangle of interactions; None for fewer than two tokens."""
    n = len(labels)
    if n < 2:
        return None
    cells = [
        Cell(
            f"{CELL * j}",
            CELL * i,
            f"{CELL - 1}",
            css,
            f"{labels[j]} and {labels[i]}: {signed_percent(float(shares[i, j]))}",
        )
        for i in range(n)
        for j in range(i)
        if (css := effect_class(float(shares[i, j])))
    ]
    ground = "".join(f"M0 {CELL * i}h{CELL * i - 1}v{CELL - 1}H0z" for i in range(1, n))
    names = [Label(CELL * i + 4, CELL * i + 11, label) for i, label in enumerate(labels)]
    return PairMap(
        CELL * n + _LABEL,
        CELL * n,
        ground,
        cells,
        names,
        f"Interactions of {n} tokens before the peak, two by two: {len(cells)} of 5% or more",
    )


def block_bars(blocks: Sequence[Block]) -> BlockBars | None:
    """The whole window above, each half beneath its block; None where there is no block."""
    if not blocks:
        return None
    first, last = blocks[0].start, blocks[0].stop
    width = last - first
    depth_of = [_depth(blocks, block) for block in blocks]
    cells = [
        Cell(
            f"{100 * (block.start - first) / width:.5g}%",
            CELL * depth,
            f"{100 * (block.stop - block.start) / width:.5g}%",
            f"{effect_class(block.share)}{' joint' if block.joint else ''}".strip(),
            f"−{last - block.start} … −{last - block.stop + 1}: {signed_percent(block.share)}, its "
            f"tokens alone {signed_percent(block.parts)}",
        )
        for block, depth in zip(blocks, depth_of, strict=True)
    ]
    return BlockBars(CELL * (max(depth_of) + 1), cells, f"{cells[0].words}, halved beneath")


def _depth(blocks: Sequence[Block], own: Block) -> int:
    """How many others hold it."""
    return sum(
        other.start <= own.start and own.stop <= other.stop and other is not own for other in blocks
    )
