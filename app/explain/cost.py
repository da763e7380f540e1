"""What a run will ask and cost, before it asks anything.

Tokens are estimated from characters, because only the endpoint knows its tokenizer. Takes a source
and settings, gives an estimate and how it is said. Knows no endpoint.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.explain.prompts.explanation import explanation_prompt
from app.explain.prompts.prompt import Prompt
from app.explain.prompts.scoring import detection_questions, fuzzing_questions
from app.explain.settings import ExplainSettings
from app.explain.source import Source

BYTES_PER_TOKEN = 3.5
MOST_LOOKED_AT = 100
"""Features whose prompts are made; of more the others are taken to be like them"""
_EXPLANATION_TOKENS = 60
_READING_TOKENS = 30
_VERDICT_TOKENS = 3
"""Of an answer, for each text asked about"""
_TYPICAL = "x" * 130
"""Stands for an explanation that isn't known yet"""


@dataclass(frozen=True)
class Prices:
    """Of a million tokens, in any currency; None where they aren't known."""

    prompt: float | None = None
    completion: float | None = None

    def of(self, prompt_tokens: float, completion_tokens: float) -> float | None:
        """What so many cost."""
        if self.prompt is None or self.completion is None:
            return None
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


@dataclass(frozen=True)
class Estimate:
    """Of a whole run."""

    n_features: int
    n_looked_at: int
    n_requests: int
    prompt_tokens: float
    completion_tokens: float
    most_completion_tokens: int
    """if every answer were as long as allowed"""
    n_unscored: int
    """features with too few texts to keep some back for scores"""


def estimate(
    source: Source, settings: ExplainSettings, features: Sequence[int], max_tokens: int
) -> Estimate:
    """What these features cost, if nothing of them was answered before."""
    rng = np.random.default_rng(settings.seed)
    n = len(features)
    chosen = features
    if n > MOST_LOOKED_AT:
        chosen = [features[i] for i in sorted(rng.choice(n, MOST_LOOKED_AT, replace=False))]
    n_requests = n_unscored = 0
    prompt_tokens = completion_tokens = 0.0
    for feature in chosen:
        asked = list(prompts_of(source, settings, feature))
        n_requests += len(asked)
        n_unscored += settings.wants_scores and len(asked) < 2
        for prompt, expected in asked:
            prompt_tokens += tokens_of(prompt)
            completion_tokens += expected
    share = n / len(chosen) if chosen else 0.0
    n_requests = round(n_requests * share)
    return Estimate(
        n,
        len(chosen),
        n_requests,
        prompt_tokens * share,
        completion_tokens * share,
        n_requests * max_tokens,
        round(n_unscored * share),
    )


def prompts_of(
    source: Source, settings: ExplainSettings, feature: int
) -> Iterator[tuple[Prompt, int]]:
    """Everything that is asked about a feature, with how many tokens an answer takes."""
    split = source.split(feature, settings.seed)
    if not split.explaining:
        return
    expected = _EXPLANATION_TOKENS + settings.wants_reading * _READING_TOKENS
    yield explanation_prompt(split, settings.wants_reading), expected
    if not settings.wants_scores:
        return
    how = (split, settings.seed, feature, settings.texts_per_request)
    for question in (*detection_questions(*how), *fuzzing_questions(*how)):
        yield question.prompt(_TYPICAL), _VERDICT_TOKENS * len(question.items)


def tokens_of(prompt: Prompt) -> float:
    """About how many tokens a prompt has."""
    return len(prompt.text.encode()) / BYTES_PER_TOKEN


def estimate_lines(found: Estimate, prices: Prices) -> Iterator[str]:
    """How an estimate is said."""
    looked = "" if found.n_looked_at == found.n_features else f", from {found.n_looked_at} of them"
    yield (
        f"{_number_of(found.n_features, 'feature')}, "
        f"{_number_of(found.n_requests, 'request')}{looked}: about "
        f"{_rounded(found.prompt_tokens)} prompt tokens and "
        f"{_rounded(found.completion_tokens)} completion "
        f"tokens at {BYTES_PER_TOKEN} bytes a token (a model that thinks aloud writes more, at "
        f"most {found.most_completion_tokens:,} tokens)."
    )
    about = prices.of(found.prompt_tokens, found.completion_tokens)
    if about is not None:
        most = prices.of(found.prompt_tokens, found.most_completion_tokens)
        yield f"At these prices about {about:,.2f}, at most {most:,.2f}; asking again is extra."
    if found.n_unscored:
        yield (
            f"{found.n_unscored:,} of them have too few stored texts to keep some back, and are "
            "explained without a score."
        )


def _number_of(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def _rounded(n: float) -> str:
    """An estimate with the three digits it can have at most."""
    return f"{float(f'{n:.3g}'):,.0f}"
