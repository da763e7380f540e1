"""Where the events of an atlas lie: a folder beside the file, with one part for each dictionary and
one for each corpus.

Takes the atlas' path and names, gives paths. Knows no file format.
"""

from pathlib import Path


def events_folder(atlas: Path) -> Path:
    """The folder shipped beside an atlas: `atlas.events` for `atlas.db`."""
    return atlas.with_suffix(".events")


def sae_part(model: str, sae: str) -> str:
    """The events of one dictionary, inside the events folder."""
    return f"{model}/{sae}"


def corpus_part(model: str, corpus_hash: str) -> str:
    """The contexts of one corpus, inside the events folder."""
    return f"{model}/corpus-{corpus_hash[:12]}"
