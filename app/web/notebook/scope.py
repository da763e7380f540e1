"""What of a notebook somebody sees: everything, what belongs to a share link, or what is exported.

A link to one feature gives away what people wrote about that feature, not what they think of
others, nor who starred it and on which lists it stands. Takes a link or a choice, gives a `Scope`.
Knows no page.
"""

from dataclasses import dataclass

from app.access.shares import Share
from app.web.notebook.names import Names
from app.web.share_links.grant import grant_of


@dataclass(frozen=True)
class Scope:
    """What may be seen."""

    labels: bool = True
    notes: bool = True
    lists: bool = True
    """which lists a feature stands on, and who starred it"""
    forms: bool = True
    """to write more, where whoever looks may write"""
    only: frozenset[tuple[str, int]] | None = None
    """address and feature_index of the features that may be named by their labels; None: all"""

    def names(self, address: str, names: Names) -> Names:
        """The names of a dictionary that may be seen."""
        if not self.labels:
            return Names({})
        if self.only is None:
            return names
        wanted = (index for own, index in self.only if own == address)
        return Names({index: names[index] for index in wanted if index in names})


EVERYTHING = Scope()


def scope_of_share(share: Share) -> Scope:
    """What a link opens of the notebook."""
    grant = grant_of(share.address)
    if grant.dictionary is None or not grant.feature_indices:
        return Scope(lists=False, forms=False)
    address = "/".join(grant.dictionary)
    only = frozenset((address, index) for index in grant.feature_indices)
    return Scope(lists=False, forms=False, only=only)
