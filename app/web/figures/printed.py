"""Lines of tokens read back from the markup the page prints, so that a drawing can't say otherwise.

Takes the markup of `token_markup.line_markup`, gives each token's classes and pieces. Knows no
example.
"""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from markupsafe import Markup

from app.web.figures.svg import cell

MARKS = {"\n": "↵", "\t": "→", " ": "·"}
"""What is drawn for characters that draw nothing; the page paints the same over the real ones."""


@dataclass
class PrintedToken:
    """One token of a line."""

    css: str
    text: str = ""

    @property
    def shown(self) -> str:
        """One visible character for each real one."""
        return "".join(MARKS.get(character, character) for character in self.text)


@dataclass
class _Reader(HTMLParser):
    found: list[PrintedToken] = field(default_factory=list)

    run: str = ""
    """class of the element around several tokens"""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        css = dict(attrs).get("class") or ""
        if tag in ("i", "u"):
            self.found.append(PrintedToken(f"{css} {self.run}".strip()))
        elif tag == "span":
            self.run = css

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self.run = ""

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1].text += data


def read_tokens(markup: Markup | str) -> list[PrintedToken]:
    """The tokens of a piece of a line, in order."""
    reader = _Reader()
    reader.feed(str(markup))
    reader.close()
    return reader.found


def joined(tokens: list[PrintedToken]) -> list[PrintedToken]:
    """The same with neighbours of which there is nothing to say made one: a drawing stays small."""
    found: list[PrintedToken] = []
    for token in tokens:
        css = " ".join(name for name in token.css.split() if name not in ("lead", "indent"))
        if found and found[-1].css == css and css in ("", "uncounted"):
            found[-1].text += token.text
        else:
            found.append(PrintedToken(css, token.text))
    return found


def keep_end(tokens: list[PrintedToken], columns: int) -> tuple[list[PrintedToken], bool]:
    """The last tokens that fit into so many columns, the first of them cut, and whether any is."""
    kept: list[PrintedToken] = []
    left = columns
    for token in reversed(tokens):
        text = ""
        for character in reversed(token.text):
            if cell(character) > left:
                kept.append(PrintedToken(token.css, text))
                return [t for t in reversed(kept) if t.text], True
            left -= cell(character)
            text = character + text
        kept.append(PrintedToken(token.css, text))
    return kept[::-1], False


def keep_start(tokens: list[PrintedToken], columns: int) -> tuple[list[PrintedToken], bool]:
    """The same from the start."""
    kept: list[PrintedToken] = []
    left = columns
    for token in tokens:
        text = ""
        for character in token.text:
            if cell(character) > left:
                return [*kept, *([PrintedToken(token.css, text)] if text else [])], True
            left -= cell(character)
            text += character
        kept.append(PrintedToken(token.css, text))
    return kept, False
