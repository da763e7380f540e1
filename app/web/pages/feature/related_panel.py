"""Features related to one: nearest by decoder direction, and firing on the same tokens.

Takes a feature's material; knows no query and no address.
"""

from dataclasses import dataclass

from app.web import text
from app.web.pages.feature.material import Material

N_SHOWN = 8


@dataclass(frozen=True)
class Neighbor:
    """One feature by cosine of the decoder rows."""

    feature_index: int
    cosine: str
    bar: float
    """percent of the bar's width, 0 to 100"""
    short: list[list[str]] | None
    """the feature's short form"""


@dataclass(frozen=True)
class Coactive:
    """One feature by the tokens both fire on."""

    feature_index: int
    jaccard: str
    bar: float
    joint: str
    lift: str
    other_given_this: str
    this_given_other: str
    short: list[list[str]] | None
    """the feature's short form"""


@dataclass(frozen=True)
class CoactiveTable:
    """Co-active features and the tokens they were counted over."""

    rows: list[Coactive]
    n_tokens: int


def build_neighbors(material: Material) -> list[Neighbor]:
    """Nearest features, empty where they were not computed."""
    panel = material.panels.neighbors
    if panel is None:
        return []
    return [
        Neighbor(
            index, text.signed(cosine), round(100 * abs(cosine), 1), material.related.get(index)
        )
        for index, cosine in zip(
            panel.feature_index[:N_SHOWN].tolist(),
            panel.cosine_similarity[:N_SHOWN].tolist(),
            strict=True,
        )
    ]


def build_coactive(material: Material) -> CoactiveTable | None:
    """Co-active features, or None where none fires with it."""
    panel = material.panels.coactive
    if panel is None or panel.feature_index.size == 0:
        return None
    rows = [
        Coactive(
            feature_index=int(panel.feature_index[i]),
            jaccard=text.number(float(panel.jaccard[i]), 2),
            bar=round(100 * float(panel.jaccard[i]), 1),
            joint=text.count(int(panel.n_joint[i])),
            lift=text.number(float(panel.lift[i])),
            other_given_this=text.percent(float(panel.p_other_given_this[i])),
            this_given_other=text.percent(float(panel.p_this_given_other[i])),
            short=material.related.get(int(panel.feature_index[i])),
        )
        for i in range(min(N_SHOWN, panel.feature_index.size))
    ]
    return CoactiveTable(rows, panel.n_tokens)
