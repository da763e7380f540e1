"""The picture in the preview of a link: 1200 × 630 pixels, PNG, in the light theme's colours.

Takes a built page of a feature or a dictionary. Set in the font that Pillow brings, which knows
basic Latin: letters with marks lose them, and what it can't draw at all is an empty box, so that
nothing seems to be text that isn't. Knows no query and no address.
"""

from io import BytesIO

from PIL import Image, ImageDraw

from app.web import text
from app.web.card_text import BOX, NEWLINE, broken, font_of, runs, token_width, width_of
from app.web.charts.histogram import LIGHT_HEAT
from app.web.charts.plot import Chart
from app.web.figures import palette
from app.web.figures.printed import PrintedToken, read_tokens
from app.web.pages.dictionary.page import DictionaryPage
from app.web.pages.feature.page import FeaturePage
from app.web.pages.notebook.words import called
from app.web.share import one_line

WIDTH, HEIGHT, MARGIN = 1200, 630, 64
_INSIDE = WIDTH - 2 * MARGIN
_PEAK_AT = MARGIN + 660
"""Where the examples' peaks stand."""


def feature_card(page: FeaturePage, label: str = "") -> bytes:
    """Name, what it is called, activation histogram, and its two strongest examples on the page.

    Args:
        label: what somebody called it. One in letters the font doesn't have would be a row of
            boxes: then the short form stands alone.
    """
    pen = _Pen()
    record = page.record
    drawable = label and all(known for known, _ in runs(label))
    pen.write(MARGIN, 58, f"{page.sae.address}  #{record.feature_index}", 28, palette.INK_3)
    pen.write_right(WIDTH - MARGIN, 58, "Feature Atlas", 28, palette.INK_3)
    short = one_line(record.short)
    name = called(label, record.short) if drawable else short
    y = pen.write_lines(MARGIN, 112, name, 54, palette.INK, most=2)
    if drawable:
        y = pen.write_lines(MARGIN, y + 6, short, 28, palette.INK_2, most=1)
    pen.write(MARGIN, y + 6, _fires(page), 28, palette.INK_2)
    if page.activation:
        pen.bars(page.activation.chart, MARGIN, y + 60, _INSIDE, 470 - (y + 60))
    examples = [example for section in page.sections for example in section.examples][:2]
    for i, example in enumerate(examples):
        line = example.lines[0]
        pen.example(read_tokens(line.before), read_tokens(line.after), 504 + i * 48, 26)
    return pen.png()


def _fires(page: FeaturePage) -> str:
    """How often and how strongly, as far as that is known."""
    record, n_tokens = page.record, page.sae.corpus.n_tokens
    of = "tokens" if n_tokens is None else f"{n_tokens:,} tokens"
    if record.never_fired:
        return "never fired" if n_tokens is None else f"never fired in {of}"
    said = [] if record.density is None else [f"fires on {text.percent(record.density)} of {of}"]
    if record.max_activation is not None:
        said.append(f"max activation {text.number(record.max_activation)}")
    return "  ·  ".join(said)


def dictionary_card(page: DictionaryPage) -> bytes:
    """Name, hook, how many features, what it keeps of the model, histogram of densities."""
    pen = _Pen()
    record = page.sae.record
    kind = record.architecture if record.imported is None else f"from {record.imported.title}"
    pen.write(MARGIN, 58, "  ·  ".join(filter(None, (record.place, kind))), 28, palette.INK_3)
    pen.write_right(WIDTH - MARGIN, 58, "Feature Atlas", 28, palette.INK_3)
    y = pen.write_lines(MARGIN, 112, page.sae.address, 54, palette.INK, most=2)
    y = pen.write_lines(MARGIN, y + 6, one_line(page.lede), 28, palette.INK_2, most=3)
    words = f"{page.n_living:,} living features of {record.n_features:,}"
    if not page.absent["density"]:
        pen.bars(page.density, MARGIN, y + 30, _INSIDE, 540 - (y + 30))
        words += ", by density"
    pen.write(MARGIN, 556, words, 24, palette.INK_3)
    return pen.png()


