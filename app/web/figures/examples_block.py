"""The examples of a view as a drawing: peaks in one column, or running text with effects beneath.

Takes the sections the page prints and draws the first twenty lines of them. Columns are those of a
monospaced face; wide characters count twice, which is an estimate. Knows no query.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.web.charts.scales import HEAT_STEPS
from app.web.figures import palette, svg
from app.web.figures.frame import Body
from app.web.figures.printed import PrintedToken, joined, keep_end, keep_start, read_tokens
from app.web.pages.examples.example import Example
from app.web.pages.examples.sections import Section

MOST_LINES = 20
"""Lines of text in one figure."""

COLUMN, SIZE, ROW, RUNNING_ROW = 7.2, 12.0, 18.0, 22.0
"""Width of a character, height of the letters, height of a line aligned and of running text (with
room for rules), in units of the drawing."""

VALUE_COLUMNS, BEFORE, AFTER = 9, 62, 34


@dataclass(frozen=True)
class Legend:
    """What the colours mean."""

    maximum: str
    """what the strongest step of activation stands for"""
    effect: str
    """what was done to the tokens, "deleting"; empty where no effect is shown"""
    of: str
    """what the effect is measured on: activation or pre-activation"""


def draw_examples(
    sections: list[Section], first: int, n_all: int, aligned: bool, legend: Legend
) -> Body:
    """The block, with a line about what was left out.

    Args:
        first: number of the first example among all of the view, from 1.
        n_all: examples of the view, those on further pages as well.
    """
    width = (VALUE_COLUMNS + BEFORE + AFTER) * COLUMN
    shapes = _legend(legend)
    y, n_lines, n_shown, full = 12.0, 0, 0, False
    for section in sections:
        top = y + 24
        for example in section.examples:
            drawn, height, lines = _example(example, aligned, top + 8)
            if n_shown and n_lines + lines > MOST_LINES:
                full = True
                break
            if example is section.examples[0]:
                shapes.append(_heading(section.heading, top))
            shapes += drawn
            top = y = top + height + 8
            n_lines += lines
            n_shown += 1
        if full:
            break
    note = (
        "Shading: activation of each token, darker is stronger; outlined: the token an example is "
        "chosen for."
    )
    if legend.effect:
        note += (
            f" Line beneath, or rule: how {legend.effect} a token changes the outlined token’s "
            f"{legend.of}; violet lowers, green raises, no colour under 5%, grey: not measured."
        )
    if n_shown < n_all:
        note += f" Examples {first} to {first + n_shown - 1} of the {n_all} of this view."
    return Body(width, y, shapes, note)


def _legend(legend: Legend) -> list[str]:
    shapes = [svg.text(0, 10, "activation 0", font_size=10.5, fill=palette.INK_3)]
    x = 66.0
    for step in range(HEAT_STEPS):
        shapes.append(svg.rect(x + 11 * step, 2, 11, 9, fill=palette.LIGHT_HEAT[step]))
    shapes.append(svg.text(x + 116, 10, legend.maximum, font_size=10.5, fill=palette.INK_3))
    if legend.effect:
        x += 116 + 12 * (len(legend.maximum) + 3)
        name = f"{legend.effect} it: −100%"
        shapes.append(svg.text(x, 10, name, font_size=10.5, fill=palette.INK_3))
        x += len(name) * 5.6 + 4
        for i, step in enumerate(palette.EFFECT_ORDER):
            fill = palette.EFFECT[step] if step else palette.SUNKEN
            shapes.append(svg.rect(x + 11 * i, 2, 11, 9, fill=fill))
        shapes.append(svg.text(x + 127, 10, "+100%", font_size=10.5, fill=palette.INK_3))
    return shapes


def _heading(words: str, y: float) -> str:
    return svg.text(0, y, words, font_size=11, font_weight=600, fill=palette.INK)


def _example(example: Example, aligned: bool, y: float) -> tuple[list[str], float, int]:
    """Its shapes, their height, and how many lines of text they are."""
    shapes = [
        svg.text(
            (VALUE_COLUMNS - 2) * COLUMN, y + SIZE, example.value,
            text_anchor="end", font_weight=600, font_size=12, fill=palette.INK,
        )
    ]  # fmt: skip
    rows = 0
    for printed in example.lines:
        before = joined(read_tokens(printed.before))
        after = joined(read_tokens(printed.after))
        ablated = printed.kind == "ablated"
        if aligned:
            shapes += _aligned(before, after, y + rows * ROW, ablated)
            rows += 1
        else:
            drawn, n_rows = _running([*before, *after], y + rows * ROW)
            shapes += drawn
            rows += n_rows
    return shapes, rows * (ROW if aligned else RUNNING_ROW), rows


def _aligned(
    before: list[PrintedToken], after: list[PrintedToken], y: float, ablated: bool
) -> list[str]:
    before, cut = keep_end(before, BEFORE - 1)
    after, cut_after = keep_start(after, AFTER - 1)
    peak = VALUE_COLUMNS + BEFORE
    column = peak - sum(svg.cells(token.text) for token in before)
    shapes = [_dots(column - 1, y)] if cut else []
    end = column
    for token in [*before, *after]:
        shapes += _token(token, end, y, ablated)
        end += svg.cells(token.text)
    if cut_after:
        shapes.append(_dots(end, y))
    return shapes


def _running(tokens: list[PrintedToken], y: float) -> tuple[list[str], int]:
    """Tokens broken at the right edge, each piece with its effect as a rule beneath."""
    shapes: list[str] = []
    column, row, limit = 0, 0, BEFORE + AFTER
    for token in tokens:
        for piece in _pieces(token, limit - column, limit):
            n = svg.cells(piece.text)
            if column + n > limit:
                column, row = 0, row + 1
            shapes += _token(piece, VALUE_COLUMNS + column, y + row * RUNNING_ROW, ablated=False)
            column += n
    return shapes, row + 1


def _pieces(token: PrintedToken, room: int, limit: int) -> Iterable[PrintedToken]:
    """A token in parts that each fit on a line; one with colours is kept whole where it can be."""
    apart = token.css in ("", "uncounted") or svg.cells(token.text) > limit
    text, left = "", room if apart else limit
    for character in token.text:
        if svg.cell(character) > left:
            yield PrintedToken(token.css, text)
            text, left = "", limit
        text += character
        left -= svg.cell(character)
    yield PrintedToken(token.css, text)


def _token(token: PrintedToken, column: int, y: float, ablated: bool) -> list[str]:
    """Its ground, its outline if it is the peak, its text; effects on running text are rules."""
    n = svg.cells(token.text)
    if not n:
        return []
    names = token.css.split()
    x, width = column * COLUMN, n * COLUMN
    heat = next((name for name in names if name.startswith("heat-")), "")
    effect = next((name for name in names if name.startswith("effect-")), "")
    ground = effect if ablated else heat
    shapes = []
    if ground:
        shapes.append(svg.rect(x, y, width - 0.6, ROW - 2, fill=palette.fill_of(ground)))
    elif ablated and "hatch" in names:
        shapes.append(svg.rect(x, y, width - 0.6, ROW - 2, fill=palette.SUNKEN))
    rules = [name.replace("second-", "effect-") for name in names if name.startswith("second-")]
    for i, name in enumerate([effect, *rules] if not ablated else []):
        if name:
            rule = svg.rect(x, y + ROW - 2 + 3 * i, width - 0.6, 2.6, fill=palette.fill_of(name))
            shapes.append(rule)
    quiet = "uncounted" in names or (ablated and not ground)
    ink = palette.ink_on(ground, palette.INK_3 if quiet else palette.INK)
    shapes.append(_letters(token, x, y, width, ink))
    if heat == "heat-0" and not ablated:
        shapes.append(
            svg.line(x, y + 14.5, x + width - 0.6, y + 14.5, stroke=ink, stroke_width=0.7)
        )
    if "peak" in names:
        shapes.append(
            svg.rect(x, y, width - 0.6, ROW - 2, fill="none", stroke=palette.INK, stroke_width=1.3)
        )
    return shapes


def _letters(token: PrintedToken, x: float, y: float, width: float, ink: str) -> str:
    """The text at its exact width; what stands for characters that draw nothing is pale."""
    parts, run, pale = [], "", False
    for real, shown in zip(token.text, token.shown, strict=True):
        if (real != shown) != pale and run:
            parts.append(_run(run, pale))
            run = ""
        pale = real != shown
        run += shown
    parts.append(_run(run, pale))
    size = svg.attributes(
        x=x, y=y + SIZE, textLength=width, lengthAdjust="spacingAndGlyphs",
        font_family=svg.MONO, font_size=SIZE, fill=ink,
    )  # fmt: skip
    return f"<text{size}>{''.join(parts)}</text>"


def _run(text: str, pale: bool) -> str:
    return f'<tspan fill-opacity="0.4">{svg.clean(text)}</tspan>' if pale else svg.clean(text)


def _dots(column: int, y: float) -> str:
    return svg.text(
        column * COLUMN, y + SIZE, "…", font_family=svg.MONO, font_size=SIZE, fill=palette.INK_3
    )
