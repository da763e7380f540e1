"""Which features a run explains, as the command line names them.

Takes numbers, what people wrote, or a sample; gives living features. Knows no prompt.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, Engine

from app.db.catalog import Sae, list_saes
from app.db.feature_numbers import read_features
from app.errors import AtlasError, closest, echoed
from app.explain.source import Source
from app.notebook.labels import labels_of_dictionary
from app.notebook.notes import noted_features, starred_features

HAS = ("label", "note", "star")


@dataclass(frozen=True)
class Choice:
    """What was asked for."""

    features: str = "all"
    """all, a range (0..99) or numbers (1,5,7)"""
    has: str = ""
    """only features that somebody gave a label, a note or a star"""
    unlabelled: bool = False
    """only features without any label"""
    sample: int | None = None
    """only so many of them, drawn by chance"""


def choose_sae(connection: Connection, address: str, atlas: Path) -> Sae:
    """The dictionary that is named, or the only one there is.

    Raises:
        AtlasError: there is no such dictionary, or several and none was named.
    """
    known = {sae.address: sae for sae in list_saes(connection)}
    if address in known:
        return known[address]
    if address:
        raise AtlasError(
            f"There is no dictionary {echoed(address)} in this atlas: known are "
            f"{closest(address, known)}."
        )
    if len(known) != 1:
        raise AtlasError(
            f"{atlas.name} holds {len(known)} dictionaries: say which one with --sae, "
            f"{closest('', known)}."
        )
    return next(iter(known.values()))


def choose_features(
    source: Source, notebook: Engine, choice: Choice, begun: Collection[int], seed: int
) -> list[int]:
    """The features, ascending; those that never fire are left out.

    Args:
        begun: features that a run of the same settings labelled or tried: they count as
            unlabelled, so that the same command again means the same features.

    Raises:
        AtlasError: the choice can't be read, names a feature there isn't, or leaves none.
    """
    if choice.has and choice.has not in HAS:
        raise AtlasError(f"--has takes {', '.join(HAS)}, not {echoed(choice.has)!r}.")
    if choice.sample is not None and choice.sample < 1:
        raise AtlasError("--sample takes the number of features, 1 or more.")
    sae = source.sae
    wanted = set(read_features(source.connection, sae, choice.features)) & set(
        source.living.tolist()
    )
    with notebook.connect() as connection:
        about = (sae.record.model, sae.record.sae)
        labelled = {
            label.feature_index
            for label in labels_of_dictionary(connection, *about)
            if label.weights_hash == sae.record.weights_hash
        }
        if choice.has:
            wanted &= {
                "label": lambda: labelled,
                "note": lambda: noted_features(connection, *about, sae.record.weights_hash),
                "star": lambda: starred_features(connection, *about, sae.record.weights_hash),
            }[choice.has]()
    if choice.unlabelled:
        wanted -= labelled - set(begun)
    found = sorted(wanted)
    if not found:
        raise AtlasError(
            f"No feature of {sae.address} that fires is left by this choice: nothing to explain."
        )
    if choice.sample is not None and choice.sample < len(found):
        drawn = np.random.default_rng([seed, 4]).choice(found, choice.sample, replace=False)
        found = sorted(drawn.tolist())
    return found
