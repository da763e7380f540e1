"""What a reader made of a dictionary's files, and from what: kept with the dictionary.

Readers fill it while they read, so that what is said is what was done. Knows no format.
"""

from dataclasses import dataclass
from typing import TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class Finding:
    """One fact about a dictionary."""

    about: str
    """what it is a fact of: the architecture, the hook"""
    value: str
    why: str
    """where it comes from: a field of a config, a tensor's name, a folder's"""


@dataclass(frozen=True)
class StoredTensor:
    """Something that a weights file holds under a name."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """as it is stored: "bfloat16"; for what is no tensor its Python type"""
    file: str
    """the file's name without its folder"""
    is_read: bool
    """whether it takes part in the dictionary"""


@dataclass(frozen=True)
class Recognition:
    """Facts in the order they were found, and what the weights files hold."""

    findings: tuple[Finding, ...] = ()
    tensors: tuple[StoredTensor, ...] = ()

    @property
    def surplus(self) -> list[str]:
        """Names in the files that change nothing here."""
        return [tensor.name for tensor in self.tensors if not tensor.is_read]


class Findings:
    """Collects facts where they are found: `hook = found.say("hook", hook, why)`."""

    def __init__(self) -> None:
        self._said: list[Finding] = []

    def say(self, about: str, value: Value, why: str) -> Value:
        """Notes the fact and gives the value back."""
        self._said.append(Finding(about, _words(value), why))
        return value

    def all(self) -> tuple[Finding, ...]:
        return tuple(self._said)


def _words(value: object) -> str:
    if value is None:
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
