"""The table of matches, and the table of other dictionaries, as the template prints them.

Takes what was measured and the rows of features on both sides. Knows no query.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.db.catalog import Sae
from app.web import text
from app.web.pages.feature_row import FeatureRow
from app.web.pages.studies.matches.measured import Measured
from app.web.pages.studies.matches.others import Other
from app.web.pages.studies.matches.view import MatchesView
from app.web.urls import compare_url, sae_url, study_url

PER_PAGE = 40


@dataclass(frozen=True)
class MatchLine:
    """A feature and its match."""

    row: FeatureRow
    match: FeatureRow | None
    """None where the matching has none"""
    cosine: str
    bar: float
    """percent of the bar's width"""
    is_match: bool
    """whether the cosine reaches the threshold"""
    mutual: bool
    """whether it is the best match of its best match"""
    compare_url: str
    """both side by side"""


@dataclass(frozen=True)
class OtherLine:
    """Another dictionary of the model."""

    sae: Sae
    url: str
    """the page about it: matches with it, or its own list where there are none"""
    current: bool
    mmcs: str
    """of this one's features in it; empty where they weren't compared"""
    mmcs_back: str
    random: str
    """MMCS of random dictionaries of the same sizes, of this one's side"""
    problem: str


def match_lines(
    sae: Sae,
    other: Sae,
    measured: Measured,
    indices: Sequence[int],
    rows: Mapping[int, FeatureRow],
    other_rows: Mapping[int, FeatureRow],
) -> list[MatchLine]:
    """In the order given."""
    mutual, found = measured.mutual, list[MatchLine]()
    for index in indices:
        match, cosine = int(measured.match[index]), float(measured.cosine[index])
        features = [str(index), f"{other.record.sae}:{match}"]
        found.append(
            MatchLine(
                row=rows[index],
                match=other_rows.get(match),
                cosine=text.number(cosine),
                bar=round(100 * max(cosine, 0.0), 1) if match >= 0 else 0.0,
                is_match=cosine >= measured.near,
                mutual=bool(mutual[index]) and match == int(measured.found.best_index[index]),
                compare_url=compare_url(sae, features) if match >= 0 else "",
            )
        )
    return found


def other_lines(
    sae: Sae, others: Sequence[Other], shown: Other, view: MatchesView
) -> list[OtherLine]:
    """All of them."""
    return [_other_line(sae, each, each is shown, view) for each in others]


def _other_line(sae: Sae, other: Other, current: bool, view: MatchesView) -> OtherLine:
    found, back = other.found, other.back
    changes = {"other": other.sae.record.sae, "start": 0, "cosine": ""}
    return OtherLine(
        sae=other.sae,
        url=sae_url(other.sae)
        if found is None
        else study_url(sae, "matches", view.arguments(**changes)),
        current=current,
        mmcs=text.number(found.mmcs) if found else "",
        mmcs_back=text.number(back.mmcs) if back else "",
        random=" / ".join(text.number(each.mean) for each in found.random) if found else "",
        problem=other.problem,
    )
