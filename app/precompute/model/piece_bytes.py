"""The exact bytes a vocabulary's own strings stand for.

A tokenizer writes its pieces in a code of its own: byte-level BPE as stand-in letters,
sentencepiece with `▁` for a space and `<0x0A>` for a byte, WordPiece with `##` for "goes on". The
tokenizer's decoder says which, as a list of steps; here each step is undone for one piece. Knows
neither ids nor special tokens.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

ToBytes = Callable[[str], bytes]

_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def piece_decoder(tokenizer: PreTrainedTokenizerBase) -> ToBytes | None:
    """Piece -> bytes for this tokenizer; None when its decoder has a step not known here.

    The bytes are those of the piece in the middle of a text: the space that some decoders drop at a
    text's start is kept.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    decoder = getattr(backend, "decoder", None)
    if decoder is None:
        return None
    steps = _flat(json.loads(decoder.__getstate__()))
    kinds = [step["type"] for step in steps]
    if "ByteLevel" in kinds:
        return _byte_level
    text_steps = [_text_step(step) for step in steps if step["type"] not in _JOINING]
    if any(step is None for step in text_steps):
        return None
    rewrite = [step for step in text_steps if step is not None]
    has_byte_pieces = "ByteFallback" in kinds

    def to_bytes(piece: str) -> bytes:
        byte = _BYTE_PIECE.fullmatch(piece) if has_byte_pieces else None
        if byte is not None:
            return bytes.fromhex(byte[1])
        for step in rewrite:
            piece = step(piece)
        return piece.encode()

    return to_bytes


_JOINING = frozenset({"ByteFallback", "Fuse", "Strip"})
"""Steps that join pieces or trim a text's ends: they change no piece in its middle."""


def _flat(state: dict[str, Any]) -> list[dict[str, Any]]:
    if state["type"] != "Sequence":
        return [state]
    return [step for child in state["decoders"] for step in _flat(child)]


def _text_step(step: dict[str, Any]) -> Callable[[str], str] | None:
    match step:
        case {"type": "Replace", "pattern": {"String": pattern}, "content": content}:
            return lambda piece: piece.replace(pattern, content)
        case {"type": "Metaspace", "replacement": mark}:
            return lambda piece: piece.replace(mark, " ")
        case {"type": "WordPiece", "prefix": prefix}:
            return lambda piece: (
                piece.removeprefix(prefix) if piece.startswith(prefix) else f" {piece}"
            )
        case {"type": "BPEDecoder", "suffix": suffix}:
            return lambda piece: piece.replace(suffix, " ")
    return None


def _stand_ins() -> dict[str, int]:
    """Letter -> byte of byte-level BPE (GPT-2, Radford et al. 2019): printable Latin-1 stands for
    itself, every other byte, in order, for the letters from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + i): byte for i, byte in enumerate(others)
    }


_BYTE_OF_LETTER = _stand_ins()


def _byte_level(piece: str) -> bytes:
    """A piece with a letter outside the code stands for its own text, as the decoder has it."""
    try:
        return bytes(_BYTE_OF_LETTER[letter] for letter in piece)
    except KeyError:
        return piece.encode()
