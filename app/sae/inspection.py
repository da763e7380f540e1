"""A dictionary described for people: what was recognised and why, shapes, dtypes, scales.

Takes a dictionary as a reader gave it, gives plain facts in the order they are read in. Nothing is
found out here: what its files said stands in its recognition.
"""

from dataclasses import dataclass, replace

import torch

from app.sae.dictionary import Dictionary
from app.sae.recognition import Finding, StoredTensor

#: torch.quantile takes no more numbers than this.
MOST_QUANTILED = 2**24


@dataclass(frozen=True)
class Inspection:
    """Everything known without a model."""

    path: str
    facts: tuple[Finding, ...]
    tensors: tuple[StoredTensor, ...]
    surplus: tuple[str, ...]
    """names in the files that change nothing"""


def inspect_dictionary(dictionary: Dictionary) -> Inspection:
    """The facts of the files, and those that the weights tell."""
    config = dictionary.config
    recognition = config.recognition
    return Inspection(
        path=str(config.path),
        facts=(*_told(dictionary), *_measured(dictionary)),
        tensors=recognition.tensors,
        surplus=tuple(recognition.surplus),
    )


def _told(dictionary: Dictionary) -> list[Finding]:
    """What the files say, and where a pre-bias of theirs does nothing, that as well."""
    idle = not dictionary.b_pre.any()
    return [
        replace(fact, value=f"{fact.value}, which is all zeros")
        if idle and fact.about == "pre-bias" and fact.value != "none"
        else fact
        for fact in dictionary.config.recognition.findings
    ]


def _measured(dictionary: Dictionary) -> list[Finding]:
    d_in, d_sae = dictionary.W_enc.shape
    d_out = dictionary.W_dec.shape[1]
    norm = dictionary.decoder_norm()
    low, middle, high = torch.quantile(norm[:MOST_QUANTILED], torch.tensor([0.0, 0.5, 1.0]))
    spread = "rows of W_dec after everything was folded: smallest, median, largest"
    facts = [
        Finding("features", str(d_sae), f"W_enc [{d_in}, {d_sae}]"),
        Finding("input width", str(d_in), f"W_enc [{d_in}, {d_sae}]"),
        Finding("output width", str(d_out), f"W_dec [{d_sae}, {d_out}]"),
        Finding("computed as", dictionary.activation.name, _settings(dictionary)),
        Finding("scale", dictionary.config.convention, "what activations are measured in"),
        Finding("decoder norms", f"{low:.4g}, {middle:.4g}, {high:.4g}", spread),
    ]
    target = dictionary.config.target_l0
    if target is not None:
        facts.append(Finding("L0 target", f"{target:g}", "what the check compares with"))
    return facts


def _settings(dictionary: Dictionary) -> str:
    settings = [f"{name} {value}" for name, value in dictionary.activation.settings().items()]
    tensors = [f"{name} {_shape(value)}" for name, value in dictionary.activation.tensors().items()]
    return ", ".join([*settings, *tensors]) or "without parameters of its own"


def _shape(tensor: torch.Tensor) -> str:
    return str(list(tensor.shape))
