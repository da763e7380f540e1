"""How asking can end without an answer. Each carries a plain sentence or a few words; no key."""

from app.errors import AtlasError


class EndpointRefuses(AtlasError):
    """Nothing more will be answered as things are: the run ends with this sentence."""


class Unanswered(Exception):
    """One question got no answer that can be used; the text says why, in a few words.

    What was answered before is kept, and the next run asks for the rest.
    """


class Stopped(Exception):
    """The user asked for an end before this was asked."""
