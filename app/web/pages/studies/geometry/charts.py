"""The histograms of the page, each with the same numbers of random directions where there are any.

Takes what was measured; gives charts with their tables. Knows no template.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.web.charts.beside import Beside, Population, beside, edges_of
from app.web.pages.studies.geometry.measured import Measured
from app.web.ranges import parse_range

CHANCE = {
    "isotropic": "random, isotropic",
    "covariance": "random, covariance of the activations",
}
"""Names of the kinds of random directions."""

RANK_WORDS = {"1": "nearest neighbour", "10": "10th nearest neighbour", "100": "100th nearest"}


def cosine_chart(measured: Measured, link: Callable[[str, str], str]) -> Beside | None:
    """Cosines to the neighbour of the rank asked for; None where no feature has so many others."""
    own = Population("features", measured.cosine[measured.among])
    if not np.isfinite(own.values).any():
        return None
    chance = [
        Population(CHANCE[each.kind], each.cosine[measured.place].astype(np.float64))
        for each in measured.found.random
    ]
    words = RANK_WORDS[measured.view.rank]
    return beside(
        own,
        chance,
        edges_of([own, *chance], 40),
        kind="cosines",
        label=f"Histogram of the cosine to the {words}",
        x_name=f"cosine to the {words}",
        y_name="share of features",
        noun="features",
        kept=parse_range(measured.view.cosine),
        link=link,
    )


def neuron_chart(measured: Measured) -> Beside:
    """Shares of the L1 norm in the largest entry."""
    own = Population("features", measured.columns["neuron_share"][measured.among])
    chance = [
        Population(CHANCE[each.kind], each.neuron_share.astype(np.float64))
        for each in measured.found.random
    ]
    return beside(
        own,
        chance,
        edges_of([own, *chance]),
        kind="neurons",
        label="Histogram of the share of the L1 norm in the largest entry",
        x_name="share of the row’s L1 norm in its largest entry",
        y_name="share of features",
        noun="features",
    )


def column_chart(measured: Measured, column: str, words: str) -> Beside | None:
    """Of one column of the features; None where it has no value."""
    values: Float[ndarray, " n"] = measured.columns[column][measured.among]
    if not np.isfinite(values).any():
        return None
    own = Population("features", values)
    return beside(
        own,
        [],
        edges_of([own]),
        kind="weights",
        label=f"Histogram of the {words}",
        x_name=words,
        y_name="share of features",
        noun="features",
    )
