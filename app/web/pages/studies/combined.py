"""`/{model}/{sae}/combined`: conjunctions and alternatives, by the strongest pair of tokens.

`build` counts both kinds over the dictionary and lists their features with the pair that interacts
most; `CombinedPage` is all the template may show.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.columns import FeatureColumns, FeatureQuery, Range
from app.db.features import get_features
from app.db.studies import get_feature_study, get_study
from app.db.study_records.combined import CombinedStudy, FeatureCombined
from app.stats.interactions import kind_of, strongest_pair
from app.web import text
from app.web.charts.columns import bars_over
from app.web.charts.plot import Chart
from app.web.charts.scales import Tick
from app.web.memory import Memory
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.pages.feature.combined_panel import StrongestPair, strongest_of
from app.web.pages.feature_row import FeatureRow, make_rows
from app.web.pages.policy import corpus_sentence
from app.web.pages.studies.effects import Choice
from app.web.pages.studies.ways import Way, not_measured, ways_of
from app.web.urls import json_twin, sae_url, study_url
from app.web.views import CombinedView

PAGE = "combined"
KINDS = {"alternative": "Alternatives", "conjunction": "Conjunctions"}
_EDGE, _BINS = 1.5, 24
"""Of the histogram: shares beyond the edge are in its outermost bins."""


@dataclass(frozen=True)
class PairRow:
    """One feature with its strongest pair."""

    row: FeatureRow
    share: str
    bar: float
    """percent, of an interaction as large as the pre-activation"""
    pair: StrongestPair | None
    """of the example where it is strongest"""
    example: str
    """that example's name; empty without a pair"""
    n_of_kind: int
    n_examples: int


@dataclass(frozen=True)
class CombinedPage:
    """Context of `pages/studies/combined.html`."""

    sae: Sae
    view: CombinedView
    ways: list[Way]
    study: CombinedStudy
    n_living: int
    histogram: Chart
    kinds: list[Choice]
    rows: list[PairRow]
    n_matching: int
    list_url: str
    first_url: str
    """empty on the first page"""
    next_url: str
    next: str | None
    corpus_note: str

    def as_json(self) -> dict[str, Any]:
        """The study's rule, its counts, and a page of features of one kind."""
        return {
            "model": self.sae.record.model,
            "sae": self.sae.record.sae,
            "study": asdict(self.study),
            "kind": self.view.kind,
            "n_matching": self.n_matching,
            "features": [
                item.row.as_json() | {"n_of_kind": item.n_of_kind, "n_examples": item.n_examples}
                for item in self.rows
            ],
            "next": self.next,
            "next_url": json_twin(self.next_url) if self.next_url else None,
        }


def build(
    connection: Connection,
    sae: Sae,
    view: CombinedView,
    memory: Memory,
    reader: Reader = NO_NOTEBOOK,
) -> CombinedPage:
    """The page of a dictionary under a view.

    Raises:
        HTTPException: 404 where the study was skipped.
        BadCursor: `view.next` belongs to another list.
    """
    study = get_study(connection, CombinedStudy, sae.sae_id)
    if study is None:
        raise not_measured(sae, CombinedStudy.STUDY)
    values = memory.columns(connection, sae.sae_id)
    query = _query(view, study)
    page = values.select(query, values.matching(query))
    return CombinedPage(
        sae=sae,
        view=view,
        ways=ways_of(connection, sae, PAGE),
        study=study,
        n_living=int(values.living.sum()),
        histogram=_histogram(values, study),
        kinds=[
            Choice(
                words, study_url(sae, PAGE, view.arguments(kind=kind, next=None)), kind == view.kind
            )
            for kind, words in KINDS.items()
        ],
        rows=_rows(connection, sae, view, page.feature_indices, memory, reader),
        n_matching=page.n_matching,
        list_url=_list_url(sae, view, study),
        first_url=study_url(sae, PAGE, view.arguments(next=None)) if view.next else "",
        next_url=study_url(sae, PAGE, view.arguments(next=page.next)) if page.next else "",
        next=page.next,
        corpus_note=corpus_sentence(sae),
    )


