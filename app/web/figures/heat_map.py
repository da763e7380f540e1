"""The ablation profile's heat map as a drawing: rows examples, columns places before the peak.

Takes the profile the page prints. Knows no query.
"""

from app.web.figures import palette, svg
from app.web.figures.examples_block import COLUMN
from app.web.figures.frame import Body
from app.web.figures.printed import read_tokens
from app.web.pages.profile.map import Cell
from app.web.pages.profile.panel import AblationProfile

NAME, WIDTH, ROW = 118.0, 46.0, 19.0
_SIZE = 9.5
_CHARACTERS = 7


def draw_heat_map(profile: AblationProfile) -> Body:
    """The grid with its column heads and row names."""
    shapes: list[str] = []
    for i, offset in enumerate(profile.offsets):
        shapes.append(_small(NAME + WIDTH * (i + 0.5), 10, offset, "middle", palette.INK_3))
    for i, row in enumerate(profile.rows):
        y = 18 + i * ROW
        shapes.append(
            _small(NAME - 8, y + 12.5, f"{row.name}  {row.mode or row.value}", "end", palette.INK_2)
        )
        for j, cell in enumerate(row.cells):
            shapes += _cell(cell, NAME + WIDTH * j, y)
    verb = "deleting" if profile.mode == "delete" else "replacing"
    note = (
        f"Each row an example, aligned at its peak; each cell a token, coloured by what {verb} it "
        "does to the peak (violet lowers, green raises, in five steps to ±100%, none under 5%). "
        "Underlined: the feature fires there too. Grey: not measured."
    )
    if profile.n_rows_left_out:
        note += f" {profile.n_rows_left_out} more examples are not shown."
    width = NAME + WIDTH * len(profile.offsets)
    return Body(width, 18 + len(profile.rows) * ROW, shapes, note)


def _cell(cell: Cell, x: float, y: float) -> list[str]:
    names = cell.css.split()
    if "outside" in names:
        return []
    default = palette.RULE if "hatch" in names else palette.SUNKEN
    shapes = [svg.rect(x, y, WIDTH - 1, ROW - 1, fill=palette.fill_of(cell.css, default))]
    shown = _shown(cell.token)
    ink = palette.ink_on(cell.css, palette.INK_2)
    middle = x + WIDTH / 2
    size = svg.attributes(
        x=middle, y=y + 12.5, text_anchor="middle", font_family=svg.MONO, font_size=_SIZE, fill=ink
    )
    shapes.append(f"<text{size}>{svg.clean(shown)}</text>")
    if "fires" in names:
        half = svg.cells(shown) * COLUMN * _SIZE / 24
        shapes.append(svg.line(middle - half, y + 15, middle + half, y + 15, stroke=ink))
    return shapes


def _shown(markup: str) -> str:
    """As much of a token as fits; spaces and newlines by their signs."""
    [token] = read_tokens(f"<i>{markup}</i>")
    kept = ""
    for character in token.shown:
        if svg.cells(kept + character) > _CHARACTERS:
            return kept[:-1] + "…"
        kept += character
    return kept


def _small(x: float, y: float, words: str, anchor: str, ink: str) -> str:
    return svg.text(x, y, words, text_anchor=anchor, font_size=10, fill=ink)
