"""Shapes of a drawing as SVG source: every text escaped, every attribute written into the shape.

Text is set in generic families with its width planned (`textLength`), so that a drawing looks the
same wherever it is opened. Knows nothing of what is drawn.
"""

import re
import unicodedata
from html import escape

SANS = "Inter, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
MONO = "'JetBrains Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
SANS_WIDTH = 0.52
"""Mean width of a character of running text in sans-serif, in font sizes: an estimate."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def attributes(**values: str | float) -> str:
    """Attributes in their order; an underscore in a name stands for a hyphen, numbers are short."""
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in values.items()
        if value != ""
    )


def clean(text: str) -> str:
    """Text as XML may hold it: signs escaped, characters no XML may contain replaced."""
    return escape(_NOT_XML.sub("\ufffd", text))


def rect(x: float, y: float, width: float, height: float, **more: str | float) -> str:
    """A rectangle."""
    return f"<rect{attributes(x=x, y=y, width=width, height=height, **more)}/>"


def line(x1: float, y1: float, x2: float, y2: float, **more: str | float) -> str:
    """A straight line."""
    return f"<line{attributes(x1=x1, y1=y1, x2=x2, y2=y2, **more)}/>"


def text(x: float, y: float, content: str, **more: str | float) -> str:
    """A line of text at its baseline."""
    return f"<text{attributes(x=x, y=y, **more)}>{clean(content)}</text>"


def document(width: float, height: float, title: str, shapes: list[str], ground: str) -> str:
    """A whole drawing on its ground; `title` is what readers who can't see it are told."""
    size = attributes(width=width, height=height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg"{size} viewBox="0 0 {_value(width)} '
        f'{_value(height)}" role="img" font-family="{SANS}" font-size="12" '
        f'xml:space="preserve">\n<title>{clean(title)}</title>\n'
        f"{rect(0, 0, width, height, fill=ground)}\n" + "\n".join(shapes) + "\n</svg>\n"
    )


def wrapped(content: str, width: float, size: float) -> list[str]:
    """Running text in lines that are about `width` wide in sans-serif of a size."""
    limit = max(8, int(width / (size * SANS_WIDTH)))
    lines: list[str] = []
    for word in content.split():
        while len(word) > limit:
            lines.append(word[:limit])
            word = word[limit:]
        if lines and len(lines[-1]) + 1 + len(word) <= limit:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def cells(content: str) -> int:
    """How many columns text takes in a monospaced face: two for wide characters, none for marks."""
    return sum(cell(character) for character in content)


def cell(character: str) -> int:
    """The same for one character."""
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return escape(value)
    return f"{value:.2f}".rstrip("0").rstrip(".")
