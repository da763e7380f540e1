"""`/{model}/{sae}/context/{context_id}`: one whole context and every feature that fires in it.

`build` reads one context from the event files and the rows of the features that fire on the token
looked at; `ContextPage` is all the template may show. Without event files the text is shown as the
atlas has it, and the page says what is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sqlalchemy import Connection

from app.db.catalog import Sae, document_names
from app.db.features import get_features, has_feature
from app.db.records import FeatureRecord, TokenRecord
from app.evidence.event_files import missing_sentence
from app.web.charts.columns import bars_over
from app.web.charts.plot import Chart
from app.web.charts.scales import Tick, linear_ticks
from app.web.memory import Memory
from app.web.pages.context.measured import (
    MeasuredContext,
    read_context,
    with_stored_firings,
)
from app.web.pages.context.tokens import HEAT, SHADE, linked_tokens
from app.web.pages.imported import place_words
from app.web.pages.policy import corpus_sentence
from app.web.text import number, percent
from app.web.urls import context_url, feature_url
from app.web.views import ContextView


@dataclass(frozen=True)
class FeatureAt:
    """One feature that fires on the token looked at."""

    feature_index: int
    record: FeatureRecord
    activation: float
    of_maximum: str
    """its activation as a share of the feature's largest"""
    contribution: float | None
    """activation · ‖W_dec‖: the length of what it adds to the reconstruction; None where no norms
    are known"""
    bar: float
    """that length, else its activation, in percent of the strongest here"""
    url: str
    """of the feature"""
    follow_url: str
    """this page, the text shaded by this feature"""
    followed: bool


@dataclass(frozen=True)
class ContextPage:
    """Context of `pages/context.html`."""

    sae: Sae
    view: ContextView
    context_id: int
    text: Any
    """markup: every token a link to itself"""
    shading: str
    """what shades the text, in words"""
    ramp: str
    largest: str
    """value of the strongest step"""
    shade_urls: dict[str, str]
    """the view shaded by something else, by the value of `shade`"""
    documents: list[str]
    chosen: TokenRecord | None
    position: int
    where: str
    """the place of that token, in words"""
    kind: str
    """Context, or Text where only an import's example is held"""
    facts: list[str]
    """what is known of the token looked at, a sentence each"""
    features: list[FeatureAt]
    """strongest first; all of them"""
    followed: FeatureRecord | None
    follows_here: bool
    """whether the feature followed fires in this context, or may"""
    error_chart: Chart | None
    count_chart: Chart | None
    previous_url: str
    """the context before; empty at the first"""
    next_url: str
    missing: str
    """why there are no features; empty where there are"""
    corpus_note: str
    measured: MeasuredContext = field(repr=False)
    """what the twin is made of"""

    def as_json(self) -> dict[str, Any]:
        """The whole context: tokens, errors, and every firing in it by position."""
        measured = self.measured
        by_position: list[list[dict[str, Any]]] = [[] for _ in measured.tokens]
        for feature, position, activation in zip(
            measured.feature.tolist(),
            measured.position.tolist(),
            measured.activation.tolist(),
            strict=True,
        ):
            by_position[position].append({"feature_index": feature, "activation": activation})
        return {
            "model": self.sae.record.model,
            "sae": self.sae.record.sae,
            "context_id": self.context_id,
            "position": self.position,
            "token_ids": [token.token_id for token in measured.tokens],
            "tokens": [token.token for token in measured.tokens],
            "counted": measured.counted,
            "relative_error": None if measured.error is None else measured.error.tolist(),
            "missing": self.missing or None,
            "features": by_position,
        }


def build(
    connection: Connection, sae: Sae, context_id: int, view: ContextView, memory: Memory
) -> ContextPage:
    """The page of one context.

    Raises:
        LookupError: there is no such context, position or feature; the message is a sentence.
    """
    _check(connection, sae, context_id, view)
    events = memory.events(connection, sae)
    measured = read_context(connection, sae, context_id, events, memory)
    followed = None
    if view.feature is not None:
        followed = get_features(connection, sae.sae_id, [view.feature])[view.feature]
        if events is None:
            measured = with_stored_firings(connection, sae, context_id, view.feature, measured)
    position = _position(measured, view)
    if position >= len(measured.tokens):
        raise LookupError(
            f"Text {context_id} of {sae.address} has no token {position}: it has 0 to "
            f"{len(measured.tokens) - 1:,}."
        )

    def here(**changes: Any) -> str:
        return context_url(sae, context_id, view.arguments(**changes))

    def at(place: int) -> str:
        return f"?{urlencode(view.arguments(position=place))}"

    shading, ramp, values = _shading(measured, view)
    maximum = float(np.nanmax(values, initial=0.0))
    if ramp == HEAT and followed is not None:
        maximum = followed.max_activation or 0.0
    borders = frozenset(
        i
        for i in range(1, len(measured.tokens))
        if measured.documents[i] != measured.documents[i - 1] and measured.documents[i] >= 0
    )
    text = linked_tokens(
        measured.tokens,
        values,
        maximum,
        ramp,
        measured.counted,
        position,
        borders,
        at,
    )
    names = document_names(connection, sae.corpus_id, set(measured.documents) - {-1})
    return ContextPage(
        sae=sae,
        view=view,
        context_id=context_id,
        text=text,
        shading=shading,
        ramp=ramp,
        largest=number(maximum),
        shade_urls={shade: here(shade=shade) for shade in ("activation", "error", "count")},
        documents=[names[i] for i in dict.fromkeys(measured.documents) if i in names],
        chosen=measured.tokens[position],
        position=position,
        facts=_facts(measured, position),
        where=place_words(sae, position),
        kind="Context" if sae.record.imported is None else "Text",
        features=_features_at(connection, sae, measured, position, view, here)
        if events is not None
        else [],
        followed=followed,
        follows_here=view.feature is not None
        and (events is None or bool(measured.along(view.feature).any())),
        error_chart=_error_chart(measured),
        count_chart=_count_chart(measured) if events is not None else None,
        previous_url=context_url(sae, context_id - 1, _kept(view)) if context_id else "",
        next_url=context_url(sae, context_id + 1, _kept(view))
        if context_id + 1 < sae.corpus.n_contexts
        else "",
        missing="" if events is not None else missing_sentence(memory.atlas, sae),
        corpus_note=corpus_sentence(sae),
        measured=measured,
    )


