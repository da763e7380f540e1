"""Pairs of compared features as printed, and the sentence on where their numbers come from.

Takes pairs, gives texts; what is not known says so. Knows no template.
"""

import math
from dataclasses import dataclass

from app.db.catalog import Sae
from app.web import text
from app.web.feature_numbers import Named
from app.web.pages.compare.pairs import Pair, Pairs
from app.web.pages.imported import files_of


@dataclass(frozen=True)
class PairRow:
    """One pair as printed."""

    first: Named
    second: Named
    cosine: str
    joint: str
    jaccard: str
    bar: float
    """percent of the bar's width, 0 to 100"""
    lift: str
    second_given_first: str
    first_given_second: str


def pair_row(pair: Pair) -> PairRow:
    # One dictionary's lists name no feature of another: nothing is to be expected of them.
    several = isinstance(pair.first, str) or isinstance(pair.second, str)
    unknown = text.MISSING if several else "not listed"
    return PairRow(
        pair.first,
        pair.second,
        unknown if math.isnan(pair.cosine) else _two_decimals(pair.cosine),
        unknown if pair.n_joint is None else text.count(pair.n_joint),
        text.number(pair.jaccard, 2),
        0.0 if math.isnan(pair.jaccard) else round(100 * pair.jaccard, 1),
        text.number(pair.lift),
        text.percent(pair.second_given_first),
        text.percent(pair.first_given_second),
    )


def pairs_note(sae: Sae, pairs: Pairs) -> str:
    if sae.record.imported is not None:
        return (
            f"Joint firings and directions: not in {files_of(sae.record.imported)} that this was "
            "read from; cosines are those of listed neighbours."
        )
    if pairs.exact:
        joint = f"Joint firings are counted over all {sae.corpus.n_counted:,} counted tokens."
    elif pairs.n_tokens is None:
        joint = "Joint firings were not counted."
    else:
        joint = (
            f"Joint firings are those of the listed partners, over the first {pairs.n_tokens:,} "
            "tokens; the events beside the atlas, which would give every pair, are missing."
        )
    if pairs.corpora > 1:
        joint += " Of features that were run over different text none are known."
    if pairs.hooks > 1:
        joint += " Directions of different hooks can’t be compared."
    if pairs.cosines:
        return f"{joint} Cosines are of the decoder rows, of which the atlas keeps every one."
    return (
        f"{joint} The atlas keeps no decoder rows, so cosines are known only of listed neighbours."
    )


def _two_decimals(value: float) -> str:
    shown = f"{value:+.2f}"
    return "0.00" if float(shown) == 0 else shown.replace("-", "−")
