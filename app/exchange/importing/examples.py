"""Texts with activations: where each was chosen, and one for those a source has several times.

Takes records of `app.exchange.foreign`, gives them. Knows no format.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from app.exchange.foreign import ForeignBand, ForeignExample, ForeignGroup
from app.exchange.importing.entry import Entry


def read_example(
    entry: Entry,
    *,
    group: ForeignGroup,
    activations: str,
    positions: Sequence[str],
    band: ForeignBand | None = None,
    token_ids: str | None = None,
    document: str | None = None,
) -> ForeignExample | None:
    """The example one object describes; None where it has no token.

    Where the feature is not active on the token the text was chosen for (zeros are part of the
    lowest interval), it is one of the silent ones.

    Args:
        activations: field with one number per token.
        positions: fields that may say which token it was chosen for, best first; without any, and
            where they hold -1, it is the token with the largest activation.
        token_ids: field with one id per token, where the format has one.
        document: what the text was taken from.
    """
    tokens = entry.need(entry.texts, "tokens")
    values = entry.need(entry.numbers, activations)
    entry.same_length("tokens", len(tokens), activations, len(values))
    ids = entry.wholes(token_ids) if token_ids else None
    if ids is not None and token_ids:
        entry.same_length("tokens", len(tokens), token_ids, len(ids))
    if not tokens:
        return None
    said = _position(entry, positions, len(tokens))
    position = int(values.argmax()) if said is None else said
    fires = values[position] > 0
    return ForeignExample(
        group=group if fires else "silent",
        tokens=tokens,
        activations=values,
        position=position,
        token_ids=ids,
        band=band if fires else None,
        document=document,
    )


def without_repeats(examples: Iterable[ForeignExample]) -> list[ForeignExample]:
    """One example for all that are the same text, chosen for the same token of the same range.

    Tools that draw several times from a small set have a text in two ranges as well; those stay.
    """
    first: dict[object, ForeignExample] = {}
    for example in examples:
        key = (
            *(example.group, example.band, example.position, example.document),
            tuple(example.tokens),
            example.activations.astype(np.float32).tobytes(),
        )
        known = first.get(key)
        first[key] = (
            example if known is None else replace(known, repeats=known.repeats + example.repeats)
        )
    return list(first.values())


def _position(entry: Entry, names: Sequence[str], n_tokens: int) -> int | None:
    for name in names:
        position = entry.whole(name, least=-1)
        if position is not None and position >= n_tokens:
            entry.wrong(name, position, f"one of the text's {n_tokens} tokens")
        if position is not None and position >= 0:
            return position
    return None
