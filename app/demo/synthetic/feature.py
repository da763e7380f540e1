"""The whole record of one invented feature: scalars, summary, panels, examples.

Scalars come from the panels, so that a list and a page never disagree. Knows the records, no
database.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from app.db.records import (
    LIVES_AS,
    AblationGroup,
    FeatureBundle,
    FeaturePanels,
    FeatureRecord,
    Group,
    LocalityPanel,
)
from app.demo.synthetic.examples import make_examples
from app.demo.synthetic.firings import Firings
from app.demo.synthetic.panels import make_panels, moments
from app.demo.synthetic.text import SyntheticText
from app.stats.summary_facts import lives_as

SAMPLED_CONTEXTS = 12
"""the first ones; `hidden_pre` is known in them"""
STRIP = 17
"""positions −16 … −1, then the peak"""


def make_feature(
    feature_index: int,
    firings: Firings,
    text: SyntheticText,
    logits: Float[ndarray, " d_vocab"],
    n_features: int,
    rng: np.random.Generator,
    own_threshold: bool = True,
) -> FeatureBundle:
    """Everything the job would write about a feature; `own_threshold`: not top-k."""
    threshold = _threshold(firings) if own_threshold else None
    sampled = np.arange(min(SAMPLED_CONTEXTS, len(text.token_ids)))
    panels = make_panels(firings, text, logits, n_features, rng, sampled, own_threshold)
    examples, ablations = make_examples(firings, text, rng, threshold, sampled)
    record = _record(feature_index, firings, text, panels, ablations, float(logits.max()), rng)
    record = replace(record, threshold=threshold)
    return FeatureBundle(record, panels, examples, ablations)


def _threshold(firings: Firings) -> float:
    """A little below the weakest firing."""
    return 0.9 * float(firings.activation.min()) if firings.n_active else 1.0


def _record(
    feature_index: int,
    firings: Firings,
    text: SyntheticText,
    panels: FeaturePanels,
    ablations: dict[Group, AblationGroup],
    max_logit: float,
    rng: np.random.Generator,
) -> FeatureRecord:
    tokens, locality = panels.tokens, panels.locality
    alive = tokens is not None and locality is not None
    mean, std, skewness, kurtosis = moments(firings.activation) if alive else (None,) * 4
    has_effect = alive and rng.random() < 0.8
    sentence, short = _summary(firings, text, panels)
    return FeatureRecord(
        feature_index=feature_index,
        n_active=firings.n_active,
        density=firings.n_active / text.token_ids[:, 1:].size,
        max_activation=float(firings.activation.max()) if alive else None,
        mean_activation=mean,
        std_activation=std,
        skewness=skewness,
        kurtosis=kurtosis,
        n_contexts_active=int(np.unique(firings.context_id).size),
        threshold=None,
        decoder_norm=float(rng.uniform(0.8, 1.2)),
        encoder_decoder_cosine=float(rng.uniform(0.3, 0.95)),
        top_token_id=int(tokens.token_id[0]) if tokens else None,
        top_token_share=float(tokens.share[0]) if tokens else None,
        top_token_rate=float(tokens.n_active[0] / tokens.n_occurrences[0]) if tokens else None,
        context_share=_context_share(ablations),
        ablation_token_id=int(rng.integers(1, len(text.tokens))) if has_effect else None,
        ablation_token_effect=-float(rng.uniform(0.1, 0.9)) if has_effect else None,
        run_length=locality.run_length_mean if locality else None,
        span_fill=locality.span_fill if locality and locality.n_spans else None,
        lives_as=_lives_as(locality),
        max_logit=max_logit,
        position_zero_n_active=int(rng.integers(0, 3)),
        position_zero_max=float(rng.uniform(0, 2)),
        summary=sentence,
        short=short,
        sparkline=_sparkline(panels),
        ablation_strip=_strip(ablations, rng),
        top_tokens=tokens.token_id[:3].tolist() if tokens else [],
    )


def _lives_as(locality: LocalityPanel | None) -> int:
    if locality is None:
        return 0
    word = lives_as(
        locality.n_runs,
        locality.single_run_share,
        locality.run_length_mean,
        locality.n_spans,
        locality.span_fill,
    )
    return LIVES_AS.index(word)


def _context_share(ablations: dict[Group, AblationGroup]) -> float | None:
    measured = [group.context_filled[:, 0] for group in ablations.values()]
    values = np.concatenate(measured) if measured else np.zeros(0)
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _summary(
    firings: Firings, text: SyntheticText, panels: FeaturePanels
) -> tuple[list[list[str]], list[list[str]]]:
    if panels.tokens is None:
        n = text.token_ids[:, 1:].size
        return [["text", f"Never fired in {n:,} tokens."]], [["text", "never fired"]]
    token = text.tokens[int(panels.tokens.token_id[0])].token
    density = f"{100 * firings.n_active / text.token_ids[:, 1:].size:.2g}%"
    share = f"{100 * float(panels.tokens.share[0]):.0f}%"
    sentence = [
        ["text", "Fires on "], ["number", density], ["text", " of tokens; "], ["number", share],
        ["text", " of its activation is on "], ["token", token], ["text", "."],
    ]  # fmt: skip
    return sentence, [["number", share], ["text", " on "], ["token", token]]


def _sparkline(panels: FeaturePanels) -> bytes:
    if panels.histogram is None:
        return bytes(50)
    counts = panels.histogram.counts
    scaled = np.maximum(np.round(255 * counts / counts.max()), counts > 0)
    return scaled.astype(np.uint8).tobytes()


def _strip(ablations: dict[Group, AblationGroup], rng: np.random.Generator) -> bytes:
    if not ablations:
        return b""
    percent = np.round(rng.normal(0, 4, size=STRIP))
    percent[-1 - int(rng.integers(1, 7))] = -rng.uniform(40, 95)
    percent[-1] = -rng.uniform(70, 100)
    if rng.random() < 0.2:
        percent[: int(rng.integers(1, 8))] = -128
    return percent.astype(np.int8).tobytes()
