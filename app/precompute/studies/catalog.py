"""The studies there are, by name: what each measures, reads and is told.

The names are those of `--skip` and of the stages. Imports no torch: settings and recipes of stages
are checked against this list before a model is loaded.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Listed:
    """One study, as far as it can be told without doing it."""

    name: str
    """small letters; its stage, and what `--skip` takes"""
    measures: str
    """what, in a few words that end the sentence "It measures …"."""
    reads: tuple[str, ...]
    """the stages it reads from"""
    settings: tuple[str, ...]
    """the settings it reads as they stand"""
    uses_model: bool
    """its numbers change with the model"""


STUDIES: tuple[Listed, ...] = (
    Listed(
        "regions",
        "how features switch on and off inside the regions they fire in",
        ("events", "statistics", "near misses"),
        ("region_spans", "seed"),
        uses_model=False,
    ),
    Listed(
        "effects",
        "what removing a feature at its firings does to the model's predictions",
        ("events", "statistics"),
        ("effect_examples", "effect_sampled", "effect_tokens", "dtype"),
        uses_model=True,
    ),
    Listed(
        "combined",
        "what several tokens deleted at once show that single deletions don't",
        ("statistics", "ablated text"),
        ("combined_examples", "dtype"),
        uses_model=True,
    ),
)
"""In the order they are done."""

NAMES = tuple(study.name for study in STUDIES)


def listed(name: str) -> Listed:
    """The study of that name."""
    return next(study for study in STUDIES if study.name == name)
