"""What one file of OpenAI's viewer says of a feature.

Takes a parsed object, gives a record. The viewer's statistics are over all tokens (E[a > 0], E[a],
E[a²], E[a³] / E[a²]^1.5 and E[a⁴] / E[a²]²); divided by the share of active tokens they are those
over the active ones, which is what a record holds. The histogram counts tokens by the upper bound
of steps of 0.2: bar b holds 0.2 (b − 1) < a ≤ 0.2 b. Knows no files.
"""

import re
from dataclasses import dataclass

import numpy as np

from app.exchange.foreign import (
    ForeignBand,
    ForeignExample,
    ForeignFeature,
    ForeignGroup,
    ForeignHistogram,
)
from app.exchange.importing.entry import LARGEST, Entry
from app.exchange.importing.examples import read_example

BAR = 0.2
ABSENT = (
    "where in its context a text begins",
    "the number of active tokens, and of tokens in all",
    "effects on the logits",
    "neighbours among the directions",
    "the corpus' name; texts have its number of their document",
)
APPROXIMATE = ("largest activation, that of the strongest texts",)
_MOST_BARS = 100_000


@dataclass(frozen=True)
class _Moments:
    """Over the active tokens."""

    mean: float | None = None
    std: float | None = None
    skewness: float | None = None
    kurtosis: float | None = None


def is_feature(entry: Entry) -> bool:
    """Whether an object has what the viewer reads first."""
    return any(isinstance(entry.any(name), list) for name in ("top", "random")) and not entry.has(
        "examples_quantiles"
    )


def feature_of(index: int, entry: Entry) -> ForeignFeature:
    """The feature an object describes.

    Raises:
        AtlasError: a field can't be read.
    """
    density = entry.number("density", 0, 1)
    top = _examples(entry, "top", "top", None)
    peaks = [float(one.activations[one.position]) for one in top]
    largest = max(peaks, default=0.0 if density == 0 else None)
    drawn_from = ForeignBand(0, largest, 1) if largest else None
    random = _examples(entry, "random", "quantile", drawn_from)
    moments = _moments(entry, density) if density else _Moments()
    return ForeignFeature(
        index,
        density=density,
        max_activation=largest,
        mean_activation=moments.mean,
        std_activation=moments.std,
        skewness=moments.skewness,
        kurtosis=moments.kurtosis,
        histogram=_histogram(entry, largest or 0),
        examples=(*top, *random),
        place=str(entry.place),
    )


def _examples(
    entry: Entry, name: str, group: ForeignGroup, band: ForeignBand | None
) -> list[ForeignExample]:
    found = []
    for example in entry.entries(name):
        document = example.any("doc_id")
        read = read_example(
            example,
            group=group,
            band=band,
            activations="acts",
            positions=("idx",),
            token_ids="token_ints",
            document=str(document) if isinstance(document, int | str) else None,
        )
        if read is not None:
            found.append(read)
    if group == "top":
        found.sort(key=lambda one: -float(one.activations[one.position]))
    return found


def _moments(entry: Entry, density: float) -> _Moments:
    """Mean to kurtosis over the active tokens from those over all; each needs the one before."""
    mean = entry.number("mean_act")
    squared = entry.number("mean_act_squared", 0)
    skew, kurtosis = entry.number("skew"), entry.number("kurtosis")
    if mean is None:
        return _Moments()
    first = mean / density
    if squared is None:
        return _Moments(first)
    second = squared / density
    variance = second - first * first
    # What a sum of rounded numbers leaves is no spread.
    if variance <= 1e-6 * second:
        return _Moments(first)
    std = variance**0.5
    if skew is None or not variance * variance:
        return _Moments(first, std)
    third = skew * squared * squared**0.5 / density
    skewness = (third - 3 * first * second + 2 * first * first * first) / (variance * std)
    if kurtosis is None:
        return _Moments(first, std, skewness)
    fourth = kurtosis * squared * squared / density
    square = first * first
    central = fourth - 4 * first * third + 6 * square * second - 3 * square * square
    return _Moments(first, std, skewness, central / (variance * variance))


def _histogram(entry: Entry, largest: float) -> ForeignHistogram | None:
    """The bars above 0, those that are left out being empty.

    Where the largest activation lies above the last bar, bars are named by their lower bound: that
    is how the viewer draws them, and how some files have them.
    """
    bars = entry.section("hist")
    counts = {}
    for name in bars.names():
        if not re.fullmatch(r"-?\d{1,9}", name) or int(name) > _MOST_BARS:
            bars.wrong(name, bars.any(name), f"a bar's number, up to {_MOST_BARS:,}")
        counts[int(name)] = bars.need(lambda name: bars.number(name, 0, LARGEST), name)
    if not counts:
        return None
    lower = largest > max(counts) * BAR * (1 + 1e-6)
    first = 0 if lower else 1
    last = max(counts)
    if last < first:
        return None
    edges = BAR * np.arange(first, last + 2) - (0 if lower else BAR)
    return ForeignHistogram(edges, np.array([counts.get(b, 0.0) for b in range(first, last + 1)]))
