"""The numbers of a feature as SAEDashboard means them; its own files and Neuronpedia's hold these.

Where SAEDashboard's habit loses nothing it is kept: the first position of a context is left out and
places count from the one after it, bars are named by their middle, the lowest interval counts the
zeros, shares are rounded to 0.00001 and the strongest group is marked by −1. Values themselves are
not rounded. Takes a reader's feature; knows no file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from app.db.records import CorpusRecord
from app.exchange.exporting.values import number, numbers, strongest_band_first
from app.exchange.reader.records import Band, Example, Feature, Logits, TokenLogit

Scale = Literal["adjusted", "raw"]
SHARE_DIGITS = 5
"""SAEDashboard prints shares as percentages with three digits and reads them back."""
TOP_GROUP = -1
"""What `bin_min` and `bin_contains` of the strongest texts are."""


@dataclass(frozen=True)
class Activation:
    """One text."""

    example: Example
    bin_min: float
    bin_max: float
    bin_contains: float | None
    """share of all tokens; None where the atlas doesn't say"""
    tokens: list[str]
    """from the second position of the context on, where that is known"""
    values: list[float]
    qualifying_token_index: int
    """in `tokens`"""


def activations(feature: Feature, corpus: CorpusRecord) -> Iterator[Activation]:
    """The strongest texts, then those of the intervals from the highest to the lowest.

    Texts chosen for the first position, which these formats leave out, are left out.
    """
    largest = feature.statistics.max_activation
    skip = left_out(corpus)
    for example in feature.top_examples:
        top = example.activation if largest is None else number(largest)
        yield from _activation(example, skip, TOP_GROUP, top, TOP_GROUP)
    for example in strongest_band_first(feature.group("interval")):
        if example.band is not None:
            low, high = ends(example.band, corpus)
            share = _share_of_tokens(example.band, low == 0, feature, corpus.n_tokens)
            yield from _activation(example, skip, low, high, share)


def ends(band: Band, corpus: CorpusRecord) -> tuple[float, float]:
    """Of an interval; the lowest one begins at 0. Of an import the lowest one that has texts need
    not be the lowest there is."""
    is_lowest = band.number == 0 and corpus.packing != "examples"
    return 0.0 if is_lowest else number(band.low), number(band.high)


def _share_of_tokens(
    band: Band, is_lowest: bool, feature: Feature, n_tokens: int | None
) -> float | None:
    """How many of all tokens lie in an interval, those on which the feature is 0 in the lowest one;
    from counts, else from shares, None where the atlas has neither."""
    n_active, density = feature.statistics.n_active, feature.statistics.density
    if band.n_active is not None and n_active is not None and n_tokens:
        share = (band.n_active + (n_tokens - n_active if is_lowest else 0)) / n_tokens
    elif band.share is not None and density is not None:
        share = band.share * density + (1 - density if is_lowest else 0)
    else:
        return None
    return round(share, SHARE_DIGITS)


def _activation(
    example: Example, skip: int, bin_min: float, bin_max: float, share: float | None
) -> Iterator[Activation]:
    if example.token_index < skip:
        return
    stop = _end_of_text(example)
    yield Activation(
        example,
        bin_min,
        bin_max,
        share,
        list(example.context.tokens[skip:stop]),
        numbers(example.context_activations[skip:stop]),
        example.token_index - skip,
    )


def prompts(corpus: CorpusRecord) -> tuple[int | None, int | None]:
    """How many texts were run and how many tokens each has; of an import what its source said, as
    the texts it holds are some of them and may be shortened."""
    if corpus.packing != "examples":
        return corpus.n_contexts, corpus.context_size
    return corpus.settings.get("n_contexts"), corpus.settings.get("context_size")


def left_out(corpus: CorpusRecord) -> int:
    """Tokens at the start of a stored context that these formats don't have: the first position,
    where it is stored. Texts of an import may begin after it, or nobody knows where."""
    return 1 if corpus.first_position == 0 else 0


def _end_of_text(example: Example) -> int:
    """Where the padding at the end of a context begins."""
    ids = example.context.document_ids
    stop = len(ids)
    if (ids >= 0).any():
        while stop > example.token_index + 1 and ids[stop - 1] < 0:
            stop -= 1
    return stop


def histograms(feature: Feature, scale: Scale) -> dict[str, list[float]]:
    """The four lists both formats call the same; empty where the atlas has no such histogram.

    Of the logits it has that of the adjusted ones alone; an import's is of those of its files.
    """
    found: dict[str, list[float]] = {
        "freq_hist_data_bar_values": [],
        "freq_hist_data_bar_heights": [],
        "logits_hist_data_bar_heights": [],
        "logits_hist_data_bar_values": [],
    }
    if feature.histogram is not None:
        found["freq_hist_data_bar_values"] = feature.histogram.centers.tolist()
        found["freq_hist_data_bar_heights"] = feature.histogram.counts.tolist()
    lens = feature.logit_lens
    if (
        lens is not None
        and lens.histogram is not None
        and (scale == "adjusted" or not _has(lens.raw))
    ):
        found["logits_hist_data_bar_heights"] = lens.histogram.counts.tolist()
        found["logits_hist_data_bar_values"] = lens.histogram.centers.tolist()
    return found


def logits(feature: Feature, scale: Scale, unknown: float | None) -> dict[str, list[Any]]:
    """`neg_str`, `neg_values`, `pos_str`, `pos_values`.

    Args:
        unknown: what stands where only the token is known.
    """
    positive, negative = sides(feature, scale)

    def values(side: tuple[TokenLogit, ...]) -> list[float | None]:
        return [unknown if one.logit is None else number(one.logit) for one in side]

    return {
        "neg_str": [one.token for one in negative],
        "neg_values": values(negative),
        "pos_str": [one.token for one in positive],
        "pos_values": values(positive),
    }


def sides(feature: Feature, scale: Scale) -> tuple[tuple[TokenLogit, ...], tuple[TokenLogit, ...]]:
    """(promoted, suppressed) of that scale; of an import as its files have them."""
    lens = feature.logit_lens
    if lens is None:
        return (), ()
    asked = lens.adjusted if scale == "adjusted" else lens.raw
    found = asked if _has(asked) else lens.imported
    return found.positive, found.negative


def _has(logits: Logits) -> bool:
    return bool(logits.positive or logits.negative)


def frac_nonzero(feature: Feature) -> float | None:
    """Share of the counted tokens it fires on, rounded as SAEDashboard rounds it."""
    density = feature.statistics.density
    return None if density is None or density != density else round(density, SHARE_DIGITS)
