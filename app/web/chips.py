"""The text of a token in a chip, a sentence or a label: short, and nothing in it invisible.

Knows no template; `app/db/display.py` decides what is shown for what can't be seen.
"""

from app.db.display import display, shorten

CHIP_CHARACTERS = 32
"""Tokens in tables and sentences are shown up to here; the rest is counted."""


def chip(token: str) -> str:
    """The text of a token as a chip shows it."""
    return display(shorten(token, CHIP_CHARACTERS))
