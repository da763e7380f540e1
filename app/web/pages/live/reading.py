"""A text on one feature: each token's activation, what the model expected, what was measured.

Takes what the model answered and the vocabulary, gives what the template prints. Asks nothing
itself. Knows no template.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup

from app.db.catalog import Sae
from app.db.records import FeatureRecord, TokenRecord
from app.live.protocol import AblationAnswer, ActivationsAnswer
from app.web import urls
from app.web.pages.context.tokens import HEAT
from app.web.pages.feature.material import unknown_token
from app.web.pages.live.measured import MEASURE_NAMES, Measured, build_measured
from app.web.pages.live.shown_text import shown_text
from app.web.pages.live.views import TopView, TryView, format_change
from app.web.text import number, percent, signed
from app.web.token_text import Pieces, line_pieces


@dataclass(frozen=True)
class TokenRow:
    """One token with every number."""

    position: int
    pieces: Pieces
    token_id: int
    activation: str
    hidden_pre: str
    log_prob: str
    """of the token after those before it"""
    chosen: bool


@dataclass(frozen=True)
class Next:
    """One token the model expects next."""

    pieces: Pieces
    log_prob: str
    probability: str
    bar: float
    """probability in percent of the likeliest"""


@dataclass(frozen=True)
class Choice:
    """A measure one can ask for."""

    label: str
    url: str
    current: bool


@dataclass(frozen=True)
class TryResult:
    """What the partial `live/result` prints."""

    text: Markup
    """every token leading to the view that looks at it"""
    kept: list[tuple[str, str]]
    """arguments that a form for another position hands on"""
    sentence: list[list[str]]
    """in the pieces of summaries"""
    maximum: str
    """value of the strongest colour"""
    rows: list[TokenRow]
    chosen: TokenRow
    predictions: list[Next]
    before_next: TokenRow
    """the token they follow"""
    measures: list[Choice]
    measured: Measured | None
    own_url: str
    """this result by itself, its text in the address"""
    top_url: str
    """what else fires on the chosen token"""
    steer_url: str
    notes: list[str]


@dataclass(frozen=True)
class TryPage:
    """Context of `pages/live.html`: one's own text on one feature."""

    sae: Sae
    record: FeatureRecord
    view: TryView
    typed: str
    action: str
    problem: str
    """why there is no result though one was asked; usually empty"""
    result: TryResult | None
    answer: ActivationsAnswer | None = field(repr=False)
    ablation: AblationAnswer | None = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """The twin: what the model answered, key for key."""
        return {
            "model": self.sae.record.model,
            "sae": self.sae.record.sae,
            "feature_index": self.record.feature_index,
            "activations": None if self.answer is None else self.answer.model_dump(),
            "measured": None if self.ablation is None else self.ablation.model_dump(),
        }


def chosen_position(answer: ActivationsAnswer, view: TryView) -> int:
    """The token looked at: the one asked for, else the counted one that fires most strongly.

    Where it fires nowhere, the one that comes nearest; where nothing counts, the last.
    """
    if view.position is not None:
        return view.position
    if not any(answer.counted):
        return len(answer.token_ids) - 1
    feature = answer.features[0]
    fires = np.where(answer.counted, feature.activations, 0)
    if fires.any():
        return int(fires.argmax())
    return int(np.where(answer.counted, feature.hidden_pre, -np.inf).argmax())


def build_result(
    sae: Sae,
    record: FeatureRecord,
    view: TryView,
    answer: ActivationsAnswer,
    ablation: AblationAnswer | None,
    vocabulary: Mapping[int, TokenRecord],
) -> TryResult:
    """What is printed of the answers."""
    tokens = [vocabulary.get(i) or unknown_token(i) for i in answer.token_ids]
    feature = answer.features[0]
    values = np.array(feature.activations)
    position = chosen_position(answer, view)
    here = _Addresses(sae, record, view)
    pieces = line_pieces(tokens)
    largest = record.max_activation or float(values.max())
    rows = [
        TokenRow(
            position=i,
            pieces=pieces[i],
            token_id=token.token_id,
            activation=number(values[i]) if values[i] > 0 else "",
            hidden_pre=signed(feature.hidden_pre[i]),
            log_prob=signed(answer.log_probs[i]),
            chosen=i == position,
        )
        for i, token in enumerate(tokens)
    ]
    return TryResult(
        text=shown_text(tokens, values, largest, HEAT, answer.counted, position, here.at),
        kept=[item for item in view.packed() if item[0] != "position"],
        sentence=_sentence(answer, tokens, record, position),
        maximum=number(largest),
        rows=rows,
        chosen=rows[position],
        predictions=_predictions(answer, vocabulary),
        before_next=rows[answer.at],
        measures=[
            Choice(label, here.measuring("" if name == view.measure else name, position),
                   name == view.measure)
            for name, label in MEASURE_NAMES.items()
        ],
        measured=None if ablation is None else build_measured(ablation, tokens, largest),
        own_url=here.own(),
        top_url=here.top(position),
        steer_url=urls.live_steer_url(
            [
                *([("text", packed)] if (packed := dict(view.packed()).get("text", "")) else []),
                ("change", format_change(sae.address, record.feature_index, "add", largest)),
            ]
        ),
        notes=_notes(sae, view, answer),
    )  # fmt: skip


