"""How what people wrote is said: who, when, with which evidence. Knows no table and no address."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.notebook.explanations import SOURCE
from app.notebook.records import Label
from app.web import text
from app.web.pages.notebook.scores import short_scores
from app.web.share import one_line

_MOST_SHOWN = 90
"""Characters of a label in a list; a longer one is cut at a word"""


def shortened(label: str) -> str:
    """A label as lists show it, one line or two."""
    if len(label) <= _MOST_SHOWN:
        return label
    cut = label[:_MOST_SHOWN]
    return f"{cut.rsplit(' ', 1)[0] if ' ' in cut else cut}…"


def called(label: str, short: Iterable[Sequence[str]]) -> str:
    """What names a feature in a title or a drawing: its label in quotation marks, else its short
    form."""
    return f"“{text.undirected(shortened(label))}”" if label else one_line(short)


def day(at: str) -> str:
    """The day of a stored time, in UTC: 1 Mar 2026."""
    found = datetime.fromisoformat(at)
    return f"{found.day} {found:%b %Y}"


def origin(label: Label) -> str:
    """Where a label comes from, in words: who, or which program by which prompt."""
    if label.by_person:
        return label.author
    parts = [label.explainer or label.author]
    if label.prompt_version:
        parts.append(f"prompt {label.prompt_version}")
    if label.source == SOURCE:
        parts.append("made here")
    elif label.source and label.source != parts[0]:
        parts.append(f"from {label.source}")
    if label.changed_by != label.author:
        parts.append(f"changed by {label.changed_by}")
    return ", ".join(parts)


def score(label: Label) -> str:
    """The score its source gave it; empty without one."""
    if label.scores:
        return short_scores(label.scores)
    if label.score is None:
        return ""
    return f"{label.score_kind or 'score'} {text.number(label.score)}"


def evidence(found: Mapping[str, Any]) -> str:
    """What a reading scored when its label was written; empty without."""
    shares = [
        f"{name} {text.percent(value)}"
        for key, name in (
            ("precision", "precision"),
            ("recall", "recall"),
            ("activation_explained", "activation explained"),
        )
        if isinstance(value := found.get(key), int | float)
    ]
    n_tokens = found.get("n_tokens")
    if not shares or not isinstance(n_tokens, int):
        return ""
    return f"{', '.join(shares)}, over {text.count(n_tokens)} tokens"


def split(found: Mapping[str, Any]) -> str:
    """Which texts explained a feature, and which were kept back to score that; empty without."""
    sizes = [
        len(found.get(name) or ()) for name in ("explaining", "contrast", "held_out", "without")
    ]
    if not any(sizes):
        return ""
    explaining, contrast, held_out, without = sizes
    made = f"made from {explaining} texts with the feature and {contrast} without it"
    if not held_out:
        return made
    return f"{made}, scored on {held_out} and {without} others (seed {found.get('seed')})"
