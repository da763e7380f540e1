"""What an imported model and dictionary are called in addresses.

Takes the names a source uses, or what the user typed, gives slugs. Knows no file.
"""

from dataclasses import dataclass

from app.db.slugs import LONGEST_SLUG, RESERVED_SLUGS, is_slug, slug_of
from app.errors import AtlasError, echoed


@dataclass(frozen=True)
class Address:
    """The first two parts of every address of the dictionary."""

    model: str
    sae: str

    def __str__(self) -> str:
        return f"{self.model}/{self.sae}"


def address_of(model: str, sae: str) -> Address:
    """The names of a source, tamed."""
    return Address(slug_of(model), slug_of(sae))


def read_address(text: str) -> Address:
    """What `--name` was given.

    Raises:
        AtlasError: it isn't two slugs with a slash between them.
    """
    model, slash, sae = text.partition("/")
    if not slash or not (is_slug(model) and is_slug(sae)):
        raise AtlasError(
            f"--name is {echoed(text)!r}: write MODEL/SAE in small letters, digits and hyphens "
            f"(gpt2-small/resid-8), each of at most {LONGEST_SLUG}; "
            f"{', '.join(sorted(RESERVED_SLUGS))} are taken."
        )
    return Address(model, sae)
