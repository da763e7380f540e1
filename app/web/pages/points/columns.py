"""The columns of a dictionary that charts can draw: names, axes, and the axis of a colour.

Takes a column's name and values. Knows no feature and no address.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.web.charts.axes import Axis, make_axis


@dataclass(frozen=True)
class ColumnWords:
    """How a column is called and counted on an axis."""

    label: str
    unit: str
    """after the label in brackets; empty where the label says it"""
    share: bool
    """written as a percentage"""
    log: bool | None
    """None lets the values decide"""


COLUMNS: dict[str, ColumnWords] = {
    "density": ColumnWords("density", "share of tokens", True, True),
    "max_activation": ColumnWords("max activation", "", False, None),
    "mean_activation": ColumnWords("mean activation", "of active tokens", False, None),
    "top_token_share": ColumnWords("share of top token", "of the activation", True, False),
    "top_token_rate": ColumnWords("rate on top token", "of its occurrences", True, False),
    "context_share": ColumnWords("left without context", "of the activation", True, False),
    "ablation_token_effect": ColumnWords("effect of deletion", "mean, at most", True, False),
    "n_active": ColumnWords("firings", "", False, True),
    "n_contexts_active": ColumnWords("contexts", "with a firing", False, True),
    "std_activation": ColumnWords("std of activation", "of active tokens", False, None),
    "skewness": ColumnWords("skewness", "of the active values", False, False),
    "kurtosis": ColumnWords("kurtosis", "of the active values", False, None),
    "encoder_decoder_cosine": ColumnWords("encoder–decoder cosine", "", False, False),
    "position_zero_n_active": ColumnWords("firings at position 0", "", False, None),
    "position_zero_max": ColumnWords("max at position 0", "", False, None),
    "run_length": ColumnWords("run length", "mean, tokens", False, None),
    "span_fill": ColumnWords("span fill", "share of tokens", True, False),
    "region_lift": ColumnWords("lift 16 tokens on", "× its null", False, None),
    "near_share": ColumnWords("nearly firing", "of silent tokens in spans", True, False),
    "smoothed_share": ColumnWords("switches smoothed away", "share", True, False),
    "decoder_norm": ColumnWords("decoder norm", "", False, None),
    "max_logit": ColumnWords("max logit", "per unit of activation", False, None),
    "nearest_cosine": ColumnWords("cosine to the nearest", "", False, False),
    "times_nearest": ColumnWords("times nearest neighbour", "of living features", False, None),
    "neuron_share": ColumnWords("largest entry", "share of the L1 norm", True, None),
    "encoder_norm": ColumnWords("encoder norm", "", False, None),
    "delta_ce": ColumnWords("ΔCE when removed", "nats on the next token", False, True),
    "kl": ColumnWords("KL when removed", "nats", False, True),
    "pair_interaction": ColumnWords("strongest pair", "of the pre-activation", True, False),
    "map_x": ColumnWords("map, across", "", False, False),
    "map_y": ColumnWords("map, up", "", False, False),
}
CHOICES = {name: words.label for name, words in COLUMNS.items() if not name.startswith("map_")}
"""Columns an axis or a colour can be chosen from, with their labels."""


def choices_of(measured: Collection[str]) -> dict[str, str]:
    """Those of a dictionary, by the names of the columns that were measured."""
    return {name: label for name, label in CHOICES.items() if name in measured}


def axis_of(name: str, values: Float[ndarray, " d_sae"]) -> Axis:
    """The axis of a column by its name."""
    return make_axis(values, COLUMNS[name].share, COLUMNS[name].log)


def color_axis_of(name: str, values: Float[ndarray, " d_sae"]) -> Axis:
    """The axis of a colour: it holds all but the outermost hundredth of the values at either end,
    so that a few large ones don't make all others pale."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.01, 0.99]) if finite.size else (0.0, 1.0)
    return axis_of(name, finite[(finite >= low) & (finite <= high)])


def axis_name(name: str, axis: Axis) -> str:
    """A column with its unit and, where it is one, its logarithmic scale."""
    words = COLUMNS[name]
    more = ", ".join(filter(None, (words.unit, "log scale" if axis.log else "")))
    return f"{words.label} ({more})" if more else words.label
