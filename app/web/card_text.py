"""Text as the previews' font can draw it: which characters it has, how wide a text is, its lines.

Set in the font that Pillow brings, which knows basic Latin: letters with marks lose them, and what
it can't draw at all is left to be an empty box. Knows no picture.
"""

import unicodedata
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from app.web.figures.printed import PrintedToken

BOX = 0.52
"""Width of the empty box, in font sizes."""

NEWLINE = 0.6
"""Width of the sign for a newline, in font sizes."""

_SAME = str.maketrans({"−": "-", "–": "-", "—": "-", "×": "x", "≥": ">", "≤": "<", "\u202f": " "})


def token_width(token: PrintedToken, size: int) -> float:
    """How wide a token is, in pixels."""
    return sum(
        size * NEWLINE if part == "\n" else width_of("  " if part == "\t" else part, size)
        for part in token.text
    )


def broken(words: str, size: int, most: int, width: float) -> list[str]:
    """The words in at most so many lines of a width; the last ends with … where some are left."""
    lines: list[str] = []
    for word in words.split():
        if lines and width_of(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        elif len(lines) == most:
            lines[-1] = _cut(f"{lines[-1]} …", size, width)
            break
        else:
            lines.append(_cut(word, size, width))
    return lines


def _cut(line: str, size: int, width: float) -> str:
    while width_of(line, size) > width:
        line = f"{line.removesuffix('…')[:-1]}…"
    return line


def width_of(words: str, size: int) -> float:
    """How wide a text is, in pixels."""
    return sum(
        font_of(size).getlength(run) if known else size * BOX * len(run)
        for known, run in runs(words)
    )


def runs(words: str) -> list[tuple[bool, str]]:
    """The text in stretches the font can draw, and stretches it can't."""
    found: list[tuple[bool, str]] = []
    for character in words.translate(_SAME):
        letter = drawn(character)
        known, part = letter is not None, character if letter is None else letter
        if found and found[-1][0] == known:
            found[-1] = (known, found[-1][1] + part)
        else:
            found.append((known, part))
    return found


@lru_cache(maxsize=8_192)
def drawn(character: str) -> str | None:
    """What is drawn for a character: itself, its letter without marks, or None for a box.

    A mark on the letter before it is drawn as nothing.
    """
    if unicodedata.category(character).startswith("M"):
        return ""
    base = unicodedata.normalize("NFKD", character)[:1]
    return next((c for c in (character, base) if c and (c == " " or _has(c))), None)


def _has(character: str) -> bool:
    """Whether the font has it: what it lacks looks like what nothing has."""
    return _drawing(character) != _drawing("\uffff")


def _drawing(character: str) -> bytes:
    image = Image.new("L", (48, 48))
    ImageDraw.Draw(image).text((8, 8), character, font=font_of(24), fill=255)
    return image.tobytes()


@lru_cache(maxsize=16)
def font_of(size: int) -> ImageFont.FreeTypeFont:
    """The font at a size in pixels."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font
