"""What one of circuit-tracer's feature objects says.

Takes a parsed object, gives a record. The groups of texts have free names: those that start with
"top" are the strongest, random ones come from all activations, and the others are intervals. Their
bounds are those in the name, if every text of the group keeps to them, else those of the texts
themselves. The format names promoted tokens without a number, and counts of a histogram without
bounds. Knows no files.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
from jaxtyping import Float

from app.exchange.foreign import (
    ForeignBand,
    ForeignExample,
    ForeignFeature,
    ForeignGroup,
    ForeignHistogram,
    ForeignLogits,
)
from app.exchange.importing.entry import LARGEST, Entry
from app.exchange.importing.examples import read_example

ABSENT = (
    "token ids",
    "where in its context a text begins",
    "the number of active tokens, and of tokens in all",
    "mean, spread, skewness and kurtosis of the activations",
    "how much a token's logit changes: the tokens are named alone",
    "neighbours among the directions",
)
APPROXIMATE = (
    "the histogram's bars, taken as equal steps from act_min to act_max",
    "an interval's range, from the activations of its own texts where its name doesn't say it",
)
_NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_RANGE = re.compile(rf"{_NUMBER}\s*(?:-|–|to|,|\.\.)\s*{_NUMBER}\W*$", re.IGNORECASE)


def feature_of(index: int, entry: Entry) -> ForeignFeature:
    """The feature an object describes.

    Raises:
        AtlasError: a field can't be read.
    """
    largest = entry.number("act_max")
    density = entry.number("activation_frequency", 0, 1)
    examples = []
    for group in entry.entries("examples_quantiles"):
        examples += _examples(group, largest)
    silent = density == 0 and not examples
    return ForeignFeature(
        index,
        density=density,
        max_activation=largest if largest or silent else None,
        histogram=_histogram(entry, entry.number("act_min"), largest),
        logits=_logits(entry),
        examples=tuple(examples),
        place=str(entry.place),
    )


def _examples(group: Entry, largest: float | None) -> list[ForeignExample]:
    found = []
    for example in group.entries("examples"):
        read = read_example(
            example,
            group="top",
            activations="tokens_acts_list",
            positions=("train_token_ind", "train_token_index"),
        )
        if read is not None:
            found.append(read)
    peaks = [float(one.activations[one.position]) for one in found if one.group != "silent"]
    if not peaks:
        return found
    kind, band = _group_and_band(group.text("quantile_name") or "", peaks, largest)
    return [one if one.group == "silent" else replace(one, group=kind, band=band) for one in found]


def _group_and_band(
    name: str, peaks: Sequence[float], largest: float | None
) -> tuple[ForeignGroup, ForeignBand | None]:
    """Of a group whose texts have these activations above 0."""
    name = name.lower()
    if not peaks:
        return "silent", None
    if name.startswith("top"):
        return "top", None
    if "random" in name:
        return "quantile", ForeignBand(0, max(largest or 0, *peaks), 1)
    return "interval", _range_in(name, peaks) or _range_of(peaks)


def _range_in(name: str, peaks: Sequence[float]) -> ForeignBand | None:
    """The range a name spells, unless a text lies outside: it may be one of quantiles."""
    bounds = _RANGE.search(name)
    if bounds is None:
        return None
    low, high = float(bounds[1]), float(bounds[2])
    if not (abs(low) <= LARGEST and abs(high) <= LARGEST):
        return None
    # A name is rounded to its last digit, and some writers round more than that.
    exponents = (int(Decimal(text).as_tuple().exponent) for text in bounds.groups())
    digits = (10.0 ** min(exponent, 38) for exponent in exponents)
    off = max(*digits, 1e-3 * high)
    fits = low <= high and low - off <= min(peaks) and max(peaks) <= high + off
    return ForeignBand(low, high) if fits else None


def _range_of(peaks: Sequence[float]) -> ForeignBand:
    """From just below the smallest, because a range is without its lower bound."""
    return ForeignBand(float(np.nextafter(np.float32(min(peaks)), np.float32(0))), max(peaks))


def _histogram(
    entry: Entry, smallest: float | None, largest: float | None
) -> ForeignHistogram | None:
    """None where a bound is absent, or the heights are no counts (some writers give logarithms)."""
    if smallest is not None and largest is not None and smallest > largest:
        entry.wrong("act_min", smallest, f"no more than act_max = {largest:g}")
    counts = entry.numbers("histogram")
    if counts is None or smallest is None or largest is None or smallest == largest:
        return None
    negative = counts < 0
    if negative.any() and (counts == np.rint(counts)).all():
        at = int(negative.argmax())
        entry.wrong(f"histogram[{at}]", counts[at], "no negative count")
    if len(counts) < 2 or negative.any():
        return None
    return ForeignHistogram(np.linspace(smallest, largest, len(counts) + 1), counts)


def _logits(entry: Entry) -> ForeignLogits | None:
    promoted, suppressed = _side(entry, "top_logits"), _side(entry, "bottom_logits")
    if not promoted[0] and not suppressed[0]:
        return None
    return ForeignLogits(*promoted, *suppressed)


def _side(entry: Entry, name: str) -> tuple[list[str], Float[np.ndarray, " n"]]:
    """Tokens in the file's order; some writers put the number beside each."""
    value = entry.any(name)
    if not isinstance(value, list) or not value or not isinstance(value[0], list):
        tokens = entry.texts(name) or []
        return tokens, np.full(len(tokens), np.nan)
    for at, pair in enumerate(value):
        if not isinstance(pair, list) or len(pair) != 2:
            entry.wrong(f"{name}[{at}]", pair, "a token and its number")
    pairs = Entry(
        {name: [token for token, _ in value], "logits": [x for _, x in value]}, entry.place
    )
    return pairs.need(pairs.texts, name), pairs.need(pairs.numbers, "logits")
