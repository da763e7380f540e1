"""One feature of a SAEDashboard batch as a record.

What its numbers mean, and where they mislead: the strongest group has −1 for a lower border; the
lowest interval holds zeros, so that most of its texts are silent; tokens and values leave the first
position out, and places count from the one after it; a density of 0 is one below 0.00001 unless
nothing fires at all; a dead feature has empty lists, or texts with nothing on them. Takes a parsed
object; knows no file.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from app.exchange.foreign import (
    ForeignExample,
    ForeignFeature,
    ForeignHistogram,
    ForeignLogits,
)
from app.exchange.importing.bars import histogram_of
from app.exchange.importing.entry import Entry
from app.exchange.importing.examples import read_example
from app.exchange.importing.intervals import group_and_band

FIRST_SHOWN = 1
"""Position of the first token given, where a text is a whole prompt."""
_NO_MAXIMUM = 99
"""What stands for the maximum where SAEDashboard couldn't tell it."""


def feature_of(entry: Entry, prompt_size: int | None, whole: bool) -> ForeignFeature:
    """The feature an object describes.

    Args:
        prompt_size: tokens of a prompt, its first one included.
        whole: whether every text is a whole prompt whatever its length.

    Raises:
        AtlasError: a field can't be used; names file and feature.
    """
    index, place = entry.need(entry.whole, "feature_index"), str(entry.place)
    density = entry.number("frac_nonzero", 0, 1)
    histogram = histogram_of(entry, "freq_hist_data_bar_values", "freq_hist_data_bar_heights")
    largest, examples = _examples(entry, density, prompt_size, whole)
    if not largest and _is_dead(density, histogram, examples):
        return ForeignFeature(index, density=0.0, logits=_logits(entry), place=place)
    return ForeignFeature(
        index,
        density=density or None,
        max_activation=largest,
        histogram=histogram,
        logits=_logits(entry),
        examples=examples,
        place=place,
    )


def _is_dead(
    density: float | None, histogram: ForeignHistogram | None, examples: list[ForeignExample]
) -> bool:
    counted = histogram is not None and bool(np.any(histogram.counts > 0))
    fires = any(np.any(np.asarray(example.activations) > 0) for example in examples)
    return not density and not counted and not fires


def _examples(
    entry: Entry, density: float | None, prompt_size: int | None, whole: bool
) -> tuple[float | None, list[ForeignExample]]:
    """The largest activation, and every text chosen for a token it shows."""
    found: list[ForeignExample] = []
    said: list[float] = []
    for one in entry.entries("activations"):
        group, band = group_and_band(one, "bin_min", "bin_max", "bin_contains", density)
        top = one.number("bin_max")
        if group == "top" and top is not None:
            said.append(top)
        if one.whole("qualifying_token_index", least=-1) == -1:
            continue
        example = read_example(
            one,
            group=group,
            band=band,
            activations="values",
            positions=("qualifying_token_index",),
        )
        if example is None:
            continue
        starts = whole or len(example.tokens) + FIRST_SHOWN == prompt_size
        found.append(replace(example, first_position=FIRST_SHOWN if starts else None))
    values = [float(np.max(example.activations)) for example in found]
    largest = max(values, default=None)
    known = [value for value in said if value > 0]
    if known and not (max(known) == _NO_MAXIMUM and largest != _NO_MAXIMUM):
        largest = max(known)
    return largest, found


def _logits(entry: Entry) -> ForeignLogits | None:
    promoted, suppressed = _side(entry, "pos", -1), _side(entry, "neg", 1)
    histogram = histogram_of(entry, "logits_hist_data_bar_values", "logits_hist_data_bar_heights")
    if not promoted[0] and not suppressed[0]:
        return None
    return ForeignLogits(*promoted, *suppressed, histogram)


def _side(entry: Entry, side: str, sign: int) -> tuple[list[str], Float[np.ndarray, " n"]]:
    """Tokens with their logits, the strongest first; a logit that is null is unknown, and last."""
    tokens = entry.texts(f"{side}_str") or []
    values = entry.numbers_or_none(f"{side}_values")
    if values is None:
        values = np.full(len(tokens), np.nan)
    entry.same_length(f"{side}_str", len(tokens), f"{side}_values", len(values))
    order = np.argsort(sign * values, kind="stable")
    return [tokens[int(i)] for i in order], values[order]
