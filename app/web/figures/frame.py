"""What every drawing shares: a title above, a caption beneath that says what the numbers rest on.

Takes shapes of a known height, gives the document. Knows no panel.
"""

from dataclasses import dataclass

from app.web.figures import palette, svg

MARGIN = 20.0
TITLE_SIZE, CAPTION_SIZE = 14.0, 10.5
_CAPTION_LEADING = 15.0


@dataclass(frozen=True)
class Body:
    """The drawing itself, placed from (0, 0)."""

    width: float
    height: float
    shapes: list[str]
    note: str
    """how to read it, in a sentence or two; ends with a full stop"""


@dataclass(frozen=True)
class Words:
    """What stands around it."""

    title: str
    source: str
    """address, corpus, N"""


def framed(body: Body, words: Words) -> str:
    """The whole drawing."""
    width = body.width + 2 * MARGIN
    title = _title(words.title, body.width)
    top = MARGIN + len(title) * 19 + 9
    caption = [
        *svg.wrapped(body.note, body.width, CAPTION_SIZE),
        *svg.wrapped(words.source, body.width, CAPTION_SIZE),
    ]
    caption_top = top + body.height + 22
    shapes = [
        *(
            svg.text(
                MARGIN,
                MARGIN + 12 + 19 * i,
                line,
                font_size=TITLE_SIZE,
                font_weight=600,
                fill=palette.INK,
            )
            for i, line in enumerate(title)
        ),
        f'<g transform="translate({MARGIN:g} {top:g})">',
        *body.shapes,
        "</g>",
        *(
            svg.text(
                MARGIN,
                caption_top + _CAPTION_LEADING * i,
                line,
                font_size=CAPTION_SIZE,
                fill=palette.INK_3,
            )
            for i, line in enumerate(caption)
        ),
    ]
    height = caption_top + _CAPTION_LEADING * (len(caption) - 1) + MARGIN
    return svg.document(width, height, words.title, shapes, palette.PAPER)


def _title(text: str, width: float) -> list[str]:
    """At most two lines."""
    lines = svg.wrapped(text, width, TITLE_SIZE * 1.05)
    return lines if len(lines) < 3 else [lines[0], lines[1] + " …"]
