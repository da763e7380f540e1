"""The job's first stage: a corpus -> contexts, rows of token ids stored once as integers.

Takes a `Source` and the model's tokenizer and writes the folder that `context_files.py`
describes; streaming, so a corpus of any length fits. Position 0 is never counted, BOS or not; nor
are special tokens (told by id) and padding (told by mask). Knows no model: the vocabulary's size
and the longest context are handed in.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from app.errors import AtlasError
from app.precompute.corpus import packing
from app.precompute.corpus.context_files import ContextsWriter
from app.precompute.corpus.document_tokens import DocumentTokens
from app.precompute.corpus.documents import Documents, Source, TokenArray
from app.precompute.corpus.packing import RowLayout, Rows
from app.precompute.corpus.token_array import ArrayRows, open_array
from app.precompute.model.vocabulary import special_token_ids

POSITION_ZERO = "not counted"


@dataclass(frozen=True)
class TokenSettings:
    """How documents become contexts. Of a token array only `max_tokens` is asked."""

    context_size: int = 128
    """tokens in a context, BOS included"""
    packing: Literal["packed", "document"] = "packed"
    """packed: documents joined and cut, attention crosses them; document: each alone, padded"""
    prepend_bos: bool = False
    """BOS in front of every context; a tokenizer without one lends its EOS"""
    max_tokens: int | None = None
    """bound on n_contexts * context_size: BOS, separators and padding included"""
    separator: Literal["auto", "eos", "bos", "sep", "none"] = "auto"
    """token between packed documents; auto: EOS, else SEP, else BOS, else nothing"""


@dataclass(frozen=True)
class ContextPlan:
    """Where rows come from and what to say about them."""

    rows: Iterable[Rows]
    names: deque[str]
    """filled while `rows` is read"""
    packing: Literal["packed", "document", "array"]
    context_size: int
    bos_token_id: int | None
    separator_token_id: int | None
    special_token_ids: Sequence[int]
    name: str
    """of the corpus"""
    spec: str
    """what was asked for"""
    n_tokens_read: Callable[[], int] | None = None
    """of documents, so far; None where rows came as they are"""


def build_contexts(
    source: Source,
    tokenizer: PreTrainedTokenizerBase,
    settings: TokenSettings,
    folder: Path,
    d_vocab: int,
    n_ctx: int,
    advance: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Writes the contexts of `source` into `folder` (older ones there are replaced).

    Documents without tokens are left out. A special token spelled out in a text becomes that token,
    as the tokenizer has it: not counted, but part of its document. A token array keeps its ids, its
    context size and its BOS as they are.

    Returns the metadata that `corpus.json` holds; `advance` is told the tokens written.

    Raises:
        AtlasError: the context doesn't fit the model, the corpus is shorter than one context or
            holds ids outside the vocabulary, a token the settings ask for doesn't exist, an input
            can't be read, or `folder` can't be written.
    """
    plan = _plan(source, tokenizer, settings, d_vocab)
    return write_contexts(plan, settings, folder, d_vocab, n_ctx, advance)


