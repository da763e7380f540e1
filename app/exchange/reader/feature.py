"""One feature's stored records as the reader's: ids get their texts, NaN becomes None.

Takes records of `app.db` and lookups of tokens and contexts, gives a `Feature`. Knows no SQL.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from app.db.records import (
    GROUPS,
    AblationGroup,
    ExampleGroup,
    FeaturePanels,
    FeatureRecord,
    Group,
    HistogramPanel,
    LogitLensPanel,
    TokenPanel,
)
from app.exchange.reader.records import (
    Ablation,
    Band,
    Coactive,
    Context,
    Effects,
    Example,
    Feature,
    Histogram,
    LogitLens,
    Logits,
    Neighbor,
    TokenLogit,
    TokenStatistic,
)

Groups = Mapping[Group, tuple[ExampleGroup, AblationGroup | None]]
Tokens = Callable[[Integer[ndarray, " n"]], list[tuple[int | None, str]]]
ContextOf = Callable[[int], Context]
DocumentOf = Callable[[int], str | None]


def make_feature(
    model: str,
    sae: str,
    imported: bool,
    record: FeatureRecord,
    panels: FeaturePanels,
    groups: Groups,
    tokens_of: Tokens,
    context_of: ContextOf,
    document_of: DocumentOf,
) -> Feature:
    """The feature whole."""
    near, both = panels.neighbors, panels.coactive
    return Feature(
        model=model,
        sae=sae,
        statistics=record,
        histogram=None if panels.histogram is None else _histogram(panels.histogram),
        logit_lens=None
        if panels.logit_lens is None
        else _lens(panels.logit_lens, imported, tokens_of),
        tokens=() if panels.tokens is None else tuple(_tokens(panels.tokens, tokens_of)),
        neighbors=() if near is None else tuple(map(Neighbor, *_lists(near))),
        coactive=()
        if both is None
        else tuple(
            map(
                Coactive,
                *(
                    values.tolist()
                    for values in (both.feature_index, both.n_joint, both.jaccard, both.lift)
                ),
            )
        ),
        examples=tuple(
            example
            for group in GROUPS
            if group in groups
            for example in _examples(group, *groups[group], context_of, document_of)
        ),
    )


def known(value: Any) -> float | None:
    """A number, or None for NaN and what isn't there."""
    return None if value is None or value != value else float(value)


def _lists(panel: Any) -> list[list[Any]]:
    return [panel.feature_index.tolist(), panel.cosine_similarity.tolist()]


def _histogram(panel: HistogramPanel) -> Histogram:
    n = panel.counts.size
    edges = panel.source_edges
    if not edges.size:
        edges = panel.max_activation * np.arange(n + 1) / max(1, n)
    counts = panel.counts.astype(np.int64)
    return Histogram(edges.astype(np.float64), counts / 1e6 if panel.in_millionths else counts)


def _lens(panel: LogitLensPanel, imported: bool, tokens_of: Tokens) -> LogitLens:
    def side(ids: Integer[ndarray, " k"], values: Float[ndarray, " k"]) -> tuple[TokenLogit, ...]:
        rows = zip(tokens_of(ids), values.tolist(), strict=True)
        return tuple(TokenLogit(*token, known(value)) for token, value in rows)

    edges, counts = panel.histogram_edges, panel.histogram_counts
    found = Histogram(edges.astype(np.float64), counts.astype(np.int64)) if counts.size else None
    raw = Logits(
        side(panel.raw_positive_ids, panel.raw_positive),
        side(panel.raw_negative_ids, panel.raw_negative),
    )
    none = Logits((), ())
    return LogitLens(
        none if imported else raw,
        Logits(
            side(panel.adjusted_positive_ids, panel.adjusted_positive),
            side(panel.adjusted_negative_ids, panel.adjusted_negative),
        ),
        raw if imported else none,
        found,
        known(panel.std),
        known(panel.skewness),
        known(panel.kurtosis),
    )


def _tokens(panel: TokenPanel, tokens_of: Tokens) -> Iterator[TokenStatistic]:
    rows = zip(
        panel.n_active.tolist(), panel.n_occurrences.tolist(), panel.share.tolist(),
        panel.mean.tolist(), panel.max.tolist(), strict=True,
    )  # fmt: skip
    for (token_id, text), row in zip(tokens_of(panel.token_id), rows, strict=True):
        n_active, n_occurrences, *values = row
        yield TokenStatistic(token_id, text, n_active, n_occurrences, *map(known, values))


def _examples(
    name: Group,
    group: ExampleGroup,
    ablations: AblationGroup | None,
    context_of: ContextOf,
    document_of: DocumentOf,
) -> Iterator[Example]:
    of_rank = {} if ablations is None else {int(r): i for i, r in enumerate(ablations.rank)}
    for rank in range(group.position.size):
        context, index = context_of(int(group.context_id[rank])), int(group.position[rank])
        firings = slice(int(group.firing_indptr[rank]), int(group.firing_indptr[rank + 1]))
        row = of_rank.get(rank)
        yield Example(
            group=name,
            rank=rank,
            context=context,
            token_index=index,
            activation=float(group.activation[rank]),
            hidden_pre=known(group.hidden_pre[rank]),
            band=_band(group, int(group.band[rank])),
            repeats=int(group.repeats[rank]),
            document=document_of(int(context.document_ids[index])),
            window_start=int(group.window_start[rank]),
            window_stop=int(group.window_stop[rank]),
            firing_indices=group.firing_position[firings].astype(np.int64),
            firing_activations=group.firing_activation[firings].astype(np.float32),
            ablation=None if ablations is None or row is None else _ablation(ablations, row),
        )


def _band(group: ExampleGroup, number: int) -> Band | None:
    if number < 0 or number >= group.band_low.size:
        return None
    return Band(
        number,
        float(group.band_low[number]),
        float(group.band_high[number]),
        _counted(group, number),
        known(group.band_share[number]) if number < group.band_share.size else None,
    )


def _counted(group: ExampleGroup, number: int) -> int | None:
    """Firings of a band; None where an import's source doesn't say."""
    if number >= group.band_n_active.size or group.band_n_active[number] < 0:
        return None
    return int(group.band_n_active[number])


def _ablation(group: AblationGroup, row: int) -> Ablation:
    def effects(kind: str) -> Effects:
        indptr = getattr(group, f"{kind}_indptr")
        inside = slice(int(indptr[row]), int(indptr[row + 1]))
        return Effects(
            getattr(group, f"{kind}_position")[inside].astype(np.int64),
            getattr(group, f"{kind}_effect")[inside].astype(np.float32),
            getattr(group, f"{kind}_hidden_pre_effect")[inside].astype(np.float32),
        )

    return Ablation(
        float(group.baseline[row]),
        float(group.hidden_pre_baseline[row]),
        effects("delete"),
        effects("replace"),
        group.kept.astype(np.int64),
        group.context_filled[row].astype(np.float32),
        group.context_truncated[row].astype(np.float32),
    )
