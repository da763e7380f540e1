"""The study "regions": do features hold together inside their spans?

Takes the events, the lift of the statistics and the near misses; gives columns of each feature and
the rule for region candidates. The switches are `app.stats.smoothing`'s. Knows no page.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from app.db.study_records.regions import Regions
from app.precompute.counting import EVENTS_AT_ONCE, events_of, feature_ranges
from app.precompute.drivers.driver import Piece, Task
from app.precompute.job import FeatureRange, Job
from app.precompute.preparation import Run
from app.precompute.ranges.switches import RangeSwitches, range_switches
from app.precompute.studies.catalog import REGIONS
from app.precompute.studies.study import Harvest, Price, Study
from app.precompute.workplace.findings import Findings
from app.precompute.workplace.stage_recipes import NEAR, stage_name
from app.stats.smoothing import FIRING_SHARE, REACH, Smoothing

NAME = REGIONS.name
LAG = 16
"""Tokens after a firing: beyond phrases, within a paragraph"""
CANDIDATE_LIFT = 2.0
FEWEST_SPANS = 5
"""A lift of fewer is not told"""


@dataclass(frozen=True)
class Counted:
    """The switches of a range of a dictionary's features."""

    sae: str
    switches: RangeSwitches


def switch_pieces(run: Run, _findings: Findings) -> list[Piece]:
    """The features of every dictionary in ranges of about equally many events."""
    return [
        Piece((NAME,), f"{sae}-{part.name}", part.last - part.first, part)
        for sae in run.job.saes
        for part in feature_ranges(run.job, sae, EVENTS_AT_ONCE)
    ]


def count_switches(job: Job, part: FeatureRange) -> Counted:
    """Of a range. Memory: its events."""
    events, ground = events_of(job, part)
    settings = job.settings
    return Counted(part.sae, range_switches(events, ground, settings.region_spans, settings.seed))


def gather(run: Run, findings: Findings) -> Harvest:
    """Columns of every feature, and the rule by which candidates are told."""
    by_sae: dict[str, list[RangeSwitches]] = {sae: [] for sae in run.job.saes}
    for found in findings.of(NAME):
        by_sae[found.sae].append(found.switches)
    columns = {sae: _columns(sae, parts, findings) for sae, parts in by_sae.items()}
    return Harvest(
        of_dictionaries={
            sae: Regions(
                LAG,
                run.job.settings.region_spans,
                REACH,
                FIRING_SHARE,
                CANDIDATE_LIFT,
                FEWEST_SPANS,
                int(np.count_nonzero(columns[sae]["region_lift"] >= CANDIDATE_LIFT)),
            )
            for sae in run.job.saes
        },
        columns=columns,
    )


def _columns(sae: str, parts: Iterable[RangeSwitches], findings: Findings) -> dict[str, np.ndarray]:
    parts = sorted(parts, key=lambda part: part.first)
    lifts = [(found.lift.lift, found.lift.null) for found in findings.ranges(sae)]
    measured, null = (np.concatenate(each)[:, LAG - 1] for each in zip(*lifts, strict=True))
    counts = np.concatenate([part.counts for part in parts])
    smoothed = [Smoothing(*row) for row in counts.tolist()]
    n_spans, n_switches = counts[:, 0], counts[:, 2].astype(np.float64)
    told = (null > 0) & (n_spans >= FEWEST_SPANS)
    lift = np.full(n_spans.size, np.nan)
    lift[told] = measured[told] / null[told]
    return {
        "region_lift": lift,
        "near_share": _near_shares(sae, findings, n_spans.size),
        "n_span_switches": np.where(n_spans > 0, n_switches, np.nan),
        "smoothed_share": np.array([each.gone for each in smoothed], np.float64),
        "smoothed_share_shuffled": np.array([each.gone_by_chance for each in smoothed], np.float64),
    }


def _near_shares(sae: str, findings: Findings, d_sae: int) -> Float64[np.ndarray, " d_sae"]:
    """Of the silent tokens inside spans; NaN where none was in the sample."""
    share = np.full(d_sae, np.nan)
    for part in findings.of(stage_name(NEAR, sae)):
        own = slice(part.first, part.first + part.n_span_silent.size)
        some = part.n_span_silent > 0
        share[own][some] = part.n_span_near[some] / part.n_span_silent[some]
    return share


STUDY = Study(
    REGIONS,
    "features",
    Task(count_switches, "events"),
    lambda _run: Price(words="no forward pass: every dictionary's events are read once more"),
    switch_pieces,
    gather,
)
