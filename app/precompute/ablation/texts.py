"""Examples by the text they stand on, so that one run of a text serves every feature there.

Takes examples (feature, context, position) of any number of dictionaries and groups those with
equal tokens up to the position; reads features off activations; gives every text a random stream of
its own that depends on nothing but the seed and its tokens. Knows nothing of how texts are changed
or run.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from app.precompute.coder import Coder
from app.precompute.target import Target
from app.sae.dictionary import Dictionary

CHUNK_TEXTS = 32
"""Texts run together: enough to fill batches with texts of similar length."""

PAIRS = 8192
"""(text, feature) pairs encoded at once, which bounds the columns of W_enc gathered for them."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A dictionary and the hook it sits on."""

    dictionary: Coder
    hook_name: str
    """where it reads"""
    hook_name_out: str | None = None
    """where a transcoder writes; None for an autoencoder"""

    @classmethod
    def of(cls, target: Target) -> "Mount":
        """A dictionary of the run in its place."""
        return cls(target.dictionary, target.hook_name, target.hook_name_out)

    @property
    def output_hook(self) -> str:
        """Where its features write, and what its reconstruction stands for."""
        return self.hook_name_out or self.hook_name

    @property
    def weights(self) -> Dictionary:
        """The dictionary, where its matrices are at hand. ValueError where they are not."""
        if not isinstance(self.dictionary, Dictionary):
            raise ValueError(f"what reads {self.hook_name} has no matrices to look at")
        return self.dictionary


@dataclass(frozen=True, slots=True)
class Example:
    """A place where a feature fires."""

    feature_index: int
    tokens: Integer[np.ndarray, " n_tokens"]
    """The context from its start, up to the position at least; what follows it is not used."""
    position: int
    """From the start of the context, never 0."""
    mount: int = 0
    """Which of the run's dictionaries."""


@dataclass(frozen=True, slots=True)
class Text:
    """A context cut after a position, and the examples that stand on it."""

    tokens: Integer[np.ndarray, " n_tokens"]
    examples: list[int] = field(default_factory=list)
    """Indices of the examples whose tokens up to their position are these."""

    @property
    def position(self) -> int:
        """The last token's, at which the features are read."""
        return len(self.tokens) - 1


def texts_of(examples: Sequence[Example]) -> list[Text]:
    """The distinct texts, in the order in which the examples come to them."""
    texts: dict[bytes, Text] = {}
    for index, example in enumerate(examples):
        if not 0 < example.position < len(example.tokens):
            raise ValueError(f"position {example.position} of {len(example.tokens)} tokens")
        tokens = np.asarray(example.tokens[: example.position + 1], dtype=np.int64)
        texts.setdefault(tokens.tobytes(), Text(tokens)).examples.append(index)
    return list(texts.values())


def chunks_of(texts: Sequence[Text]) -> Iterator[Sequence[Text]]:
    """The texts in groups that are run together."""
    for start in range(0, len(texts), CHUNK_TEXTS):
        yield texts[start : start + CHUNK_TEXTS]


def hooks_under(
    texts: Sequence[Text], examples: Sequence[Example], mounts: Sequence[Mount]
) -> list[str]:
    """The hooks that the examples on these texts read, once each: nothing above them need run."""
    members = {examples[i].mount for text in texts for i in text.examples}
    return list(dict.fromkeys(mounts[number].hook_name for number in sorted(members)))


def random_stream(seed: int, purpose: str, text: Text) -> np.random.Generator:
    """Random numbers that depend on seed, purpose and tokens only, not on order or batch size."""
    digest = hashlib.blake2b(f"{seed} {purpose} ".encode(), digest_size=16)
    digest.update(text.tokens.tobytes())
    return np.random.default_rng(int.from_bytes(digest.digest(), "little"))


@dataclass(frozen=True, slots=True)
class Reading:
    """One feature read at the end of every branch of one text."""

    example: int
    """Index of the example."""
    activation: Float[np.ndarray, " n_branches"]
    hidden_pre: Float[np.ndarray, " n_branches"]


def read_features(
    mounts: Sequence[Mount],
    examples: Sequence[Example],
    branches_of: Sequence[tuple[Text, slice]],
    activations: Mapping[str, Float[Tensor, "n_branches _d_in"]],
) -> list[Reading]:
    """Every example's feature at its text's branches, text after text.

    `branches_of` says which rows of `activations` (by hook name) are a text's.
    """
    readings: list[Reading] = []
    members = [(i, rows) for text, rows in branches_of for i in text.examples]
    for number, mount in enumerate(mounts):
        own = [(i, rows) for i, rows in members if examples[i].mount == number]
        if not own:
            continue
        sizes = [rows.stop - rows.start for _, rows in own]
        features = np.repeat([examples[i].feature_index for i, _ in own], sizes)
        row_index = np.concatenate([np.arange(rows.start, rows.stop) for _, rows in own])
        read = _encode(mount.dictionary, activations[mount.hook_name], row_index, features)
        parts = np.split(read, np.cumsum(sizes)[:-1], axis=1)
        readings += [Reading(i, part[0], part[1]) for (i, _), part in zip(own, parts, strict=True)]
    order = {i: place for place, (i, _) in enumerate(members)}
    return sorted(readings, key=lambda reading: order[reading.example])


def _encode(
    dictionary: Coder,
    activations: Float[Tensor, "n_branches _d_in"],
    row_index: Integer[np.ndarray, " n_pairs"],
    features: Integer[np.ndarray, " n_pairs"],
) -> Float[np.ndarray, "2 n_pairs"]:
    """Activations and `hidden_pre` of the pairs, in float64."""
    read = np.empty((2, len(features)))
    for start in range(0, len(features), PAIRS):
        part = slice(start, start + PAIRS)
        x = activations[torch.from_numpy(row_index[part]).to(activations.device)]
        acts, hidden_pre = dictionary.encode_pairs(
            x.to(dictionary.device), torch.from_numpy(features[part])
        )
        read[0, part] = acts.cpu().double().numpy()
        read[1, part] = hidden_pre.cpu().double().numpy()
    return read