def _query(view: CombinedView, study: CombinedStudy) -> FeatureQuery:
    """The strongest first."""
    negative = view.kind == "alternative"
    limits = (None, -study.strong) if negative else (study.strong, None)
    return FeatureQuery(
        sort="pair_interaction",
        descending=not negative,
        ranges=(Range("pair_interaction", *limits),),
        size=view.size,
        next=view.next,
    )


def _list_url(sae: Sae, view: CombinedView, study: CombinedStudy) -> str:
    percent = f"{100 * study.strong:g}%"
    negative = view.kind == "alternative"
    return sae_url(
        sae,
        [
            ("sort", "pair_interaction" if negative else "-pair_interaction"),
            ("pair_interaction", f"..-{percent}" if negative else f"{percent}.."),
            ("columns", "top_tokens,density,context_share,ablation_token_effect,pair_interaction"),
        ],
    )


def _rows(
    connection: Connection,
    sae: Sae,
    view: CombinedView,
    indices: list[int],
    memory: Memory,
    reader: Reader,
) -> list[PairRow]:
    found = get_features(connection, sae.sae_id, indices)
    rows = make_rows(connection, sae.model_id, [found[i] for i in indices], reader.names(sae))
    studied = {i: get_feature_study(connection, FeatureCombined, sae.sae_id, i) for i in indices}
    wanted = {
        token_id
        for record in studied.values()
        if record is not None
        for example in record.examples
        for token_id in example.token_ids.tolist()
    }
    vocabulary = memory.tokens(connection, sae.model_id, wanted)
    tokens = {token_id: token.token for token_id, token in vocabulary.items()}
    return [_row(row, studied[i], view, tokens) for i, row in zip(indices, rows, strict=True)]


def _row(
    row: FeatureRow, found: FeatureCombined | None, view: CombinedView, tokens: dict[int, str]
) -> PairRow:
    examples = [] if found is None else found.examples
    shares = [strongest_pair(e.interactions, e.hidden_pre_baseline)[2] for e in examples]
    share = row.record.pair_interaction
    assert share is not None  # the list holds no other
    pair, name = None, ""
    if examples:
        most = max(range(len(examples)), key=lambda i: (np.sign(share) * shares[i], -i))
        named = [tokens.get(i, f"<{i}>") for i in examples[most].token_ids.tolist()]
        pair = strongest_of(examples[most], named)
        name = f"{examples[most].group}-{examples[most].rank + 1}"
    return PairRow(
        row,
        text.signed_percent(share),
        round(min(100 * abs(share), 100), 2),
        pair,
        name,
        sum(kind_of(each) == view.kind for each in shares),
        len(examples),
    )


def _histogram(values: FeatureColumns, study: CombinedStudy) -> Chart:
    """Features by their strongest interaction."""
    known = values["pair_interaction"][np.isfinite(values["pair_interaction"])]
    counts, edges = np.histogram(np.clip(known, -_EDGE, _EDGE), bins=_BINS, range=(-_EDGE, _EDGE))
    labels = [
        f"{text.signed_percent(low)} to {text.signed_percent(high)}: {count:,} features"
        for low, high, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
    ]
    ticks = [
        Tick(100 * (at + _EDGE) / (2 * _EDGE), text.signed_percent(at))
        for at in (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
    ]
    return bars_over(
        counts.tolist(),
        ticks,
        kind="pair-interaction",
        label="Features by the strongest interaction of two tokens",
        x_name="strongest interaction, of the pre-activation",
        y_name="features",
        labels=labels,
        as_percent=False,
        note=f"{study.n_features:,} features with an example taken apart; beyond ±150% in the "
        "outermost bars.",
    )
