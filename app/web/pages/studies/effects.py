"""`/{model}/{sae}/effects`: what the model loses when a feature is removed at its firings.

`build` sets the loss against density and largest activation ("are the most active features the ones
that matter?") and lists the features that matter most; `EffectsPage` is all the template may show.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.columns import FeatureColumns
from app.db.features import get_features
from app.db.studies import get_study
from app.db.study_records.effects import EffectsStudy
from app.stats.importance import rank_correlation
from app.web import text
from app.web.memory import Memory
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.pages.points.plot import ScatterPlot, scatter_plot
from app.web.pages.policy import corpus_sentence
from app.web.pages.studies.ways import Way, not_measured, ways_of
from app.web.urls import sae_url, study_url
from app.web.views import EffectsView

PAGE = "effects"
MEASURES = {"delta_ce": "ΔCE", "kl": "KL"}
_AGAINST = {"density": "density", "max_activation": "max activation"}


@dataclass(frozen=True)
class Choice:
    """A link to the same page in another view."""

    words: str
    url: str
    chosen: bool


@dataclass(frozen=True)
class Correlation:
    """How a measure and a column go together."""

    measure: str
    column: str
    rho: float | None
    """Spearman's; None where undefined"""
    n: int
    """features behind it"""

    @property
    def said(self) -> str:
        """As printed: +0.43."""
        return text.signed(self.rho, 2)


@dataclass(frozen=True)
class Against:
    """A scatter of the measure over one column."""

    words: str
    plot: ScatterPlot
    correlation: Correlation


@dataclass(frozen=True)
class RankedRow:
    """One of the features that matter most."""

    row: FeatureRow
    delta_ce: str
    kl: str
    per_token: str
    bar: float
    """percent of the first one's"""


@dataclass(frozen=True)
class EffectsPage:
    """Context of `pages/studies/effects.html`."""

    sae: Sae
    view: EffectsView
    ways: list[Way]
    study: EffectsStudy
    measure: str
    """its name"""
    measures: list[Choice]
    orders: list[Choice]
    n_living: int
    median: str
    tenth: str
    """nine of ten lie below"""
    n_below_zero: int
    """features without which the next token is predicted better"""
    scatters: list[Against]
    correlations: list[Correlation]
    """of both measures with both columns"""
    rows: list[RankedRow]
    list_url: str
    corpus_note: str

    def as_json(self) -> dict[str, Any]:
        """How it was measured, the rank correlations, and the features listed."""
        return {
            "model": self.sae.record.model,
            "sae": self.sae.record.sae,
            "study": asdict(self.study),
            "rank_correlations": [asdict(item) for item in self.correlations],
            "n_below_zero": self.n_below_zero,
            "features": [item.row.as_json() for item in self.rows],
        }


def build(
    connection: Connection,
    sae: Sae,
    view: EffectsView,
    memory: Memory,
    reader: Reader = NO_NOTEBOOK,
) -> EffectsPage:
    """The page of a dictionary under a view.

    Raises:
        HTTPException: 404 where the study was skipped.
    """
    study = get_study(connection, EffectsStudy, sae.sae_id)
    if study is None:
        raise not_measured(sae, EffectsStudy.STUDY)
    values = memory.columns(connection, sae.sae_id)
    own = values[view.measure]
    known = own[np.isfinite(own)]
    median, tenth = np.quantile(known, [0.5, 0.9]).tolist() if known.size else (np.nan, np.nan)
    correlations = [
        Correlation(measure, column, *rank_correlation(values[measure], values[column]))
        for measure in MEASURES
        for column in _AGAINST
    ]
    return EffectsPage(
        sae=sae,
        view=view,
        ways=ways_of(connection, sae, PAGE),
        study=study,
        measure=MEASURES[view.measure],
        measures=_choices(sae, view, "measure", MEASURES),
        orders=_choices(sae, view, "per", {"firing": "per firing", "token": "per token of text"}),
        n_living=int(values.living.sum()),
        median=text.number(median, 2),
        tenth=text.number(tenth, 2),
        n_below_zero=int((values["delta_ce"] < 0).sum()),
        scatters=[
            Against(words, scatter_plot(sae, values, column, view.measure), found)
            for (column, words), found in zip(
                _AGAINST.items(),
                [item for item in correlations if item.measure == view.measure],
                strict=True,
            )
        ],
        correlations=correlations,
        rows=_rows(connection, sae, view, values, reader),
        list_url=_list_url(sae, view),
        corpus_note=corpus_sentence(sae),
    )


def _choices(sae: Sae, view: EffectsView, argument: str, named: dict[str, str]) -> list[Choice]:
    return [
        Choice(
            words,
            study_url(sae, PAGE, view.arguments(**{argument: value})),
            getattr(view, argument) == value,
        )
        for value, words in named.items()
    ]


def _rows(
    connection: Connection, sae: Sae, view: EffectsView, values: FeatureColumns, reader: Reader
) -> list[RankedRow]:
    """By the measure, largest first, ties to the lower index."""
    score = _score(view, values)
    order = np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")[: view.size].tolist()
    order = [index for index in order if np.isfinite(score[index])]
    found = get_features(connection, sae.sae_id, order)
    rows = make_rows(connection, sae.model_id, [found[i] for i in order], reader.names(sae))
    most = max(float(score[order[0]]), 1e-12) if order else 1.0
    return [
        RankedRow(
            row,
            text.signed(row.record.delta_ce, 2),
            text.number(row.record.kl, 2),
            text.number(
                float(score[i] if view.per == "token" else score[i] * values["density"][i]), 2
            ),
            round(100 * max(float(score[i]), 0.0) / most, 2),
        )
        for i, row in zip(order, rows, strict=True)
    ]


def _score(view: EffectsView, values: FeatureColumns) -> Float[ndarray, " d_sae"]:
    own = values[view.measure]
    return own * values["density"] if view.per == "token" else own


def _list_url(sae: Sae, view: EffectsView) -> str:
    columns = "top_tokens,density,max_activation,delta_ce,kl"
    return sae_url(sae, [("sort", f"-{view.measure}"), ("columns", columns)])
