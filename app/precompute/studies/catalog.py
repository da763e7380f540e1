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
    beside: bool = False
    """they change with the dictionaries that the atlas held before"""


RECONSTRUCTION = Listed(
    "reconstruction",
    "L0, error, cosine and norms of single tokens, as distributions",
    ("events",),
    (),
    uses_model=False,
)
NORMS = Listed(
    "norms",
    "how long activations are by position and token, and which are outliers",
    ("events",),
    (),
    uses_model=True,  # the unembedding's norms beside them
)
VARIANTS = Listed(
    "variants",
    "what other tools print for the same dictionaries",
    ("events",),
    ("variant_contexts", "seed", "dtype"),
    uses_model=True,
)
PRUNING = Listed(
    "pruning",
    "what each dictionary is worth without its densest, rarest or random features",
    ("events", "statistics"),
    ("pruning_contexts", "pruning_thresholds", "pruning_draws", "seed", "dtype"),
    uses_model=True,
)
GEOMETRY = Listed(
    "geometry",
    "where the directions of a dictionary lie to each other, and by chance",
    ("events",),
    ("seed", "dtype"),
    uses_model=True,
)
CONNECTIONS = Listed(
    "connections",
    "which features below cause a feature, between dictionaries at different hooks",
    ("statistics",),
    ("connection_examples", "connection_kept", "connection_checks", "seed", "dtype"),
    uses_model=True,
)
REGIONS = Listed(
    "regions",
    "how features switch on and off inside the regions they fire in",
    ("events", "statistics", "near misses"),
    ("region_spans", "seed"),
    uses_model=False,
)

MATCHES = Listed(
    "matches",
    "which features of the dictionaries of one hook point the same way",
    ("events",),
    ("seed", "dtype", "one_to_one"),
    uses_model=True,
    beside=True,
)

EFFECTS = Listed(
    "effects",
    "what removing a feature at its firings does to the model's predictions",
    ("events", "statistics"),
    ("effect_examples", "effect_sampled", "effect_tokens", "dtype"),
    uses_model=True,
)
COMBINED = Listed(
    "combined",
    "what several tokens deleted at once show that single deletions don't",
    ("statistics", "ablated text"),
    ("combined_examples", "dtype"),
    uses_model=True,
)

STUDIES: tuple[Listed, ...] = (
    RECONSTRUCTION,
    NORMS,
    VARIANTS,
    PRUNING,
    GEOMETRY,
    MATCHES,
    CONNECTIONS,
    REGIONS,
    EFFECTS,
    COMBINED,
)
"""In the order they are done."""

NAMES = tuple(study.name for study in STUDIES)
