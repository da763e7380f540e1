"""What stands beside the tables once for each dictionary: what it is and how it was run.

Takes a reader's dictionary, gives plain values for JSON. Knows no table.
"""

from dataclasses import asdict
from typing import Any

from app.exchange.reader.atlas import Dictionary


def describe(dictionary: Dictionary) -> dict[str, Any]:
    """The records of a dictionary, its model and its corpus, as an atlas keeps them."""
    return {
        "model": dictionary.record.model,
        "sae": dictionary.record.sae,
        "dictionary": asdict(dictionary.record),
        "language_model": asdict(dictionary.model),
        "corpus": asdict(dictionary.corpus),
    }
