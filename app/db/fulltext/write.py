"""Writing what search reads: words of contexts, windows of examples, tokens, summaries.

Everything is made anew from the tables of the atlas, just before it is published, so that it is
right whatever was added or replaced. Holds some 13 bytes for each word of the stored contexts of
one corpus. Knows nothing of queries.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import fields

import numpy as np
from numpy import ndarray
from sqlalchemy import Connection, func, insert, select

from app.db import schema
from app.db.examples import iterate_groups
from app.db.fulltext.places import places_by_word, renumber
from app.db.fulltext.records import (
    EXAMPLE_GROUPS,
    ExamplePlaces,
    FeatureTokens,
    TextLayout,
    pack_numbers,
)
from app.db.fulltext.words import TokenWords, is_word_like, words_of
from app.db.records import ContextRecord, ExampleGroup, TokenPanel, TokenRecord
from app.db.stored import codec
from app.db.stored.packing import pack
from app.db.stored.panels import unpack_tokens
from app.db.stored.rankings import rounded_bits

_FEATURES_AT_ONCE = 1_024
_ROWS_AT_ONCE = 512
_PAINTED = str.maketrans("·↵→", "   ")
"""Summaries show spaces, newlines and tabs of tokens by these."""


def write_fulltext(connection: Connection) -> None:
    """Replaces the whole of full-text search by that of the other tables.

    Its tables are made anew too: nothing of how an older program kept them is left.
    """
    for table in (
        schema.text_layout, schema.text_word, schema.example_places, schema.feature_tokens,
        schema.summary_word,
    ):  # fmt: skip
        table.drop(connection)
        table.create(connection)
    for corpus in connection.execute(select(schema.corpus.c.corpus_id, schema.corpus.c.model_id)):
        _write_words(connection, corpus.corpus_id, corpus.model_id)
    for sae_id in connection.scalars(select(schema.sae.c.sae_id).order_by(schema.sae.c.sae_id)):
        _write_examples(connection, sae_id)
        _write_feature_tokens(connection, sae_id)
        _write_summaries(connection, sae_id)


def _write_words(connection: Connection, corpus_id: int, model_id: int) -> None:
    vocabulary = TokenWords(_tokens(connection, model_id))
    numbers: dict[str, int] = {"": 0}
    context_size = 0
    # Positions take two bytes; those of longer contexts four.
    word_of_place, start, stop = array("I"), array("H"), array("H")
    context_id, first_word = array("Q"), array("Q", [0])
    for context in _contexts(connection, corpus_id):
        context_size = max(context_size, context.token_ids.size)
        if context_size >= 2**16 and start.typecode == "H":
            start, stop = array("I", start), array("I", stop)
        for word in vocabulary.words(context.token_ids.tolist()):
            word_of_place.append(numbers.setdefault(word.text, len(numbers)))
            start.append(word.first)
            stop.append(word.last + 1)
        # One place between two contexts belongs to neither, so that no phrase goes across.
        word_of_place.append(0)
        start.append(0)
        stop.append(0)
        context_id.append(context.context_id)
        first_word.append(len(word_of_place))
    layout = codec.pack(
        TextLayout(
            context_size,
            np.array(context_id, np.int64),
            np.array(first_word, np.int64),
            np.frombuffer(start, start.typecode),
            np.frombuffer(stop, stop.typecode),
        )
    )
    del start, stop
    _insert(connection, schema.text_layout, [{"corpus_id": corpus_id, "layout": layout}])
    del layout
    words = sorted(numbers)
    by_name = np.zeros(len(words), np.uint32)
    by_name[[numbers[word] for word in words]] = np.arange(len(words))
    renumbered = np.frombuffer(word_of_place, np.uint32)
    renumber(renumbered, by_name)
    _insert(
        connection,
        schema.text_word,
        (
            {"corpus_id": corpus_id, "word": word, "places": pack_numbers(places)}
            for word, places in zip(words, places_by_word(renumbered, len(words)), strict=True)
            if word
        ),
    )


def _tokens(connection: Connection, model_id: int) -> list[TokenRecord]:
    table = schema.token
    rows = connection.execute(select(table).where(table.c.model_id == model_id))
    return [
        TokenRecord(
            row.token_id, row.token, row.piece, row.token_bytes, row.special, row.producible
        )
        for row in rows
    ]


def _contexts(connection: Connection, corpus_id: int) -> Iterator[ContextRecord]:
    table = schema.context
    rows = connection.execute(
        select(table.c.tokens).where(table.c.corpus_id == corpus_id).order_by(table.c.context_id)
    )
    for row in rows:
        yield codec.unpack(ContextRecord, row.tokens)


def _write_examples(connection: Connection, sae_id: int) -> None:
    found: dict[int, list[tuple[int, ExampleGroup]]] = {}
    first = 0
    for feature_index, groups in iterate_groups(connection, sae_id, EXAMPLE_GROUPS):
        while feature_index >= first + _FEATURES_AT_ONCE:
            _insert_examples(connection, sae_id, first, found)
            first, found = first + _FEATURES_AT_ONCE, {}
        found[feature_index] = [(EXAMPLE_GROUPS.index(name), own) for name, own in groups.items()]
    _insert_examples(connection, sae_id, first, found)


def _insert_examples(
    connection: Connection,
    sae_id: int,
    first: int,
    found: dict[int, list[tuple[int, ExampleGroup]]],
) -> None:
    if found:
        places = _places(first, found)
        row = {"sae_id": sae_id, "first_feature": first, "places": pack(places)}
        _insert(connection, schema.example_places, [row])


def _places(first: int, found: dict[int, list[tuple[int, ExampleGroup]]]) -> ExamplePlaces:
    """The distinct examples of some features, strongest first inside a feature."""
    columns: dict[str, list[ndarray]] = {field.name: [] for field in fields(ExamplePlaces)}
    for feature, groups in sorted(found.items()):
        groups.sort(key=lambda item: item[0])
        own = {
            name: np.concatenate([getattr(group, name) for _, group in groups])
            for name in ("context_id", "position", "activation", "window_start", "window_stop")
        }
        own["before"] = own["position"] - own.pop("window_start")
        own["after"] = own.pop("window_stop") - own["position"]
        own["group"] = np.repeat([i for i, _ in groups], [g.position.size for _, g in groups])
        own["row"] = np.concatenate([np.arange(g.position.size) for _, g in groups])
        # The same firing may stand in several groups: it is one example, of the first of them.
        wide = int(own["position"].max(initial=0)) + 1
        key = own["context_id"].astype(np.int64) * wide + own["position"]
        kept = np.sort(np.unique(key, return_index=True)[1])
        kept = kept[np.lexsort((own["position"][kept], own["context_id"][kept],
                                -own["activation"][kept].astype(np.float64)))]  # fmt: skip
        own["feature"] = np.full(kept.size, feature - first)
        for name, values in own.items():
            columns[name].append(values if name == "feature" else values[kept])
    joined = {name: np.concatenate(values) for name, values in columns.items()}
    return ExamplePlaces(**joined | {"activation": rounded_bits(joined["activation"])})


def _write_feature_tokens(connection: Connection, sae_id: int) -> None:
    table = schema.feature_panel
    last = connection.scalar(
        select(func.max(table.c.feature_index)).where(table.c.sae_id == sae_id)
    )
    for first in range(0, -1 if last is None else last + 1, _FEATURES_AT_ONCE):
        rows = connection.execute(
            select(table.c.feature_index, table.c.panels).where(
                table.c.sae_id == sae_id,
                table.c.feature_index.between(first, first + _FEATURES_AT_ONCE - 1),
            )
        )
        found = ((row.feature_index - first, unpack_tokens(row.panels)) for row in rows)
        panels = {feature: tokens for feature, tokens in found if tokens is not None}
        packed = pack(_tokens_of(panels))
        row = {"sae_id": sae_id, "first_feature": first, "tokens": packed}
        _insert(connection, schema.feature_tokens, [row])


def _tokens_of(panels: dict[int, TokenPanel]) -> FeatureTokens:
    def joined(name: str, kind: type) -> ndarray:
        values = [getattr(panel, name) for panel in panels.values()]
        return np.concatenate([np.zeros(0), *values]).astype(kind)

    open_share = np.zeros(_FEATURES_AT_ONCE, np.float32)
    for feature, panel in panels.items():
        if panel.n_token_ids > panel.token_id.size:
            # Tokens stand by share: none that isn't listed can have more than the last.
            open_share[feature] = min(panel.share.min(initial=1.0), panel.left_out_share)
    return FeatureTokens(
        feature=np.repeat(
            np.array(list(panels), np.int64), [p.token_id.size for p in panels.values()]
        ),
        token_id=joined("token_id", np.int64),
        share=rounded_bits(joined("share", np.float32)),
        n_active=joined("n_active", np.int64),
        open_share=open_share,
    )


def _write_summaries(connection: Connection, sae_id: int) -> None:
    table = schema.feature
    rows = connection.execute(
        select(table.c.feature_index, table.c.summary, table.c.short)
        .where(table.c.sae_id == sae_id)
        .order_by(table.c.feature_index)
    )
    features: dict[str, list[int]] = {}
    features_short: dict[str, list[int]] = {}
    for row in rows:
        short = _summary_words(row.short)
        for word in short:
            features_short.setdefault(word, []).append(row.feature_index)
        for word in short | _summary_words(row.summary):
            features.setdefault(word, []).append(row.feature_index)
    _insert(
        connection,
        schema.summary_word,
        (
            {
                "sae_id": sae_id,
                "word": word,
                "features": pack_numbers(np.array(found)),
                "features_short": pack_numbers(np.array(features_short.get(word, []), np.int64)),
            }
            for word, found in sorted(features.items())
        ),
    )


def _summary_words(pieces: list[list[str]]) -> set[str]:
    """Every word of a summary; signs only where they are tokens."""
    found: set[str] = set()
    for kind, text in pieces:
        words = words_of(text.translate(_PAINTED) if kind == "token" else text)
        found.update(word for word in words if kind == "token" or is_word_like(word))
    return found


def _insert(connection: Connection, table: schema.Table, rows: Iterable[dict[str, object]]) -> None:
    batch: list[dict[str, object]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _ROWS_AT_ONCE:
            connection.execute(insert(table), batch)
            batch = []
    if batch:
        connection.execute(insert(table), batch)
