"""What every number of a page rests on, in sentences: corpus, counted tokens, ablation settings.

Takes a dictionary with its corpus; knows no feature.
"""

from typing import Any

from app.db.catalog import Sae

_ABLATION_WORDS = {
    "examples": "top examples",
    "window": "tokens before the peak",
    "replacements": "replacement draws",
    "draws": "draws of other contexts",
}


def corpus_sentence(sae: Sae) -> str:
    """Over which text, how many tokens, and which are not counted."""
    corpus = sae.corpus
    bos = "each begins with BOS" if corpus.prepend_bos else "without BOS"
    return (
        f"Every number on this page: corpus {corpus.name}, N = {corpus.n_tokens:,} counted tokens "
        f"in {corpus.n_contexts:,} contexts of {corpus.context_size} ({bos}, "
        f"{corpus.packing}). BOS, padding and other special tokens are not counted; "
        f"{_clause(corpus.position_zero)}."
    )


def ablation_sentence(sae: Sae) -> str:
    """The settings of the ablated text of this run, as they were stored."""
    settings = {k: v for k, v in sae.record.ablation.items() if v not in (None, "", {}, [])}
    if not settings:
        return "No ablated text: the job that built this atlas skipped it."
    named = ", ".join(
        f"{_ABLATION_WORDS.get(k, _words(k))} {_value(v)}" for k, v in settings.items()
    )
    return f"Ablated text of this run: {named}."


def _clause(sentence: str) -> str:
    """A stored sentence as the end of another."""
    text = sentence.strip().rstrip(".")
    return text[:1].lower() + text[1:] if text[:2].istitle() else text


def _words(key: str) -> str:
    return key.replace("_", " ")


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{_words(str(k))} {_value(v)}" for k, v in value.items()) + ")"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
