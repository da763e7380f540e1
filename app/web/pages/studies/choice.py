"""One of a few views of the same thing, as pages of studies link to them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """A link that changes one argument of the view."""

    label: str
    url: str
    current: bool
