"""The graph around one feature: dictionaries as columns, its neighbours in them, edges by weight.

Takes nodes and weights, gives places: columns are equally wide, rows equally high, so that lists
laid out by the page and lines drawn behind them meet. Knows no atlas and no page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COLUMN = 30.0
"""width of a column, in units of the drawing"""
GAP = 14.0
"""between two columns"""
ROW = 10.0
"""height of a node"""
WIDEST = 7.0
"""stroke of the heaviest edge, in pixels"""

Node = tuple[str, int]
"""(dictionary, feature)"""


@dataclass(frozen=True)
class Weight:
    """A connection between two nodes that are shown."""

    below: Node
    above: Node
    share: float
    own: bool
    """one of its ends is the feature the graph is about"""


@dataclass(frozen=True)
class Edge:
    """A line."""

    path: str
    css: str
    width: str
    """of the stroke, in pixels"""
    ends: str
    """the two nodes, with a space between"""


@dataclass(frozen=True)
class Drawing:
    """All lines, faint ones first."""

    width: float
    height: float
    edges: list[Edge]


def draw_graph(columns: Sequence[Sequence[Node]], weights: Sequence[Weight]) -> Drawing:
    """Lines between the nodes of columns, each column centred in the height of the longest."""
    n_rows = max(len(column) for column in columns)
    places: dict[Node, tuple[int, float]] = {
        node: (number, ROW * ((n_rows - len(column)) / 2 + row + 0.5))
        for number, column in enumerate(columns)
        for row, node in enumerate(column)
    }
    heaviest = max((abs(weight.share) for weight in weights), default=0.0) or 1.0
    ordered = sorted(weights, key=lambda weight: (weight.own, abs(weight.share)))
    return Drawing(
        width=COLUMN * len(columns) + GAP * (len(columns) - 1),
        height=ROW * n_rows,
        edges=[_edge(weight, places, heaviest) for weight in ordered],
    )


def node_name(node: Node) -> str:
    """What a line calls its ends."""
    return f"{node[0]}/{node[1]}"


def _edge(weight: Weight, places: Mapping[Node, tuple[int, float]], heaviest: float) -> Edge:
    (left, y1), (right, y2) = places[weight.below], places[weight.above]
    x1, x2 = left * (COLUMN + GAP) + COLUMN, right * (COLUMN + GAP)
    middle = (x1 + x2) / 2
    return Edge(
        path=f"M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}",
        css=f"{'raises' if weight.share > 0 else 'lowers'}{'' if weight.own else ' aside'}",
        width=f"{0.75 + (WIDEST - 0.75) * abs(weight.share) / heaviest:.2f}",
        ends=f"{node_name(weight.below)} {node_name(weight.above)}",
    )
