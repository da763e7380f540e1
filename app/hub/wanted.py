"""Which files of a folder on the hub make up a dictionary or a model; all others stay there.

Takes the names in a folder, gives those that are needed, the small ones first: where the weights
are whole, so is what describes them. Python files are never among them. Knows no network and opens
no file.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch

from app.errors import AtlasError, listed

DEEPER = "checkpoints"
"""The one folder below a dictionary's in which its weights may lie (Llama Scope)."""

_DESCRIBES = (".json", ".yaml", ".yml")
_TOKENIZER = ("*.model", "merges.txt", "vocab.txt", "*.tiktoken")
_WEIGHTS = (".safetensors", ".npz", ".pt", ".pth", ".bin")
_DICTIONARY_WEIGHTS = (
    *("sae_weights.safetensors", "sae.safetensors", "params.safetensors", "params.npz", "ae.pt"),
    f"{DEEPER}/final.safetensors",
)
"""What formats call them; the first that is there is it."""
_NOT_WEIGHTS = ("sparsity.*", "optimizer*.*", "scheduler*.*", "training_args.*", "activations_*")
_SHARD = re.compile(r".+-\d+-of-\d+\.(safetensors|bin)")
_MODEL_WEIGHTS = (
    *("model.safetensors", "model-*-of-*.safetensors"),
    *("pytorch_model.bin", "pytorch_model-*-of-*.bin"),
)


@dataclass(frozen=True)
class Kind:
    """Something that is looked for in a folder."""

    word: str
    """for a sentence"""
    needs: str
    """what makes a folder one"""
    weights: Callable[[Sequence[str]], list[str]]
    """those among the names of a folder; none where it holds nothing of the kind"""
    describes: Callable[[str], bool]
    """whether a file beside the weights belongs to them"""
    files: tuple[str, ...] = ()
    """endings of a single file that can be one by itself"""
    above: Mapping[str, str] = field(default_factory=dict)
    """by the name of the weights, what belongs to them in the two folders above"""

    def wanted(self, names: Iterable[str], where: object) -> list[str]:
        """The files that are needed, the weights last; empty where there are no weights.

        Raises:
            AtlasError: there are several in `where`, and nothing says which are meant.
        """
        every = sorted(names)
        weights = self.weights(every)
        if not weights:
            return []
        if len(weights) > 1 and not all(_SHARD.fullmatch(name) for name in weights):
            raise AtlasError(
                f"{where} holds several files of weights ({listed(weights)}): name one of them, "
                f"as in {where}/{weights[0]}."
            )
        beside = [name for name in every if "/" not in name and self.describes(name)]
        indices = {name for name in beside if name.endswith(".index.json")}
        own = {f"{re.sub(r'-[0-9]+-of-[0-9]+', '', name)}.index.json" for name in weights}
        return [name for name in beside if name not in indices - own] + weights

    def beside_file(self, names: Collection[str], file: str) -> list[str]:
        """The same where the address names the file of the weights itself; empty if it can't be."""
        if file not in names or not file.endswith(self.files):
            return []
        every = [name for name in sorted(names) if "/" not in name and name != file]
        return [*(name for name in every if self.describes(name)), file]


def _dictionary_weights(names: Sequence[str]) -> list[str]:
    known = next((name for name in _DICTIONARY_WEIGHTS if name in names), None)
    if known is not None:
        return [known]
    found = [
        name
        for name in names
        if "/" not in name
        and name.endswith(_WEIGHTS)
        and not any(fnmatch(name, pattern) for pattern in _NOT_WEIGHTS)
    ]
    safe = [name for name in found if name.endswith(".safetensors")]
    return safe or found


def _model_weights(names: Sequence[str]) -> list[str]:
    for pattern in _MODEL_WEIGHTS:
        found = [name for name in names if fnmatch(name, pattern)]
        if found:
            return found
    return []


def _describes_dictionary(name: str) -> bool:
    return name.endswith(_DESCRIBES)


def _describes_model(name: str) -> bool:
    return name.endswith(".json") or any(fnmatch(name, pattern) for pattern in _TOKENIZER)


DICTIONARY = Kind(
    "dictionary",
    "weights as .safetensors, .npz or .pt",
    _dictionary_weights,
    _describes_dictionary,
    _WEIGHTS,
    {"sae.safetensors": "config.json"},  # sparsify: the settings of the run
)
MODEL = Kind(
    "model",
    "model.safetensors or pytorch_model.bin, whole or in parts",
    _model_weights,
    _describes_model,
)
