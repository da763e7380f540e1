"""An invented vocabulary and corpus: Python-like lines over a few hundred tokens.

Gives token records and an array of token ids with documents. Knows no feature and no database.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from app.db.records import TokenRecord

BOS = 0

HOSTILE_TOKENS: tuple[str, ...] = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</textarea></title></style>",
    "{{ 7 * 7 }}{% raw %}",
    "'; DROP TABLE feature; --",
    "\u202egnirts desrever\u202c",
    "\u200b\u200d\ufeff",
    "a\x00b\x1b[31m\x7f",
    "e\u0301\u0323\u0338" * 3,
    "\u2028\u2029\r",
    "&lt;b&gt;&amp;",
    "javascript:alert(3)",
    "%00%22/../..",
    "long" * 2_500,
)
"""Markup, templates, SQL, direction marks, nothing visible, control characters, stacked accents,
line separators, entities, addresses, and 10 kB of text: each must be shown, none obeyed."""

_PIECES = """
( ) : , . = [ ] { } + - * / _ # ' " ): ). () == != += -> __ >>> ... @ % 0 1 2 3 11 0x ff
"""
_WORDS = """
def self return if else for in import from class not and or is None True False raise ValueError
Error with as try except while print name value key item list dict str int len range path open
file line text data the of to a be set get next node queue lock event time test init module
object call type index size count start stop end read write copy license copyright Software
"""
_SPACES = ("\n", "\n\n", "    ", "        ", "\t", " ")
_PARTIAL_BYTES = (b"\xe2\x80", b"\x94", b"\xf0\x9f", b"\x98\x80")
_SYLLABLES = ("ba", "co", "di", "fe", "gu", "ha", "jo", "ki", "lu", "me", "no", "pa", "ra", "so")
_LINES = (
    "    |def| |{w}|(|self|,| |{w}|):|\n",
    "        |return| |self|.|{w}|\n",
    "    |if| |{w}| not| in| |self|.|{w}|:|\n",
    "        |raise| |ValueError|(|'|{w}| {w}|'|)|\n",
    "for| {w}| in| range|(|11|):|\n",
    "import| {w}|\n|from| {w}| import| {w}|\n",
    "class| {w}|(|{w}|):|\n\n",
    "#| {w}| the| {w}| of| {w}| to| {w}|.|\n",
    ">>>| {w}|(|{w}|)|\n|{w}|\n",
    "try|:|\n|        |{w}|(|)|\n|except| {w}| as| {w}|:|\n",
    "{w}| =| {w}|[|0|]| +| 1|\n",
    "copyright| the| {w}| Software|,| {w}| {w}|.|\n\n",
)


@dataclass(frozen=True)
class SyntheticText:
    """The corpus every invented dictionary is run over."""

    tokens: list[TokenRecord]
    token_ids: Int[ndarray, "n_contexts context_size"]
    document_ids: Int[ndarray, "n_contexts context_size"]
    documents: list[str]

    @property
    def occurrences(self) -> Int[ndarray, " d_vocab"]:
        """Counted occurrences of every token; position 0 is not counted."""
        return np.bincount(self.token_ids[:, 1:].ravel(), minlength=len(self.tokens))


def make_text(
    d_vocab: int, n_contexts: int, context_size: int, rng: np.random.Generator, hostile: bool
) -> SyntheticText:
    """A vocabulary of `d_vocab` tokens and `n_contexts` contexts of it, BOS first."""
    tokens = make_vocabulary(d_vocab, hostile)
    stream = _make_stream(tokens, n_contexts * (context_size - 1), rng, hostile)
    token_ids = np.full((n_contexts, context_size), BOS, dtype=np.int64)
    token_ids[:, 1:] = stream.reshape(n_contexts, context_size - 1)
    per_document = 3 * context_size // 2
    place = np.arange(stream.size).reshape(n_contexts, context_size - 1)
    document_ids = np.full((n_contexts, context_size), -1, dtype=np.int64)
    document_ids[:, 1:] = place // per_document
    documents = [f"lib/package_{i % 7}/module_{i}.py" for i in range(int(document_ids.max()) + 1)]
    if hostile:
        documents[0] = '<b onclick="alert(4)">lib/\u202eyp.elif</b>'
    return SyntheticText(tokens, token_ids, document_ids, documents)


def make_vocabulary(d_vocab: int, hostile: bool) -> list[TokenRecord]:
    """BOS, spaces, halves of characters, punctuation, words in several forms, then syllables."""
    texts: dict[str, bytes] = {}
    for text in (*_SPACES, *_PIECES.split(), *(HOSTILE_TOKENS if hostile else ())):
        texts[text] = text.encode()
    for raw in _PARTIAL_BYTES:
        texts["".join(f"\\x{byte:02x}" for byte in raw)] = raw
    for word in _WORDS.split():
        for form in (word, " " + word, word.capitalize(), " " + word.upper()):
            texts.setdefault(form, form.encode())
    for form in ("selfish", " selfless", "_self", "definition", "returns", " returned"):
        texts.setdefault(form, form.encode())
    for length in (2, 3, 4):
        for parts in product(_SYLLABLES, repeat=length):
            if len(texts) >= d_vocab - 1:
                break
            texts.setdefault(" " + "".join(parts), (" " + "".join(parts)).encode())
    kept = list(texts.items())[: d_vocab - 1]
    return [
        TokenRecord(BOS, "<|endoftext|>", "<|endoftext|>", b"<|endoftext|>", True, True),
        *(
            TokenRecord(i, text, text.replace(" ", "Ġ"), raw, False, not text.startswith("\\x"))
            for i, (text, raw) in enumerate(kept, start=1)
        ),
    ]


def _make_stream(
    tokens: list[TokenRecord], n_tokens: int, rng: np.random.Generator, hostile: bool
) -> Int[ndarray, " n_tokens"]:
    """Lines drawn from templates, their words from a falling distribution over the vocabulary."""
    ids = {token.token: token.token_id for token in tokens}
    words = np.array(
        [token.token_id for token in tokens[1:] if token.token.strip().isalpha()] or [1]
    )
    weights = 1.0 / np.arange(2, words.size + 2)
    drawn = iter(rng.choice(words, size=n_tokens + 64, p=weights / weights.sum()).tolist())
    hostile_ids = [ids[text] for text in HOSTILE_TOKENS if text in ids] if hostile else []
    halves = [ids[t.token] for t in tokens if not t.producible]
    stream: list[int] = []
    while len(stream) < n_tokens:
        line = _LINES[int(rng.integers(len(_LINES)))]
        for piece in line.split("|"):
            if "{w}" in piece:
                stream.append(next(drawn))
            else:
                stream.append(ids.get(piece, ids.get(piece.strip(), 1)))
        if hostile_ids and rng.random() < 0.5:
            stream.append(hostile_ids[int(rng.integers(len(hostile_ids)))])
        if halves and rng.random() < 0.05:
            stream.extend(halves[:2])
    return np.array(stream[:n_tokens], dtype=np.int64)
