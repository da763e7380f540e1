"""What a view of a feature claims beyond the feature itself, as a line to paste beside its address:
the reading tested with its score, and the band of activations chosen.

Takes the panels as built; knows no markup.
"""

from app.db.display import display
from app.web.pages.feature.activation_panel import ActivationPanel
from app.web.pages.reading.panel import ReadingPanel


def view_said(reading: ReadingPanel, activation: ActivationPanel | None) -> str:
    """Sentences; empty for a view with neither reading nor band."""
    said = []
    if reading.answer is not None and reading.result is not None:
        said.append(f"Reading {_visible(reading.typed)} – {_scored(reading)}")
    if activation is not None and activation.band:
        said.append(f"Band {activation.band}.")
    return " ".join(said)


def _scored(reading: ReadingPanel) -> str:
    """Precision, recall and activation explained; the sentence where there are none."""
    assert reading.answer is not None and reading.result is not None
    score = reading.answer.score
    if not (score.n_fires and score.n_says_yes):
        return "".join(words for _, words in reading.result.sentence)
    figures = [
        f"{figure.name.lower()} {figure.value} ({figure.detail})"
        for figure in reading.result.figures[:3]
    ]
    return f"{', '.join(figures)}; over {score.n_tokens:,} counted tokens."


def _visible(typed: str) -> str:
    """As typed, what can't be seen as the page shows it; lone spaces stay spaces."""
    return "".join(c if c.isprintable() else display(c) for c in typed.strip())
