"""Statistics and panels of one invented feature, counted from its firings.

What firings can give is counted as DESIGN defines it, in the obvious way; what only a model could
give (logits, cosines) is drawn at random. Knows the records, no database.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from app.db.records import (
    CoactivePanel,
    FeaturePanels,
    HistogramPanel,
    LocalityPanel,
    LogitLensPanel,
    NeighborPanel,
    PlacesPanel,
    TokenPanel,
)
from app.demo.synthetic.firings import Firings
from app.demo.synthetic.text import SyntheticText

N_BINS = 50
_N_LOGITS = 15
_N_RELATED = 10


def make_panels(
    firings: Firings,
    text: SyntheticText,
    logits: Float[ndarray, " d_vocab"],
    n_features: int,
    rng: np.random.Generator,
    sampled: Int[ndarray, " n"],
    own_threshold: bool,
) -> FeaturePanels:
    """Every panel; those that need a firing are None for a dead feature.

    Flicker is that of the contexts `sampled`, where the feature has a threshold of its own.
    """
    alive = firings.n_active > 0
    return FeaturePanels(
        histogram=_histogram(firings) if alive else None,
        logit_lens=_logit_lens(logits),
        tokens=_tokens(firings, text) if alive else None,
        locality=_locality(firings, text, rng, sampled, own_threshold) if alive else None,
        places=_places(firings, text) if alive else None,
        neighbors=_neighbors(n_features, rng),
        coactive=_coactive(firings, text, n_features, rng) if alive else None,
    )


def moments(values: Float[ndarray, " n"]) -> tuple[float, float, float, float]:
    """Mean, population standard deviation, skewness and excess kurtosis."""
    mean, std = float(values.mean()), float(values.std())
    z = (values - mean) / (std or 1.0)
    return mean, std, float((z**3).mean()), float((z**4).mean()) - 3.0


def _histogram(firings: Firings) -> HistogramPanel:
    top = float(firings.activation.max())
    bins = np.ceil(firings.activation * N_BINS / top).astype(np.int64) - 1
    counts = np.bincount(np.clip(bins, 0, N_BINS - 1), minlength=N_BINS)
    return HistogramPanel(top, counts)


def _logit_lens(logits: Float[ndarray, " d_vocab"]) -> LogitLensPanel:
    order = np.argsort(-logits, kind="stable")
    best, worst = order[:_N_LOGITS], order[::-1][:_N_LOGITS]
    counts, edges = np.histogram(logits, bins=N_BINS)
    _, std, skewness, kurtosis = moments(logits)
    return LogitLensPanel(
        raw_positive_ids=best,
        raw_positive=logits[best] + 0.25,
        raw_negative_ids=worst,
        raw_negative=logits[worst] + 0.25,
        adjusted_positive_ids=best,
        adjusted_positive=logits[best],
        adjusted_negative_ids=worst,
        adjusted_negative=logits[worst],
        histogram_edges=edges,
        histogram_counts=counts,
        mean=0.25,
        std=std,
        skewness=skewness,
        kurtosis=kurtosis,
    )


def _tokens(firings: Firings, text: SyntheticText) -> TokenPanel:
    ids, inverse = np.unique(firings.token_id, return_inverse=True)
    n_active = np.bincount(inverse)
    mass = np.bincount(inverse, weights=firings.activation)
    largest = np.zeros(ids.size)
    np.maximum.at(largest, inverse, firings.activation)
    order = np.lexsort((ids, -mass))[:64]
    share = mass / mass.sum()
    return TokenPanel(
        token_id=ids[order],
        n_active=n_active[order],
        n_occurrences=text.occurrences[ids[order]],
        share=share[order],
        mean=(mass / n_active)[order],
        max=largest[order],
        n_token_ids=ids.size,
        left_out_n_active=firings.n_active - int(n_active[order].sum()),
        left_out_share=float(1 - share[order].sum()),
    )


def _locality(
    firings: Firings,
    text: SyntheticText,
    rng: np.random.Generator,
    sampled: Int[ndarray, " n"],
    own_threshold: bool,
) -> LocalityPanel:
    n_contexts, context_size = text.token_ids.shape
    mask = firings.dense((n_contexts, context_size))
    starts = np.argwhere(mask & ~np.pad(mask, ((0, 0), (1, 0)))[:, :-1])
    stops = np.argwhere(mask & ~np.pad(mask, ((0, 0), (0, 1)))[:, 1:])
    lengths = stops[:, 1] - starts[:, 1] + 1
    cut = (starts[:, 1] == 1) | (stops[:, 1] == context_size - 1)
    density = firings.n_active / (n_contexts * (context_size - 1))
    lift = np.full(64, np.nan)
    for distance in range(1, min(65, context_size - 1)):
        first = mask[:, 1:-distance]
        if first.any():
            joint = (first & mask[:, 1 + distance :]).sum()
            lift[distance - 1] = joint / first.sum() / density
    per_context = np.bincount(firings.context_id, minlength=n_contexts)
    first_at, last_at = np.argmax(mask, axis=1), context_size - 1 - np.argmax(mask[:, ::-1], axis=1)
    spans = per_context >= 3
    fill = per_context[spans].sum() / max(1, (last_at - first_at + 1)[spans].sum())
    inside = sampled[spans[sampled]] if own_threshold else sampled[:0]
    n_silent = int((last_at - first_at + 1 - per_context)[inside].sum())
    return LocalityPanel(
        run_length_counts=np.bincount(np.minimum(lengths, 8), minlength=9)[1:],
        n_runs=lengths.size,
        n_cut_runs=int(cut.sum()),
        run_length_mean=float(lengths.mean()),
        run_length_median=float(np.median(lengths)),
        single_run_share=float((lengths == 1).mean()),
        lift=lift,
        lift_null=1 + rng.random(64) * 0.3,
        n_null_sample=min(firings.n_active, 200),
        firings_per_context=float(per_context[per_context > 0].mean()),
        span_fill=float(fill) if spans.any() else float("nan"),
        n_spans=int(spans.sum()),
        n_sample_spans=inside.size,
        n_span_silent=n_silent,
        n_span_near=n_silent // 3,
    )


def _places(firings: Firings, text: SyntheticText) -> PlacesPanel:
    n_contexts, context_size = text.token_ids.shape
    n_tokens = np.full(context_size, n_contexts)
    n_tokens[0] = 0
    documents = text.document_ids[firings.context_id, firings.position]
    ids, counts = np.unique(documents, return_counts=True)
    sizes = np.bincount(text.document_ids[:, 1:].ravel(), minlength=len(text.documents))
    order = np.lexsort((ids, -counts))[:10]
    return PlacesPanel(
        position_n_active=np.bincount(firings.position, minlength=context_size),
        position_n_tokens=n_tokens,
        document_id=ids[order],
        document_n_active=counts[order],
        document_n_tokens=sizes[ids[order]],
        n_documents_active=ids.size,
    )


def _neighbors(n_features: int, rng: np.random.Generator) -> NeighborPanel:
    n = min(_N_RELATED, n_features)
    cosines = np.sort(rng.uniform(0.15, 0.8, size=n))[::-1]
    return NeighborPanel(rng.choice(n_features, size=n, replace=False, shuffle=False), cosines)


def _coactive(
    firings: Firings, text: SyntheticText, n_features: int, rng: np.random.Generator
) -> CoactivePanel:
    n = min(_N_RELATED, n_features)
    n_tokens = text.token_ids[:, 1:].size
    joint = np.sort(rng.integers(1, firings.n_active + 1, size=n))[::-1]
    other = joint + rng.integers(0, firings.n_active + 1, size=n)
    jaccard = joint / (firings.n_active + other - joint)
    order = np.argsort(-jaccard, kind="stable")
    joint, other = joint[order], other[order]
    return CoactivePanel(
        feature_index=rng.choice(n_features, size=n, replace=False, shuffle=False),
        n_joint=joint,
        jaccard=jaccard[order],
        lift=joint * n_tokens / (firings.n_active * other),
        p_other_given_this=joint / firings.n_active,
        p_this_given_other=joint / other,
        n_tokens=n_tokens,
    )