class _Pen:
    """A picture being drawn."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH, HEIGHT), palette.PAPER)
        self._draw = ImageDraw.Draw(self._image)
        for i, colour in enumerate(LIGHT_HEAT):
            edges = (i * WIDTH / 10, HEIGHT - 10, (i + 1) * WIDTH / 10, HEIGHT)
            self._draw.rectangle(edges, fill=colour)

    def write(self, x: float, y: float, words: str, size: int, ink: str) -> float:
        """Text with its top at y; gives the x of its end."""
        font = font_of(size)
        for known, run in runs(words):
            if known:
                self._draw.text((x, y), run, font=font, fill=ink)
                x += font.getlength(run)
                continue
            for _ in run:
                box = (x + 2, y + size * 0.3, x + size * 0.45, y + size * 0.95)
                self._draw.rectangle(box, outline=palette.RULE_STRONG)
                x += size * BOX
        return x

    def write_right(self, x: float, y: float, words: str, size: int, ink: str) -> None:
        """Text that ends at x."""
        self.write(x - width_of(words, size), y, words, size, ink)

    def write_lines(self, x: float, y: float, words: str, size: int, ink: str, most: int) -> float:
        """Text broken between words into at most so many lines; gives the y beneath them."""
        for line in broken(words, size, most, _INSIDE):
            self.write(x, y, line, size, ink)
            y += size * 1.22
        return y

    def bars(self, chart: Chart, x: float, y: float, width: float, height: float) -> None:
        """The marks of a chart above a line."""
        for mark in chart.marks:
            left, top, wide, high = (
                float(value.removesuffix("%")) / 100
                for value in (mark.x, mark.y, mark.width, mark.height)
            )
            box = (
                x + left * width, y + top * height,
                x + (left + wide) * width - 1, y + (top + high) * height,
            )  # fmt: skip
            self._draw.rectangle(box, fill=palette.fill_of(mark.css, palette.LIGHT_BAR))
        floor = y + height + 1
        self._draw.line((x, floor, x + width, floor), fill=palette.RULE_STRONG)

    def example(
        self, before: list[PrintedToken], after: list[PrintedToken], y: float, size: int
    ) -> None:
        """One line of text, its peak at a fixed place, grounds by activation."""
        x = float(_PEAK_AT)
        for token in reversed(before):
            width = token_width(token, size)
            if x - width < MARGIN:
                break
            x -= width
            self._token(token, x, y, size)
        x = float(_PEAK_AT)
        for token in after:
            width = token_width(token, size)
            if x + width > WIDTH - MARGIN:
                break
            self._token(token, x, y, size)
            x += width

    def _token(self, token: PrintedToken, x: float, y: float, size: int) -> None:
        heat = next((name for name in token.css.split() if name.startswith("heat-")), "")
        edges = (x, y - 2, x + token_width(token, size) - 1, y + size * 1.3)
        if heat:
            self._draw.rectangle(edges, fill=palette.fill_of(heat))
        if "peak" in token.css.split():
            self._draw.rectangle(edges, outline=palette.INK, width=2)
        quiet = palette.INK_3 if "uncounted" in token.css else palette.INK
        ink = palette.ink_on(heat, quiet)
        for part in token.text:
            if part == "\n":
                self._newline(x, y, size, ink)
                x += size * NEWLINE
            else:
                x = self.write(x, y, "  " if part == "\t" else part, size, ink)

    def _newline(self, x: float, y: float, size: int, ink: str) -> None:
        """↵, which the font lacks."""
        right, left = x + size * 0.48, x + size * 0.12
        top, low = y + size * 0.45, y + size * 0.8
        self._draw.line((right, top, right, low, left, low), fill=ink)
        self._draw.line((left + 4, low - 4, left, low, left + 4, low + 4), fill=ink)

    def png(self) -> bytes:
        """The picture; few colours, so that it is small."""
        out = BytesIO()
        self._image.quantize(96, method=Image.Quantize.FASTOCTREE).save(out, "PNG")
        return out.getvalue()
