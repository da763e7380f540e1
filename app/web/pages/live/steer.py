"""A text continued with and without some features changed: the page's context and its twin.

Takes what the model answered, gives what the template prints. Asks nothing itself. Knows no
template.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.db.catalog import Sae
from app.db.records import FeatureRecord, TokenRecord
from app.live.protocol import Change, SteerAnswer, SteerAsked, Written
from app.web import urls
from app.web.charts.scales import effect_class
from app.web.pages.feature.material import unknown_token
from app.web.pages.live.views import SteerView
from app.web.text import number
from app.web.token_text import Pieces, line_pieces

WHOLE_SCALE = 4.0
"""nats of difference that have the strongest colour"""


@dataclass(frozen=True)
class WrittenToken:
    """One token of a continuation."""

    pieces: Pieces
    plain: str
    """log-probability under the untouched model"""
    steered: str
    """under the changed one"""
    css: str
    """colour of the difference, changed minus untouched"""


@dataclass(frozen=True)
class Continuation:
    """One of the two texts."""

    heading: str
    detail: str
    tokens: list[WrittenToken]


@dataclass(frozen=True)
class ChangeRow:
    """One feature that is changed."""

    sae: Sae
    record: FeatureRecord
    change: Change
    said: str
    """held at 8, or 8 added"""
    of_maximum: str
    without_url: str
    """the same without this change"""


@dataclass(frozen=True)
class SteerPage:
    """Context of `pages/live-steer.html`."""

    view: SteerView
    typed: str
    action: str
    saes: list[str]
    """dictionaries whose features can be changed"""
    changes: list[ChangeRow]
    problem: str
    prompt: list[Pieces]
    continuations: list[Continuation]
    again_url: str
    """the same with the next seed; empty without a result"""
    most_tokens: int
    answer: SteerAnswer | None = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """The twin: what the model answered, key for key."""
        return {"answer": None if self.answer is None else self.answer.model_dump()}


def question(view: SteerView) -> SteerAsked:
    """What is asked of the model."""
    return SteerAsked(
        text=view.typed,
        changes=view.changes(),
        n_tokens=view.n_tokens,
        temperature=view.temperature,
        seed=view.seed,
        positions=view.positions,
    )


def build_changes(
    view: SteerView, saes: Mapping[str, Sae], records: Mapping[tuple[str, int], FeatureRecord]
) -> list[ChangeRow]:
    """What is changed, with the features' names."""
    rows = []
    for text, change in zip(view.change, view.changes(), strict=True):
        record = records[change.sae, change.feature_index]
        without = tuple(item for item in view.change if item != text)
        arguments = SteerView.model_validate(view.__dict__ | {"change": without}).packed()
        amount = number(change.strength)
        rows.append(
            ChangeRow(
                saes[change.sae],
                record,
                change,
                f"{amount} added" if change.how == "add" else f"held at {amount}",
                f"its largest in the corpus is {number(record.max_activation)}",
                urls.live_steer_url(arguments),
            )
        )
    return rows


def build_continuations(
    answer: SteerAnswer, vocabulary: Mapping[int, TokenRecord]
) -> list[Continuation]:
    """Both texts, the untouched first."""
    return [
        Continuation(heading, detail, _tokens(written, vocabulary))
        for heading, detail, written in (
            ("As it is", "written by the untouched model", answer.plain),
            ("Steered", "written by the changed one", answer.steered),
        )
    ]


def prompt_pieces(answer: SteerAnswer, vocabulary: Mapping[int, TokenRecord]) -> list[Pieces]:
    """The prompt as the model read it."""
    return line_pieces([vocabulary.get(i) or unknown_token(i) for i in answer.token_ids])


def next_seed_url(view: SteerView) -> str:
    """The same with other random numbers."""
    arguments = SteerView.model_validate(view.__dict__ | {"seed": (view.seed + 1) % 2**31}).packed()
    return urls.live_steer_url(arguments)


def _tokens(
    written: Sequence[Written], vocabulary: Mapping[int, TokenRecord]
) -> list[WrittenToken]:
    tokens = [vocabulary.get(item.token_id) or unknown_token(item.token_id) for item in written]
    return [
        WrittenToken(
            pieces,
            _nats(item.log_prob),
            _nats(item.steered_log_prob),
            effect_class((item.steered_log_prob - item.log_prob) / WHOLE_SCALE),
        )
        for pieces, item in zip(line_pieces(tokens), written, strict=True)
    ]


def _nats(log_prob: float) -> str:
    return f"{log_prob:.2f}".replace("-", "−")
