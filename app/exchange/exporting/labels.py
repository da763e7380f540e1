"""The notebook's labels as an export takes them along; only where it was asked to.

Labels about another dictionary of the same name (its weights hash differs) stay. Takes a notebook
and the parts of an export, gives texts by feature. Knows no format.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from app.exchange.exporting.chosen import Part
from app.notebook.labels import chosen_of_dictionary, in_order, labels_of_dictionary
from app.notebook.records import Label

FEATURES_AT_ONCE = 10_000


@dataclass(frozen=True)
class Explanation:
    """A label on its way."""

    uid: str
    text: str
    author: str
    """who wrote it; the language model where one did"""
    by_person: bool


Explanations = Mapping[int, Sequence[Explanation]]
"""by feature_index, the one shown first first"""


def read_explanations(notebook: Engine, parts: Sequence[Part]) -> dict[str, Explanations]:
    """The labels of the features that are exported, by the dictionary's address."""
    with notebook.connect() as connection:
        return {part.dictionary.address: _of_part(connection, part) for part in parts}


def _of_part(connection, part: Part) -> Explanations:
    record = part.dictionary.record
    found: defaultdict[int, list[Label]] = defaultdict(list)
    chosen: dict[int, str] = {}
    for only in part.batches(FEATURES_AT_ONCE):
        chosen |= chosen_of_dictionary(connection, record.model, record.sae, only)
        for label in labels_of_dictionary(connection, record.model, record.sae, only):
            if label.weights_hash == record.weights_hash:
                found[label.feature_index].append(label)
    return {
        index: [
            _explanation(one)
            for one in in_order(labels, chosen.get(index, ""), record.weights_hash)
        ]
        for index, labels in found.items()
    }


def _explanation(label: Label) -> Explanation:
    author = label.explainer or label.author or label.source
    return Explanation(label.uid, label.text, author, label.by_person)
