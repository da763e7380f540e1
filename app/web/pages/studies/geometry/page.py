"""The page of a dictionary's geometry: how it is built, and its twin.

Takes a dictionary and a view; reads the study's record, the columns of the features and the rows of
those the tables name. Knows no template.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.studies import get_study
from app.db.study_records.geometry import ALIGNED_FROM, NEAR, RANKS, Geometry
from app.web.charts.beside import Beside
from app.web.memory import Memory
from app.web.pages.policy import corpus_sentence
from app.web.pages.studies.choice import Choice
from app.web.pages.studies.figure import Figure
from app.web.pages.studies.geometry.charts import column_chart, cosine_chart, neuron_chart
from app.web.pages.studies.geometry.figures import (
    chance_note,
    geometry_figures,
    lede,
    ranks_missing,
)
from app.web.pages.studies.geometry.measured import Measured
from app.web.pages.studies.geometry.tables import (
    MOST_CLUSTERS,
    MOST_MEMBERS,
    MOST_OF_BAND,
    AlignedLine,
    ClusterLine,
    HubLine,
    aligned_lines,
    cluster_lines,
    hub_lines,
    strongest_aligned,
)
from app.web.pages.studies.geometry.view import GeometryView
from app.web.pages.studies.listed import rows_of
from app.web.pages.studies.ways import Way, not_measured, ways_of
from app.web.ranges import range_words
from app.web.urls import sae_url, study_url
from app.web.views import DictionaryView


@dataclass(frozen=True)
class Band:
    """The features of a part of the histogram, and whose neighbours they are."""

    words: str
    """the range; empty where it is all of them"""
    n_features: int
    n_hubs: int
    """their different nearest neighbours"""
    hubs: list[HubLine]
    all_url: str
    """without the range"""


@dataclass(frozen=True)
class GeometryPage:
    """Context of `pages/studies/geometry.html`."""

    sae: Sae
    view: GeometryView
    ways: list[Way]
    lede: list[tuple[str, str]]
    figures: list[Figure]
    among: list[Choice]
    ranks: list[Choice]
    nears: list[Choice]
    cosines: Beside | None
    """None where no feature has so many others"""
    chance_note: str
    band: Band
    hubs_url: str
    """the list, by how often features are the nearest"""
    clusters: list[ClusterLine]
    n_clusters: int
    neurons: Beside
    aligned: list[AlignedLine]
    n_aligned: int
    aligned_from: float
    weights: list[Beside]
    ranks_missing: bool
    corpus_note: str
    measured: Measured = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """The same numbers before they became text."""
        return _twin(self.sae, self.measured)


def build(connection: Connection, sae: Sae, view: GeometryView, memory: Memory) -> GeometryPage:
    """The page under a view.

    Raises:
        HTTPException: 404 where the study was skipped.
    """
    found = get_study(connection, Geometry, sae.sae_id)
    if found is None:
        raise not_measured(sae, Geometry.STUDY)
    measured = Measured(found, memory.columns(connection, sae.sae_id), view)
    band, living = measured.band, measured.living
    band_hubs = measured.hubs(band, MOST_OF_BAND)
    groups = measured.clusters()
    shown, aligned = groups[:MOST_CLUSTERS], strongest_aligned(measured)
    named = [index for index, _ in band_hubs] + aligned
    rows = rows_of(connection, sae, [*named, *(i for group in shown for i in group[:MOST_MEMBERS])])

    def link(low: str, high: str) -> str:
        return study_url(sae, "geometry", view.arguments(cosine=f"{low}..{high}"))

    weights = (
        column_chart(measured, "encoder_decoder_cosine", "cosine of encoder and decoder"),
        column_chart(measured, "decoder_norm", "norm of the decoder row"),
        column_chart(measured, "encoder_norm", "norm of the encoder column"),
    )
    return GeometryPage(
        sae=sae,
        view=view,
        ways=ways_of(connection, sae, "geometry"),
        lede=lede(measured),
        figures=geometry_figures(measured),
        among=_choices(
            sae, view, "among",
            {"living": "Living", "all": "All", "unaligned": "Without neuron-aligned"},
        ),
        ranks=_choices(sae, view, "rank", {"1": "1st", "10": "10th", "100": "100th"}),
        nears=_choices(sae, view, "near", {f"{each:g}": f"{each:g}" for each in NEAR}),
        cosines=cosine_chart(measured, link),
        chance_note=chance_note(measured),
        band=Band(
            range_words(view.cosine) if view.cosine else "",
            int(band.sum()),
            measured.n_hubs(band),
            hub_lines(band_hubs, int(band.sum()), rows),
            study_url(sae, "geometry", view.arguments(cosine="")),
        ),
        hubs_url=sae_url(
            sae,
            DictionaryView(
                sort="-times_nearest",
                columns="top_tokens,density,sparkline,times_nearest,nearest_cosine",
            ).arguments(),
        ),
        clusters=cluster_lines(sae, measured, shown, rows),
        n_clusters=len(groups),
        neurons=neuron_chart(measured),
        aligned=aligned_lines(measured, aligned, rows),
        n_aligned=int((measured.aligned & living).sum()),
        aligned_from=ALIGNED_FROM,
        weights=[chart for chart in weights if chart is not None],
        ranks_missing=ranks_missing(measured),
        corpus_note=corpus_sentence(sae),
        measured=measured,
    )  # fmt: skip


def _choices(sae: Sae, view: GeometryView, name: str, labels: dict[str, str]) -> list[Choice]:
    """Another rank has other cosines: a range of them is dropped."""
    dropped = {"cosine": ""} if name == "rank" else {}
    return [
        Choice(
            label,
            study_url(sae, "geometry", view.arguments(**{name: value}, **dropped)),
            getattr(view, name) == value,
        )
        for value, label in labels.items()
    ]


def _twin(sae: Sae, measured: Measured) -> dict[str, Any]:
    found, living = measured.found, measured.living
    return {
        "model": sae.record.model,
        "sae": sae.record.sae,
        "hook_name": sae.record.hook_name,
        "hook_name_out": sae.record.hook_name_out,
        "d_sae": sae.record.d_sae,
        "d_out": found.d_out,
        "n_living": int(living.sum()),
        "n_among": int(measured.among.sum()),
        "quantiles": {
            "features": _quantiles(found.cosine[:, measured.among]),
            **{each.kind: _quantiles(each.cosine) for each in found.random},
        },
        "pairs": {
            "features": asdict(found.pairs),
            **{each.kind: asdict(each.pairs) for each in found.random},
        },
        "band": {
            "n_features": int(measured.band.sum()),
            "n_nearest": measured.n_hubs(measured.band),
            "nearest": _hubs(measured.hubs(measured.band, MOST_OF_BAND)),
        },
        "hubs": _hubs(measured.hubs(living, 100)),
        "n_near_pairs": {f"{t:g}": n for t, n in zip(NEAR, found.n_near_pairs, strict=True)},
        "clusters": measured.clusters(),
        "neuron_aligned": [
            {
                "feature_index": int(i),
                "neuron": int(found.neuron_index[i]),
                "cosine": float(found.neuron_cosine[i]),
                "share": float(measured.columns["neuron_share"][i]),
                "share_10": float(found.neuron_share_10[i]),
            }
            for i in np.flatnonzero(measured.aligned & living)
        ],
        "nearest_index": found.nearest_index.tolist(),
        "cosine": {str(rank): found.cosine[place].tolist() for place, rank in enumerate(RANKS)},
        "covariance_tokens": found.covariance_tokens,
    }


def _hubs(hubs: list[tuple[int, int]]) -> list[dict[str, int]]:
    return [{"feature_index": index, "n_features": times} for index, times in hubs]


def _quantiles(cosine: Float[ndarray, "ranks n"]) -> dict[str, list[float] | None]:
    """By rank: the 5th, 25th, 50th, 75th and 95th percentile."""
    return {
        str(rank): np.quantile(known, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist()
        if (known := row[np.isfinite(row)]).size
        else None
        for rank, row in zip(RANKS, cosine, strict=True)
    }
