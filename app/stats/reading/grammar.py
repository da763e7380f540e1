"""The language of readings: one line of text, and the tree it stands for.

    any   := all (("or" | "|" | ",") all)*
    all   := part ("and" part)*
    part  := "not" part | item (("with" | "without") any "within" number ["before" | "after"])*
    item  := word | 'word' | "exact text" | /regular expression/[i] | * | "(" any ")"

`HELP` says the same for readers; the page shows it, and its examples are tested. Knows the form of
a reading only: neither tokens nor what a regular expression holds.
"""

from dataclasses import dataclass
from itertools import takewhile
from typing import NoReturn

from app.stats.reading.errors import ReadingError
from app.stats.reading.scanner import Lexeme, quoted, scan

MOST_PARTS = 24
"""Words, texts and expressions of one reading."""
MOST_EXPRESSIONS = 3
"""Regular expressions among them: each one reads the whole text."""
MOST_WITHIN = 1_000
"""Tokens a condition may look away from the peak."""
_DEEPEST = 20
"""Parentheses and nots inside each other."""


@dataclass(frozen=True)
class Word:
    """One token, or several whole ones in a row, with exactly this text, spaces around it aside."""

    text: str
    start: int
    stop: int


@dataclass(frozen=True)
class Exact:
    """The same with every space as written."""

    text: str
    start: int
    stop: int


@dataclass(frozen=True)
class Expression:
    """A regular expression: some match of it ends inside the token."""

    pattern: str
    any_case: bool
    start: int
    stop: int


@dataclass(frozen=True)
class Anything:
    """Every token."""


@dataclass(frozen=True)
class Not:
    inner: "Node"


@dataclass(frozen=True)
class AnyOf:
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class AllOf:
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Near:
    """Some token within `distance` tokens on a side says yes to `inner` (or none does).

    The token itself is not looked at; the look ends where its document or its context does.
    """

    inner: "Node"
    distance: int
    before: bool
    after: bool
    absent: bool
    """True for `without`"""


Atom = Word | Exact | Expression
Node = Atom | Anything | Not | AnyOf | AllOf | Near


@dataclass(frozen=True)
class HelpRow:
    """One form of the language for a reader."""

    form: str
    """an example, itself a reading"""
    meaning: str


HELP: tuple[HelpRow, ...] = (
    HelpRow(
        "self",
        "the word: one token, or several whole tokens in a row, with exactly this text, spaces "
        "around it aside. The last of them is where the reading says yes",
    ),
    HelpRow("'and'", "the same in single quotes, for words the language itself uses"),
    HelpRow('" and"', "exactly this text, spaces included; \\n is a newline, \\t a tab"),
    HelpRow(
        "/self\\.\\w+/",
        "a regular expression: the token in which a match ends, whatever tokens it began in. "
        "Every match counts, also those inside longer ones; /…/i takes letters in either case; ^ "
        "and $ stand at the borders of lines; \\w, \\d and \\s know ASCII only",
    ),
    HelpRow('self | cls, "("', "one or another: |, a comma or the word or"),
    HelpRow("self with def within 6 before", "some token of the 6 before it is def"),
    HelpRow("self without '=' within 3 after", "none of the 3 tokens after it is ="),
    HelpRow("self with (def or class) within 20", "with neither word: on either side"),
    HelpRow("* with Copyright within 40 before", "* is any token"),
    HelpRow("/\\w+/ and not self", "both; not turns a part round. and binds closer than or"),
)


def parse(text: str) -> Node:
    """The tree of a reading.

    Raises:
        ReadingError: it can't be read; the sentence says what was expected where.
    """
    return _Parser(text).reading()


def atoms(node: Node) -> list[Atom]:
    """The words, texts and expressions of a tree in the order they were written, each once."""
    if isinstance(node, Word | Exact | Expression):
        return [node]
    if isinstance(node, Not | Near):
        return atoms(node.inner)
    if isinstance(node, AnyOf | AllOf):
        return [atom for part in node.parts for atom in atoms(part)]
    return []


