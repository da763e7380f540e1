"""The shortest markup of what a page holds hundreds of: attributes, cells of numbers, bars.

A template would print these one by one, a table of fifty rows as a thousand pieces. Takes plain
text and numbers, gives escaped markup; attributes need no quotes where they are one word, a cell
needs no end where another follows. Knows no page.
"""

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from markupsafe import Markup, escape

_NEEDS_QUOTES = frozenset(" \t\n\f\r\"'=<>`/")


@lru_cache(maxsize=8_192)
def attribute(name: str, value: str) -> str:
    """An attribute with the space before it; nothing for an empty value."""
    if not value:
        return ""
    escaped = escape(value)
    return f" {name}={escaped}" if _NEEDS_QUOTES.isdisjoint(value) else f' {name}="{escaped}"'


def cell_rows(rows: Iterable[Sequence[str]], first: str = "td") -> Markup:
    """Rows of a table of plain text.

    Args:
        first: what the first cell of a row is: td, or th where it names the row.
    """
    start = "<tr><th scope=row>" if first == "th" else "<tr><td>"
    return Markup("\n".join([start + "<td>".join(map(escape, row)) for row in rows]))


def bar(percent: float, css: str = "") -> Markup:
    """A bar inside a table; the number it draws stands in a cell beside it.

    Args:
        percent: of the bar's width, 0 to 100.
        css: classes of the filled part, where it is not a plain value.
    """
    return Markup(
        f"<svg class=bar aria-hidden=true><rect{attribute('class', css or 'value')} "
        f'width="{percent:g}%" height=7 /></svg>'
    )


def compact_json(value: Any) -> Markup:
    """JSON for a script element, without spaces; nothing in it can end the element."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(written.translate(_AS_ESCAPES))


_AS_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&'"}
