"""What a run says before it starts and when it is over, in whole sentences. Knows no run."""

from collections.abc import Iterator

from app.explain.address import Address, Key
from app.explain.cost import Prices
from app.explain.run import Outcome
from app.explain.settings import ExplainSettings
from app.explain.source import Source
from app.explain.split import N_BANDS, N_CONTRAST, PER_BAND
from app.explain.texts import AFTER, BEFORE


def sent_lines(
    source: Source, settings: ExplainSettings, address: Address, key: Key
) -> Iterator[str]:
    """What leaves this machine, and to whom."""
    n = N_BANDS * PER_BAND
    scoring = (
        f"; to score it, up to {n} more with it and as many without"
        if settings.wants_scores
        else ""
    )
    models = " and ".join(dict.fromkeys([settings.explainer, settings.scorer]))
    yield (
        f"Sent to {address.url} ({models}): of each feature up to {n + N_CONTRAST} texts of "
        f"{BEFORE + 1 + AFTER} tokens at most from the corpus {source.sae.corpus.name}, with how "
        f"strongly it is active on each token{scoring}, and the explanation."
    )
    yield (
        "Not sent: weights, names of files or dictionaries, document names, anything written in "
        "the notebook."
    )
    if key.value and not address.is_encrypted and not address.is_here:
        yield (
            f"Warning: {address.host} is reached without encryption (http): whoever listens on the "
            "way reads the key and the texts."
        )
    if settings.wants_scores and not source.has_events:
        yield (
            "The events aren't beside the atlas: texts without the feature are only its near "
            "misses and silent occurrences, and readings are kept unmeasured."
        )


def ended_lines(outcome: Outcome, prices: Prices) -> Iterator[str]:
    """What a run did, and what is left."""
    states, usage = outcome.states, outcome.usage
    done = [f"{states['done']:,} of {outcome.n_chosen:,} features are done"]
    if states["unscored"]:
        done.append(f"{states['unscored']:,} explained but not scored")
    if states["unanswered"]:
        done.append(f"{states['unanswered']:,} unanswered")
    if outcome.n_left:
        done.append(f"{outcome.n_left:,} not begun or cut short")
    yield f"{'; '.join(done)}."
    for reason, n in outcome.reasons.most_common(5):
        yield f"  {n:,} × {reason}"
    kept = f", and {usage.n_kept:,} answers of before used again" if usage.n_kept else ""
    unknown = f" (without {usage.n_unknown:,} answers it didn't count)" if usage.n_unknown else ""
    yield (
        f"{usage.n_requests:,} answers{kept}; the endpoint counted {usage.prompt_tokens:,} prompt "
        f"tokens and {usage.completion_tokens:,} completion tokens{unknown}."
    )
    cost = prices.of(usage.prompt_tokens, usage.completion_tokens)
    if cost is not None:
        yield f"At these prices {cost:,.2f}."
    if not outcome.is_whole:
        yield "The same command goes on from here and asks for nothing again."