class _Addresses:
    """Addresses of one feature's live page in views near the one shown."""

    def __init__(self, sae: Sae, record: FeatureRecord, view: TryView) -> None:
        self._sae = sae
        self._index = record.feature_index
        self._view = view
        self._packed = dict(view.packed())

    def own(self) -> str:
        return self._url()

    def at(self, position: int) -> str:
        return self._url(position=str(position))

    def measuring(self, name: str, position: int) -> str:
        return self._url(position=str(position), measure=name)

    def top(self, position: int) -> str:
        """What else fires on a token; of a stored context its own page knows that."""
        if self._view.context is not None:
            return urls.context_url(self._sae, self._view.context, [("position", str(position))])
        text = self._packed.get("text", "")
        view = TopView(text=text, start=position, stop=position + 1)
        return urls.live_top_url(view.arguments())

    def _url(self, **changes: str) -> str:
        arguments = {**self._packed, **changes}
        return urls.live_url(
            self._sae, self._index, [(name, value) for name, value in arguments.items() if value]
        )


def _sentence(
    answer: ActivationsAnswer, tokens: Sequence[TokenRecord], record: FeatureRecord, position: int
) -> list[list[str]]:
    values = np.where(answer.counted, answer.features[0].activations, 0)
    if not values.any():
        hidden_pre = np.where(answer.counted, answer.features[0].hidden_pre, -np.inf)
        if not np.isfinite(hidden_pre).any():
            return [["text", "No token of this text counts: position 0 and special tokens don't."]]
        nearest = int(hidden_pre.argmax())
        said: list[list[str]] = [
            ["text", "It does not fire on this text. It comes nearest at "],
            ["token", tokens[nearest].token],
            ["text", ", where its pre-activation is "],
            ["number", signed(float(hidden_pre[nearest]))],
        ]
        if record.threshold is not None:
            said += [["text", " and would have to pass "], ["number", number(record.threshold)]]
        return [*said, ["text", "."]]
    strongest = int(values.argmax())
    n = int((values > 0).sum())
    said = [
        ["text", f"It fires on {n} of {sum(answer.counted)} counted tokens, strongest on "],
        ["token", tokens[strongest].token],
        ["text", ": "],
        ["number", number(float(values[strongest]))],
    ]
    if record.max_activation:
        share = percent(float(values[strongest]) / record.max_activation)
        said.append(["text", f", {share} of its largest in the corpus"])
    return [*said, ["text", "."]]


def _predictions(answer: ActivationsAnswer, vocabulary: Mapping[int, TokenRecord]) -> list[Next]:
    shares = np.exp([item.log_prob for item in answer.predictions])
    return [
        Next(
            pieces=line_pieces([vocabulary.get(item.token_id) or unknown_token(item.token_id)])[0],
            log_prob=signed(item.log_prob),
            probability=percent(float(share)),
            bar=round(100 * float(share / shares[0]), 2),
        )
        for item, share in zip(answer.predictions, shares, strict=True)
    ]


def _notes(sae: Sae, view: TryView, answer: ActivationsAnswer) -> list[str]:
    if view.context is not None:
        return []
    beginning = (
        "The text was given BOS as its first token, as every context of the corpus."
        if sae.corpus.prepend_bos
        else "The contexts of the corpus have no BOS, so the text's own first token stands at "
        "position 0, which is not counted."
    )
    notes = [beginning]
    if len(answer.token_ids) > sae.corpus.context_size:
        notes.append(
            f"It is longer than a context of the corpus ({sae.corpus.context_size} tokens): what "
            "the atlas counted was never that far into a text."
        )
    return notes
