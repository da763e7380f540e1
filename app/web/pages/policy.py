"""What every number of a page rests on, in sentences: corpus, counted tokens, ablation settings.

Takes a dictionary with its corpus; knows no feature.
"""

from typing import Any

from app.db.catalog import Sae
from app.web.pages import imported
from app.web.pages.given import why_absent
from app.web.text import number

_ABLATION_WORDS = {
    "top_examples": "top examples",
    "interval_examples": "examples of each interval",
    "window": "tokens before the peak",
    "replacements": "replacement draws",
    "context_examples": "top examples with the context they need",
    "context_draws": "draws of other contexts",
    "kept": "tokens kept for the context needed",
}


def corpus_sentence(sae: Sae) -> str:
    """Over which text, how many tokens, and which are not counted."""
    if sae.record.imported is not None:
        return imported.corpus_sentence(sae)
    corpus = sae.corpus
    bos = "each begins with BOS" if corpus.prepend_bos else "without BOS"
    return (
        f"Every number on this page: corpus {corpus.name}, N = {corpus.n_tokens:,} counted tokens "
        f"in {corpus.n_contexts:,} contexts of {corpus.context_size} ({bos}, "
        f"{corpus.packing}). BOS, padding and other special tokens are not counted; "
        f"{_position_zero(corpus.position_zero)}."
    )


def ablation_sentence(sae: Sae) -> str:
    """The settings of the ablated text of this run, as they were stored; "" for an import."""
    if sae.record.imported is not None:
        return ""
    settings = {k: v for k, v in sae.record.ablation.items() if v not in (None, "", {}, [])}
    if not settings:
        skipped = "No ablated text: the job that built this atlas skipped it."
        return why_absent(sae.record, "ablated") or skipped
    named = ", ".join(
        f"{_ABLATION_WORDS.get(k, _words(k))} {_value(v)}" for k, v in settings.items()
    )
    return f"Ablated text of this run: {named}."


def scale_sentence(sae: Sae, decoder_norm: float | None) -> str:
    """What a feature's activations are measured in; "" where nothing is known of it."""
    norm = "" if decoder_norm is None else f"‖W_dec‖ = {number(decoder_norm)}"
    said = "; ".join(filter(None, (norm, sae.record.convention)))
    return f"{said}." if said else ""


def context_counts(sae: Sae) -> str:
    """What a share left without context rests on: "1 top example, 1 draw of other contexts"."""
    return _counts(
        sae, ("context_examples", "top example"), ("context_draws", "draw of other contexts")
    )


def deletion_counts(sae: Sae) -> str:
    """What a feature's strongest deletion rests on: "3 top examples"."""
    return _counts(sae, ("top_examples", "top example"))


def _counts(sae: Sae, *wanted: tuple[str, str]) -> str:
    """Empty where the run stored none of these settings."""
    found = [(n, words) for key, words in wanted if (n := sae.record.ablation.get(key))]
    return ", ".join(f"{n:,} {_many(words) if n != 1 else words}" for n, words in found)


def _many(words: str) -> str:
    first, of, rest = words.partition(" of ")
    return f"{first}s{of}{rest}"


def _position_zero(policy: str) -> str:
    """The stored policy, with its subject where it has none ("not counted")."""
    words = policy.strip().rstrip(".")
    return words if "position 0" in words.lower() else f"position 0 is {words}"


def _words(key: str) -> str:
    return key.replace("_", " ")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{_words(str(k))} {_value(v)}" for k, v in value.items()) + ")"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
