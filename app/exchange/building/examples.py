"""The examples of one feature in the groups an atlas has.

Takes them as a source has them, gives packed groups: strongest first, bands from the highest to the
lowest, texts without a firing where they were chosen in the group `silent`. Knows no table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32

from app.db.records import ExampleGroup, Group
from app.errors import AtlasError
from app.exchange.building.contexts import Contexts
from app.exchange.building.vocabulary import Vocabulary
from app.exchange.foreign import ForeignBand, ForeignExample
from app.stats.windows import windows

UNKNOWN = -1
"""A number the source doesn't give, where only whole ones can stand."""


@dataclass
class _Placed:
    """One example with the number of its text."""

    context_id: int
    position: int
    activation: float
    n_tokens: int
    firing_position: Int32[np.ndarray, " m"]
    firing_activation: Float32[np.ndarray, " m"]
    band: ForeignBand | None
    repeats: int


def example_groups(
    where: str,
    examples: Sequence[ForeignExample],
    vocabulary: Vocabulary,
    contexts: Contexts,
) -> dict[Group, ExampleGroup]:
    """Groups by name; those without an example are absent.

    Args:
        where: the feature's place, for a sentence.

    Raises:
        AtlasError: an example contradicts itself.
    """
    found: dict[Group, list[_Placed]] = {}
    for example in examples:
        if len(example.tokens):
            group, placed = _placed(where, example, vocabulary, contexts)
            found.setdefault(group, []).append(placed)
    return {group: _packed(group, placed) for group, placed in found.items()}


def _placed(
    where: str, example: ForeignExample, vocabulary: Vocabulary, contexts: Contexts
) -> tuple[Group, _Placed]:
    activations = np.asarray(example.activations, np.float32)
    n, position = len(example.tokens), example.position
    if activations.shape != (n,):
        raise AtlasError(f"{where} has an example of {n} tokens and {activations.size} values.")
    if not 0 <= position < n:
        raise AtlasError(f"{where} has an example chosen for token {position} of {n}.")
    if not np.isfinite(activations).all():
        raise AtlasError(f"{where} has an example with a value that is no finite number.")
    context_id = contexts.add(where, example, vocabulary)
    firing = np.flatnonzero(activations > 0).astype(np.int32)
    activation = max(float(activations[position]), 0.0)
    group = example.group if activation > 0 else "silent"
    return "top" if group == "silent" and activation > 0 else group, _Placed(
        context_id,
        position,
        activation,
        n,
        firing,
        activations[firing],
        example.band if activation > 0 else None,
        max(example.repeats, 1),
    )


def _packed(group: Group, placed: list[_Placed]) -> ExampleGroup:
    bands = _bands(placed)
    number = {id(one): _number(one, bands) for one in placed}
    placed = sorted(_once(placed), key=lambda one: (*_rank(one, number[id(one)]),))
    n = len(placed)
    sizes = [one.firing_position.size for one in placed]
    position = np.array([one.position for one in placed], np.int32)
    spans = windows(position, np.array([one.n_tokens for one in placed]))
    none = np.zeros(0, np.float32)
    return ExampleGroup(
        context_id=np.array([one.context_id for one in placed], np.int64),
        position=position,
        activation=np.array([one.activation for one in placed], np.float32),
        hidden_pre=np.full(n, np.nan, np.float32),
        band=np.array([number[id(one)] for one in placed], np.int64),
        repeats=np.array([one.repeats for one in placed], np.int64),
        window_start=spans.start,
        window_stop=spans.stop,
        firing_indptr=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        firing_position=np.concatenate([one.firing_position for one in placed]),
        firing_activation=np.concatenate([one.firing_activation for one in placed]),
        band_low=np.array([band.low for band in bands], np.float32) if bands else none,
        band_high=np.array([band.high for band in bands], np.float32) if bands else none,
        band_n_active=np.full(len(bands), UNKNOWN, np.int64),
        band_share=np.array(
            [np.nan if band.share is None else band.share for band in bands], np.float32
        ),
        n_candidates=UNKNOWN,
    )


def _bands(placed: list[_Placed]) -> list[ForeignBand]:
    """From the lowest to the highest; none where one example has no band."""
    found = {(one.band.low, one.band.high): one.band for one in placed if one.band is not None}
    if any(one.band is None for one in placed):
        return []
    return [band for _, band in sorted(found.items())]


def _number(one: _Placed, bands: list[ForeignBand]) -> int:
    if not bands or one.band is None:
        return -1
    ends = (one.band.low, one.band.high)
    return next(i for i, band in enumerate(bands) if (band.low, band.high) == ends)


def _rank(one: _Placed, band: int) -> tuple[int, float, int, int]:
    return -band, -one.activation, one.context_id, one.position


def _once(placed: list[_Placed]) -> list[_Placed]:
    """The same token of the same text once in a band, counted."""
    found: dict[object, _Placed] = {}
    for one in placed:
        ends = None if one.band is None else (one.band.low, one.band.high)
        known = found.setdefault((one.context_id, one.position, ends), one)
        if known is not one:
            known.repeats += one.repeats
    return list(found.values())