def _check(connection: Connection, sae: Sae, context_id: int, view: ContextView) -> None:
    n_contexts, size = sae.corpus.n_contexts, sae.corpus.context_size
    if not 0 <= context_id < n_contexts:
        raise LookupError(
            f"The corpus of {sae.address} has no context {context_id}: it has 0 to "
            f"{n_contexts - 1:,}."
        )
    if view.position is not None and view.position >= size:
        raise LookupError(
            f"A context of {sae.address} has no position {view.position}: it has 0 to {size - 1:,}."
        )
    if view.feature is not None and not has_feature(connection, sae, view.feature):
        raise LookupError(f"{sae.address} has no feature {view.feature}: it has {sae.numbers}.")


def _kept(view: ContextView) -> list[tuple[str, str]]:
    """What stays of a view when another context is opened."""
    return view.arguments(position=None)


def _position(measured: MeasuredContext, view: ContextView) -> int:
    """The token looked at: as asked, else where the feature followed fires most, else the token
    reconstructed worst, else the one with most features, else the first counted one."""
    if view.position is not None:
        return view.position
    if view.feature is not None and measured.along(view.feature).any():
        return int(measured.along(view.feature).argmax())
    if measured.error is not None and np.isfinite(measured.error).any():
        return int(np.nanargmax(measured.error))
    if measured.position.size:
        return int(measured.counts.argmax())
    return measured.counted.index(True) if any(measured.counted) else 0


def _shading(
    measured: MeasuredContext, view: ContextView
) -> tuple[str, str, Float[ndarray, " context_size"]]:
    if view.shade == "activation" and view.feature is not None and measured.position.size:
        return f"activation of feature {view.feature}", HEAT, measured.along(view.feature)
    if not measured.position.size and measured.error is None:
        return "nothing", SHADE, measured.counts
    if view.shade != "count" and measured.error is not None:
        return "reconstruction error ‖x − x̂‖ / ‖x‖", SHADE, measured.error.astype(np.float64)
    return "features that fire", SHADE, measured.counts


def _facts(measured: MeasuredContext, position: int) -> list[str]:
    found = []
    if not measured.counted[position]:
        found.append("This token is not counted: no firing on it is in any statistic.")
    if measured.error is not None and np.isfinite(measured.error[position]):
        error = float(measured.error[position])
        known = measured.error[np.isfinite(measured.error)]
        n_larger = int((known > error).sum())
        found.append(
            f"The reconstruction misses it by {percent(error)} of its length (‖x − x̂‖ / ‖x‖), "
            f"more on {n_larger:,} of the {known.size:,} counted tokens here."
        )
    return found


def _features_at(
    connection: Connection,
    sae: Sae,
    measured: MeasuredContext,
    position: int,
    view: ContextView,
    here: Callable[..., str],
) -> list[FeatureAt]:
    on_it = measured.position == position
    activation = dict(
        zip(measured.feature[on_it].tolist(), measured.activation[on_it].tolist(), strict=True)
    )
    records = get_features(connection, sae.sae_id, activation)
    known = all(record.decoder_norm is not None for record in records.values())
    length = {i: value * (records[i].decoder_norm or 1.0) for i, value in activation.items()}
    if not known:
        length = activation
    longest = max(length.values(), default=1.0)
    return [
        FeatureAt(
            feature_index=i,
            record=records[i],
            activation=activation[i],
            of_maximum=percent(activation[i] / (records[i].max_activation or activation[i])),
            contribution=length[i] if known else None,
            bar=round(100 * length[i] / longest, 2),
            url=feature_url(sae, i),
            follow_url=here(feature=i, shade="activation"),
            followed=i == view.feature,
        )
        for i in sorted(activation, key=lambda i: (-length[i], i))
    ]


def _error_chart(measured: MeasuredContext) -> Chart | None:
    if measured.error is None:
        return None
    shares = [float(value) if np.isfinite(value) else None for value in measured.error]
    return bars_over(
        shares,
        _position_ticks(measured),
        kind="context-error",
        label="Reconstruction error by position in the context",
        x_name="position in the context",
        y_name="‖x − x̂‖ / ‖x‖",
        labels=[f"{i}: {percent(value)}" for i, value in enumerate(shares)],
        note="How much of each token's activation vector the dictionary misses, as a share of its "
        "length. Tokens that are not counted have no bar.",
    )


def _count_chart(measured: MeasuredContext) -> Chart:
    counts = measured.counts
    return bars_over(
        [float(value) for value in counts],
        _position_ticks(measured),
        kind="context-count",
        label="Features that fire by position in the context",
        x_name="position in the context",
        y_name="features that fire",
        labels=[f"{i}: {int(value)} features" for i, value in enumerate(counts)],
        as_percent=False,
        note="How many features of the dictionary fire on each token.",
    )


def _position_ticks(measured: MeasuredContext) -> list[Tick]:
    return linear_ticks(0, len(measured.tokens), 4)
