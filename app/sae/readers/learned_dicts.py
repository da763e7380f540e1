"""The classes of sparse_coding (2023) as plain bags of attributes: nothing of theirs is ever run.

Takes a `learned_dicts.pt`, gives its objects' attributes and the hyperparameters beside them. The
pickle goes through torch's weights-only unpickler, to which a few names are lent: each class stands
for a bag that only holds what the file says, numpy's numbers for plain ones. Every other name is
refused before anything is made of it. Knows nothing of what the attributes mean.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from app.errors import AtlasError, echoed, listed
from app.sae.readers.pickled import pickled_words
from app.sae.readers.torch_files import load_torch

#: The modules that held the classes, before and after the library became a package.
MODULES = ("autoencoders.learned_dict", "autoencoders.topk_encoder", "learned_dict")
PACKAGES = ("", "sparse_coding.")
#: How many strange names a sentence bears.
NAMES = 4


class Bag:
    """An object of the file: a class' name and what was in its `__dict__`."""

    # Slots, so that no attribute of a file can take the place of a method.
    __slots__ = ("attributes",)

    def __setstate__(self, state: object) -> None:
        self.attributes = dict(state) if isinstance(state, dict) else {}


class TiedSAE(Bag):
    """Decoder = encoder rows of norm 1."""

    __slots__ = ()


class UntiedSAE(Bag):
    """Encoder and decoder of their own."""

    __slots__ = ()


class TopKLearnedDict(Bag):
    """One matrix, the k largest scores of a token."""

    __slots__ = ()


class _Dtype:
    """numpy.dtype, of which only the code is needed."""

    __slots__ = ("code",)

    def __init__(self, code: str, *_: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        """Byte order and the like: a pickle on these machines is little-endian."""


def _number(dtype: _Dtype, data: bytes) -> float | int:
    """A numpy scalar as a plain number."""
    return struct.unpack({"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i"}[dtype.code], data)[0]


CLASSES: dict[str, type[Bag]] = {
    "TiedSAE": TiedSAE,
    "UntiedSAE": UntiedSAE,
    "TopKLearnedDict": TopKLearnedDict,
}


def _lent() -> list[tuple[Callable[..., Any], str]]:
    """(what stands in, full name) of everything a file may name besides tensors and containers."""
    classes: list[tuple[Callable[..., Any], str]] = [
        (bag, f"{package}{module}.{name}")
        for package in PACKAGES
        for module in MODULES
        for name, bag in CLASSES.items()
    ]
    numbers: list[tuple[Callable[..., Any], str]] = [
        (_number, "numpy.core.multiarray.scalar"),
        (_number, "numpy._core.multiarray.scalar"),
        (_Dtype, "numpy.dtype"),
    ]
    return [*classes, *numbers]


@dataclass(frozen=True)
class LearnedDict:
    """One dictionary of the file."""

    class_name: str
    attributes: Mapping[str, Any]
    hyperparameters: Mapping[str, float | int | str]

    def described(self) -> str:
        """One phrase: class, shape, hyperparameters."""
        shapes = [
            f"[{', '.join(map(str, value.shape))}]"
            for name, value in self.attributes.items()
            if name in ("encoder", "dict") and isinstance(value, torch.Tensor)
        ]
        settings = ", ".join(f"{name} {value}" for name, value in self.hyperparameters.items())
        return " ".join([self.class_name, *shapes]) + (f" ({settings})" if settings else "")


def is_learned_dicts(path: Path) -> bool:
    """Whether a file names one of the library's modules, readable class or not."""
    return any(_module_of(name) for name in pickled_words(path).classes)


def read_learned_dicts(path: Path) -> list[LearnedDict]:
    """The dictionaries of a file, in its order; AtlasError for a file with anything else in it."""
    strange = [
        repr(echoed(name))
        for name in sorted(pickled_words(path).classes)
        if _module_of(name) and name.rsplit(".", 1)[-1] not in CLASSES
    ]
    if strange:
        raise AtlasError(
            f"{path} names code that is no known class of dictionaries, and none of it was run: "
            f"{listed(strange, NAMES)}; known are {', '.join(CLASSES)}."
        )
    content = load_torch(
        path,
        lent=_lent(),
        refusal="holds Python objects besides dictionaries and tensors, which are never loaded "
        "because that could run code.",
    )
    entries = content if isinstance(content, list) else [content]
    found = [_learned(entry) for entry in entries]
    if not found or any(entry is None for entry in found):
        raise AtlasError(
            f"{path} is no list of (dictionary, hyperparameters), as sparse_coding writes it."
        )
    return [entry for entry in found if entry is not None]


def _module_of(name: str) -> bool:
    module = name.rpartition(".")[0]
    return any(module == package + known for package in PACKAGES for known in MODULES)


def _learned(entry: Any) -> LearnedDict | None:
    """An entry of the list: an object, or a pair of it and its hyperparameters."""
    bag, settings = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, {})
    if not isinstance(bag, Bag) or not isinstance(settings, dict):
        return None
    plain = {str(name): value for name, value in settings.items() if _is_plain(value)}
    return LearnedDict(type(bag).__name__, getattr(bag, "attributes", {}), plain)


def _is_plain(value: object) -> bool:
    return isinstance(value, int | float | str)