def write_contexts(
    plan: ContextPlan,
    settings: TokenSettings,
    folder: Path,
    d_vocab: int,
    n_ctx: int,
    advance: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """The same for rows that are ids already; what is asked of `settings` is `max_tokens` and what
    the metadata say.

    Raises:
        AtlasError: the context doesn't fit the model, none of the tokens counts, or `folder` can't
            be written.
    """
    max_contexts = _max_contexts(settings, plan.context_size, n_ctx)
    special_ids = plan.special_token_ids
    all_bos = plan.bos_token_id is not None
    with ContextsWriter(folder, plan.context_size, _token_dtype(d_vocab)) as writer:
        for rows in _first(plan.rows, max_contexts):
            all_bos = all_bos and bool((rows.token_ids[:, 0] == plan.bos_token_id).all())
            counted = ~(rows.is_padding | np.isin(rows.token_ids, special_ids))
            counted[:, 0] = False
            writer.append(rows.token_ids, counted, rows.document_ids)
            advance(rows.token_ids.size)
            while writer.n_documents <= rows.document_ids.max():
                writer.name_document(plan.names.popleft())
        if not writer.n_tokens:
            raise _too_short(plan, writer.n_contexts)
        return writer.finish(
            {
                "name": plan.name,
                "source": plan.spec,
                "context_size": plan.context_size,
                "d_vocab": d_vocab,
                "packing": plan.packing,
                "prepend_bos": all_bos if plan.packing == "array" else settings.prepend_bos,
                "bos_token_id": plan.bos_token_id,
                "separator_token_id": plan.separator_token_id,
                "special_token_ids": special_ids,
                "position_zero": POSITION_ZERO,
                "max_tokens": settings.max_tokens,
            }
        )


def _plan(
    source: Source, tokenizer: PreTrainedTokenizerBase, settings: TokenSettings, d_vocab: int
) -> ContextPlan:
    bos = first_known(tokenizer, "bos", "eos")
    if isinstance(source, TokenArray):
        array = open_array(source.path)
        borders = {first_known(tokenizer, "bos", "eos"), first_known(tokenizer, "eos", "bos")}
        rows = ArrayRows(
            array,
            source.name,
            d_vocab,
            border_ids=sorted(i for i in borders if i is not None),
            special_ids=special_token_ids(tokenizer),
        )
        return ContextPlan(
            rows, rows.names, "array", array.shape[1], bos, None, special_token_ids(tokenizer),
            source.name, source.spec,
        )  # fmt: skip
    return _text_plan(source, tokenizer, settings, d_vocab, bos)


def _text_plan(
    source: Documents,
    tokenizer: PreTrainedTokenizerBase,
    settings: TokenSettings,
    d_vocab: int,
    bos: int | None,
) -> ContextPlan:
    if settings.prepend_bos and bos is None:
        raise AtlasError(
            "The dictionary wants a BOS in front of every context, but the tokenizer has neither "
            "BOS nor EOS: set prepend_bos to false or use the model's own tokenizer."
        )
    packed = settings.packing == "packed"
    pad = first_known(tokenizer, "pad", "eos", "bos")
    layout = RowLayout(
        settings.context_size,
        bos if settings.prepend_bos else None,
        _separator(tokenizer, settings) if packed else None,
        0 if pad is None else pad,
    )
    documents = DocumentTokens(source, tokenizer, d_vocab)
    return ContextPlan(
        (packing.pack if packed else packing.by_document)(documents, layout),
        documents.names,
        settings.packing,
        layout.context_size,
        bos,
        layout.separator_token_id,
        special_token_ids(tokenizer),
        source.name,
        source.spec,
        lambda: documents.n_tokens,
    )


def _separator(tokenizer: PreTrainedTokenizerBase, settings: TokenSettings) -> int | None:
    if settings.separator == "none":
        return None
    if settings.separator == "auto":
        return first_known(tokenizer, "eos", "sep", "bos")
    token_id = first_known(tokenizer, settings.separator)
    if token_id is None:
        raise AtlasError(
            f"The tokenizer has no {settings.separator.upper()} to put between documents: choose "
            "another separator (auto, eos, bos, sep, none)."
        )
    return token_id


def first_known(tokenizer: PreTrainedTokenizerBase, *roles: str) -> int | None:
    """The id of the first of these special tokens that the tokenizer has."""
    ids = (getattr(tokenizer, f"{role}_token_id", None) for role in roles)
    return next((token_id for token_id in ids if token_id is not None), None)


def _max_contexts(settings: TokenSettings, context_size: int, n_ctx: int) -> int | None:
    """How many contexts max_tokens leaves room for; checks the context's size on the way."""
    if context_size > n_ctx:
        raise AtlasError(
            f"A context of {context_size:,} tokens is longer than the model's n_ctx of {n_ctx:,}: "
            f"use a context_size of at most {n_ctx:,}."
        )
    if context_size < 3:
        raise AtlasError(
            f"A context of {context_size} tokens is too short: position 0 is never counted, so it "
            "takes at least 3."
        )
    if settings.max_tokens is None:
        return None
    if settings.max_tokens < context_size:
        raise AtlasError(
            f"max_tokens is {settings.max_tokens:,}, less than one context of {context_size:,} "
            "tokens: raise it or shorten the context."
        )
    return settings.max_tokens // context_size


def _first(blocks: Iterable[Rows], n_rows: int | None) -> Iterator[Rows]:
    """The blocks up to `n_rows` rows in all; reads no further than it must."""
    left = n_rows
    for block in blocks:
        if left is None or len(block.token_ids) < left:
            yield block
            left = None if left is None else left - len(block.token_ids)
            continue
        yield Rows(block.token_ids[:left], block.document_ids[:left], block.is_padding[:left])
        return


def _too_short(plan: ContextPlan, n_contexts: int) -> AtlasError:
    if n_contexts or plan.n_tokens_read is None:
        return AtlasError(
            f"The corpus {plan.spec!r} holds {n_contexts:,} contexts of {plan.context_size:,} "
            "tokens and none of the tokens counts: all are special, padding or at position 0."
        )
    return AtlasError(
        f"The corpus {plan.spec!r} holds {plan.n_tokens_read():,} tokens, less than one "
        f"context of {plan.context_size:,}: give more text or a smaller context_size."
    )


def _token_dtype(d_vocab: int) -> np.dtype:
    return np.dtype("<u2") if d_vocab <= 1 << 16 else np.dtype("<u4")
