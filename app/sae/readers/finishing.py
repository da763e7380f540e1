"""The last step of every reader: the scale in words, and what was recognised, kept beside it.

Knows no format.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.sae.dictionary import Dictionary
from app.sae.folding import describe_convention
from app.sae.readers.weights import Weights
from app.sae.recognition import Findings, Recognition


def finished(
    dictionary: Dictionary, weights: Weights, findings: Findings, notes: Sequence[str] = ()
) -> Dictionary:
    """The dictionary with its convention and recognition.

    AtlasError where a parameter of the weights file took no part; `notes` are what the reader did
    to scales and what it had to assume.
    """
    config = dictionary.config
    weights.refuse_surplus(f"{config.format} as {config.architecture}")
    convention = describe_convention(dictionary.normalisation, dictionary.W_dec, notes)
    recognition = Recognition(findings.all(), weights.inventory())
    return replace(
        dictionary, config=replace(config, convention=convention, recognition=recognition)
    )


def folders_above(path: Path, n: int = 4) -> list[str]:
    """The names of the folders that hold this file or folder, the nearest first.

    A folder's own name comes first.
    """
    parts = path.absolute().parts
    own = parts if path.is_dir() else parts[:-1]
    return list(reversed(own))[:n]