class _Parser:
    """One pass from left to right; every method reads one rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._lexemes = scan(text)
        self._next = 0
        self._depth = 0

    def reading(self) -> Node:
        if self._here.kind == "end":
            self._fail("Type what you believe the feature fires on, for example: self")
        node = self._any()
        if self._here.kind != "end":
            self._fail(self._left_over())
        self._check_size(node)
        return node

    @property
    def _here(self) -> Lexeme:
        return self._lexemes[self._next]

    def _take(self, *values: str) -> Lexeme | None:
        """The lexeme here if it is one of these keywords or signs."""
        here = self._here
        if here.kind != "sign" or here.text not in values:
            return None
        self._next += 1
        return here

    def _any(self) -> Node:
        parts = [self._all()]
        while self._take("or", "|", ","):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self) -> Node:
        parts = [self._part()]
        while self._take("and"):
            parts.append(self._part())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _part(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail("This reading is nested too deep: take some parentheses away")
        try:
            if self._take("not"):
                return Not(self._part())
            node = self._item()
            while condition := self._take("with", "without"):
                near = self._near(condition)
                node = AllOf((*node.parts, near) if isinstance(node, AllOf) else (node, near))
            return node
        finally:
            self._depth -= 1

    def _near(self, condition: Lexeme) -> Near:
        inner = self._any()
        if not self._take("within"):
            self._fail(
                f"After “{condition.text} …” say how near, for example “within 6 before”, "
                f"instead of {self._named()}"
            )
        number = self._here
        if not (number.kind == "word" and number.text.isascii() and number.text.isdigit()):
            self._fail(f"After “within” comes a number of tokens, not {self._named()}")
        distance = int(number.text)
        if not 1 <= distance <= MOST_WITHIN:
            self._fail(f"After “within” come 1 to {MOST_WITHIN:,} tokens, not {self._named()}")
        self._next += 1
        side = self._take("before", "after")
        return Near(
            inner,
            distance,
            before=side is None or side.text == "before",
            after=side is None or side.text == "after",
            absent=condition.text == "without",
        )

    def _item(self) -> Node:
        here = self._here
        if opening := self._take("("):
            node = self._any()
            if not self._take(")"):
                raise ReadingError("This parenthesis is never closed.", opening.start, opening.stop)
            return node
        if self._take("*"):
            return Anything()
        self._next += 1
        span = (here.start, here.stop)
        if here.kind == "word":
            return Word(here.text, *span)
        if here.kind == "exact":
            return Exact(here.text, *span)
        if here.kind == "expression":
            return Expression(here.text, here.any_case, *span)
        self._next -= 1
        self._fail(
            f'Here a word, "exact text" or /expression/ was expected, not {self._named()}'
            + (f"; write '{here.text}' for the word itself" if here.text.isalpha() else "")
        )

    def _left_over(self) -> str:
        """What may be meant where a reading goes on though it could have ended."""
        here = self._here
        if here.kind == "sign" and here.text == "not":
            if self._lexemes[self._next + 1].source == "with":
                return "Instead of “not with” write “without”; before another part, “and not”"
            return "Before “not” comes “and”: write “and not”"
        if words := self._words_in_a_row():
            text = " ".join(words)
            return (
                f"Several words go in quotes, {quoted(text)} or with the space in front "
                f"{quoted(' ' + text)}; two parts need “or” or “and” between them"
            )
        if here.kind != "sign" or here.text in ("(", "*"):
            return f"Two parts need “or” or “and” between them: put one before {self._named()}"
        return f"The reading could have ended before {self._named()}"

    def _words_in_a_row(self) -> list[str]:
        """The bare words from the last one read on; empty where there are not two."""
        first = self._next - 1
        if first and self._lexemes[first - 1].text == "within":  # a number of tokens
            return []
        bare = takewhile(
            lambda one: one.kind == "word" and one.source == one.text, self._lexemes[first:]
        )
        words = [lexeme.text for lexeme in bare]
        return words if len(words) > 1 else []

    def _named(self) -> str:
        return "the end" if self._here.kind == "end" else f"“{self._here.source}”"

    def _fail(self, sentence: str) -> NoReturn:
        raise ReadingError(f"{sentence}.", self._here.start, self._here.stop)

    def _check_size(self, node: Node) -> None:
        found = atoms(node)
        if len(found) > MOST_PARTS:
            last = found[MOST_PARTS]
            raise ReadingError(
                f"A reading has at most {MOST_PARTS} parts, this one has {len(found)}; an "
                "expression such as /one|another/ holds many.",
                last.start,
                last.stop,
            )
        expressions = [atom for atom in found if isinstance(atom, Expression)]
        if len(expressions) > MOST_EXPRESSIONS:
            last = expressions[MOST_EXPRESSIONS]
            raise ReadingError(
                f"A reading has at most {MOST_EXPRESSIONS} regular expressions, this one has "
                f"{len(expressions)}; join them by | inside one.",
                last.start,
                last.stop,
            )
