"""The features that fire on a text: the page's context and its twin.

Takes what the model answered and the rows of the features, gives what the template prints. Asks
nothing itself. Knows no template.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup

from app.db.catalog import Sae
from app.db.records import FeatureRecord, TokenRecord
from app.live.protocol import TopAnswer, TopAsked
from app.web import urls
from app.web.pages.context.tokens import SHADE
from app.web.pages.feature.material import unknown_token
from app.web.pages.live.shown_text import shown_text
from app.web.pages.live.views import TopView, TryView
from app.web.text import number, percent
from app.web.token_text import Pieces, line_pieces

DENSE = {"all": 1.0, "10%": 0.1, "1%": 0.01}
"""Largest density shown, by the argument"""
SORTS = {
    "activation": "activation",
    "share": "share of its maximum",
    "rarity": "rarity",
}


@dataclass(frozen=True)
class TopRow:
    """One feature."""

    sae: Sae
    record: FeatureRecord
    activation: str
    share: str
    bar: float
    """in percent: its share of its own maximum, at most 100"""
    density: str
    pieces: Pieces
    """of the token it is strongest on"""
    position: int
    n_positions: int
    url: str
    """the text on this feature"""


@dataclass(frozen=True)
class Choice:
    """One way to look."""

    label: str
    url: str
    current: bool


@dataclass(frozen=True)
class TopResult:
    """What is printed of the answer."""

    text: Markup
    span: str
    """what is looked at, in words"""
    whole_url: str
    """all of the text; empty where that is what is looked at"""
    rows: list[TopRow]
    n_firing: int
    n_dense: int
    sorts: list[Choice]
    denses: list[Choice]
    several: bool
    """more than one dictionary"""


@dataclass(frozen=True)
class TopPage:
    """Context of `pages/live-top.html`."""

    view: TopView
    typed: str
    action: str
    saes: list[str]
    """dictionaries that can be asked"""
    problem: str
    result: TopResult | None
    answer: TopAnswer | None = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """The twin: what the model answered, key for key."""
        return {"answer": None if self.answer is None else self.answer.model_dump()}


def question(view: TopView, saes: Sequence[str]) -> TopAsked:
    """What is asked of the model."""
    return TopAsked(
        text=view.typed,
        saes=list(saes),
        start=view.start,
        stop=view.stop,
        sort=view.sort,
        max_density=DENSE[view.dense],
        size=view.size,
    )


def build_top(
    view: TopView,
    answer: TopAnswer,
    saes: Mapping[str, Sae],
    records: Mapping[tuple[str, int], FeatureRecord],
    vocabulary: Mapping[int, TokenRecord],
    several: bool,
) -> TopResult:
    """What is printed of the answer."""
    tokens = [vocabulary.get(i) or unknown_token(i) for i in answer.token_ids]
    pieces = line_pieces(tokens)
    packed = [item for item in view.packed() if item[0] not in ("start", "stop")]

    def here(**changes: str) -> str:
        kept = dict(view.packed()) | changes
        return urls.live_top_url([(name, value) for name, value in kept.items() if value])

    def at(position: int) -> str:
        return urls.live_top_url([*packed, ("start", str(position)), ("stop", str(position + 1))])

    rows = []
    for item in answer.features:
        record = records[item.sae, item.feature_index]
        own = TryView(text=dict(packed).get("text", ""), position=item.position)
        rows.append(
            TopRow(
                sae=saes[item.sae],
                record=record,
                activation=number(item.activation),
                share=percent(item.share),
                bar=round(100 * min(item.share or 0, 1), 2),
                density=percent(item.density),
                pieces=pieces[item.position],
                position=item.position,
                n_positions=item.n_positions,
                url=urls.live_url(saes[item.sae], item.feature_index, own.arguments()),
            )
        )
    whole = (answer.start, answer.stop) == (0, len(tokens))
    in_span = np.zeros(len(tokens))
    if not whole:
        in_span[answer.start : answer.stop] = 0.3
    chosen = answer.start if answer.stop - answer.start == 1 else None
    return TopResult(
        text=shown_text(tokens, in_span, 1.0, SHADE, answer.counted, chosen, at),
        span="the whole text" if whole else _span_said(answer),
        whole_url="" if whole else urls.live_top_url(packed),
        rows=rows,
        n_firing=answer.n_firing,
        n_dense=answer.n_dense,
        sorts=[
            Choice(label, here(sort="" if name == "activation" else name), view.sort == name)
            for name, label in SORTS.items()
        ],
        denses=[
            Choice(
                "all" if name == "all" else f"not above {name}",
                here(dense="" if name == "all" else name),
                view.dense == name,
            )
            for name in DENSE
        ],
        several=several,
    )


def _span_said(answer: TopAnswer) -> str:
    if answer.stop - answer.start == 1:
        return f"the token at position {answer.start}"
    return f"positions {answer.start} to {answer.stop - 1}"
