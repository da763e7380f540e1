"""A text with its activations, and the token it was chosen for.

Takes a parsed object and the names of its fields, gives a record. Texts a source has several times
stay several, and one on which the feature is silent stays in its group: whoever builds an atlas
sees to both. Knows no format.
"""

from collections.abc import Sequence

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
    position = _position(entry, positions, len(tokens))
    return ForeignExample(
        group=group,
        tokens=tokens,
        activations=values,
        position=int(values.argmax()) if position is None else position,
        token_ids=ids,
        band=band,
        document=document,
    )


def _position(entry: Entry, names: Sequence[str], n_tokens: int) -> int | None:
    for name in names:
        position = entry.whole(name, least=-1)
        if position is not None and position >= n_tokens:
            entry.wrong(name, position, f"one of the text's {n_tokens} tokens")
        if position is not None and position >= 0:
            return position
    return None
