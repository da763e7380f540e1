"""What may stand in an address as the name of a model or a dictionary."""

import re

RESERVED_SLUGS = frozenset({"index", "random", "features", "compare", "map", "points"})
"""They mean something else below a model."""

LONGEST_SLUG = 80
"""characters"""


def is_slug(name: str) -> bool:
    """Whether it can stand in an address as it is: small letters, digits, single hyphens."""
    return slug_of(name) == name


def slug_of(name: str) -> str:
    """The address part made of a folder's or model's name: its last component, tamed."""
    tail = name.rstrip("/").rsplit("/", 1)[-1].lower()
    slug = re.sub(r"[^a-z0-9]+", "-", tail).strip("-")[:LONGEST_SLUG].strip("-") or "unnamed"
    return f"{slug}-1" if slug in RESERVED_SLUGS else slug
