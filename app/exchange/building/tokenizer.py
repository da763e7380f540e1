"""A tokenizer's own vocabulary, read from its `tokenizer.json` without the tokenizer's library.

Takes a folder, gives entries with their ids, and the other texts by which tools mean them: the
piece as it stands, what it decodes to, and byte-level pieces with their spaces made visible only in
part, as SAEDashboard writes them. Runs nothing.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.db.records import TokenRecord
from app.errors import AtlasError
from app.opening import require_file

_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")
_MOST_IDS = 1 << 20
_PARTLY = {
    "âĢĶ": "—", "âĢĵ": "–", "âĢľ": "“", "âĢĿ": "”", "âĢĺ": "‘", "âĢĻ": "’", "âĢĭ": " ",
    "Ġ": " ", "Ċ": "\n", "ĉ": "\t",
}  # fmt: skip
"""What SAEDashboard makes of byte-level pieces."""


@dataclass(frozen=True)
class Tokenizer:
    """Entries by id, and other texts of them."""

    tokens: list[TokenRecord]
    readings: list[tuple[str, int]]
    hash: str


def read_tokenizer(folder: Path) -> Tokenizer:
    """The vocabulary in a folder, or in the file itself.

    Raises:
        AtlasError: there is no `tokenizer.json`, or none that can be read.
    """
    path = folder / "tokenizer.json" if folder.is_dir() else folder
    if not path.exists():
        raise AtlasError(
            f"There is no tokenizer at {path}: --tokenizer takes a folder with a tokenizer.json."
        )
    require_file(path)
    try:
        content = json.loads(path.read_bytes())
        pieces = _pieces(content["model"]["vocab"])
        added = {int(one["id"]): one for one in content.get("added_tokens") or []}
        specials = {i for i, one in added.items() if one.get("special")}
        pieces |= {i: str(one["content"]) for i, one in added.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AtlasError(
            f"{path} is no tokenizer.json that can be read: --tokenizer takes the one of the model."
        ) from error
    if any(not 0 <= i < _MOST_IDS for i in pieces):
        raise AtlasError(f"{path} has ids beyond {_MOST_IDS:,}.")
    byte_level = "ByteLevel" in json.dumps(content.get("decoder"))
    tokens, readings = [], []
    for token_id, piece in sorted(pieces.items()):
        exact = piece.encode() if token_id in added else _bytes(piece, byte_level)
        text = exact.decode("utf-8", "backslashreplace").replace("\0", "")
        special = token_id in specials
        tokens.append(TokenRecord(token_id, text, piece or text, exact, special, False))
        readings += ((other, token_id) for other in _others(piece, exact, text))
    digest = hashlib.sha256(json.dumps(sorted(pieces.items())).encode()).hexdigest()
    return Tokenizer(tokens, readings, digest)


def _pieces(vocab: Any) -> dict[int, str]:
    if isinstance(vocab, dict):
        return {int(i): str(piece) for piece, i in vocab.items()}
    return {i: str(piece) for i, (piece, _) in enumerate(vocab)}


def _bytes(piece: str, byte_level: bool) -> bytes:
    if byte_level:
        try:
            return bytes(_BYTE_OF_LETTER[letter] for letter in piece)
        except KeyError:
            return piece.encode()
    byte = _BYTE.fullmatch(piece)
    return bytes.fromhex(byte[1]) if byte else piece.replace("▁", " ").encode()


def _others(piece: str, exact: bytes, text: str) -> Iterator[str]:
    partly = piece
    for letters, shown in _PARTLY.items():
        partly = partly.replace(letters, shown)
    found = {piece, partly, exact.decode("utf-8", "replace")}
    yield from sorted(found - {text, ""})


def _stand_ins() -> dict[str, int]:
    """Letter → byte of byte-level BPE: printable Latin-1 stands for itself, every other byte, in
    order, for the letters from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(0x100 + i): byte for i, byte in enumerate(others)}


_BYTE_OF_LETTER = _stand_ins()
