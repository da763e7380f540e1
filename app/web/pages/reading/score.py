"""A reading's score in words: one sentence, figures with what they are made of, recall by strength.

Takes a score; knows neither how a reading is matched nor any query.
"""

from dataclasses import dataclass

from app.stats.reading.score import Score
from app.web import text


@dataclass(frozen=True)
class Figure:
    """One number of the answer with what it is made of."""

    name: str
    value: str
    detail: str
    title: str
    """its definition in a sentence"""


@dataclass(frozen=True)
class Band:
    """The firings of one band of activation."""

    label: str
    share: str
    counts: str
    bar: float
    """percent of the bar's width"""


def score_sentence(score: Score) -> list[tuple[str, str]]:
    """The score as pieces (kind, text); kind is text or number."""
    n = text.count(score.n_tokens)
    if score.n_fires == 0:
        return [
            ("text", "The feature fires on none of the "),
            ("number", n),
            ("text", " tokens looked at, so there is nothing to hold the reading against. It says "
                     "yes on "),
            ("number", text.count(score.n_says_yes)),
            ("text", " of them."),
        ]  # fmt: skip
    fires = f"{on_tokens(score.n_fires)}"
    if score.n_says_yes == 0:
        return [
            ("text", "The reading says yes on none of the "),
            ("number", n),
            ("text", f" tokens looked at; the feature fires on {fires}. What the parts stand for "
                     "says where it goes wrong."),
        ]  # fmt: skip
    return [
        ("text", "The reading says yes on "),
        ("number", text.count(score.n_says_yes)),
        ("text", f" of {n} tokens; the feature fires on "),
        ("number", text.count(score.n_both)),
        ("text", f" of them ({text.percent(score.precision)}; of all tokens it fires on "
                 f"{text.percent(score.density)}). It fires on {fires} in all: the reading says "
                 "yes to "),
        ("number", text.percent(score.recall)),
        ("text", " of these, which carry "),
        ("number", text.percent(score.mass_share)),
        ("text", " of its activation."),
    ]  # fmt: skip


def on_tokens(n: int) -> str:
    """1 token, 12 tokens."""
    return "1 token" if n == 1 else f"{text.count(n)} tokens"


def score_figures(score: Score) -> list[Figure]:
    """Precision, recall, activation explained, F1, and precision by chance."""
    return [
        Figure(
            "Precision",
            text.percent(score.precision),
            f"{text.count(score.n_both)} of {text.count(score.n_says_yes)} yeses fire",
            "Of the tokens the reading says yes to, the share on which the feature fires.",
        ),
        Figure(
            "Recall",
            text.percent(score.recall),
            f"{text.count(score.n_both)} of {text.count(score.n_fires)} firings are yeses",
            "Of the tokens the feature fires on, the share the reading says yes to.",
        ),
        Figure(
            "Activation explained",
            text.percent(score.mass_share),
            f"{text.number(score.mass_both)} of {text.number(score.mass)}, summed",
            "Of the sum of all its activations, the share on tokens the reading says yes to.",
        ),
        Figure(
            "Both at once",
            text.percent(score.f1),
            "F1: high only where precision and recall are",
            "The harmonic mean of precision and recall: high only where both are.",
        ),
        Figure(
            "By chance",
            text.percent(score.density),
            "precision of saying yes at random",
            "The share of all tokens on which it fires: the precision of a reading that says yes "
            "at random.",
        ),
    ]


def score_bands(score: Score) -> list[Band]:
    """Recall in each band, the strongest first; none where it never fires."""
    if score.n_fires == 0:
        return []
    rows = zip(
        score.band_edges[:-1],
        score.band_edges[1:],
        score.band_n_fires,
        score.band_n_both,
        strict=True,
    )
    return [
        Band(
            f"{text.number(low)} – {text.number(high)}",
            text.percent(n_both / n_fires) if n_fires else text.MISSING,
            f"{text.count(n_both)} of {text.count(n_fires)}",
            round(100 * n_both / n_fires, 2) if n_fires else 0.0,
        )
        for low, high, n_fires, n_both in rows
    ][::-1]
