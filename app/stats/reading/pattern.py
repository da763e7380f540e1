r"""Regular expressions of a reading: from their text to a small tree.

The common part of all dialects: literals, `.`, classes, groups, `|`, `* + ? {m,n}` (lazy marks are
read and change nothing, because every match counts), `^ $ \b \B`, `\d \w \s` and their negations
(ASCII, as in RE2), `\n \t \r \f \v \0 \xHH \x{H…} \uHHHH`. Look-around and back-references are
refused: no engine reads them in linear time. Knows no text to match.
"""

from dataclasses import dataclass
from typing import NoReturn

MOST_REPEATS = 200
_DEEPEST = 50
_LAST = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]
"""Code points [low, high], ascending, apart from each other."""

_DIGIT: Ranges = ((48, 57),)
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Ranges = ((9, 10), (12, 13), (32, 32))
_CONTROL = {"n": 10, "t": 9, "r": 13, "f": 12, "v": 11, "a": 7, "0": 0}


@dataclass(frozen=True)
class Characters:
    """One character out of a set."""

    ranges: Ranges


@dataclass(frozen=True)
class Assertion:
    """A place between characters: ^ $ b or B."""

    kind: str


@dataclass(frozen=True)
class Sequence:
    parts: tuple["Tree", ...]


@dataclass(frozen=True)
class Choice:
    parts: tuple["Tree", ...]


@dataclass(frozen=True)
class Repeat:
    inner: "Tree"
    low: int
    high: int | None
    """None: without end"""


Tree = Characters | Assertion | Sequence | Choice | Repeat


class PatternError(ValueError):
    """A pattern that can't be used; the message is one clause for a person, without a full stop.

    `at` is the place in the pattern from which it goes wrong; None where all of it does.
    """

    def __init__(self, sentence: str, at: int | None = None) -> None:
        super().__init__(sentence)
        self.at = at


def parse_pattern(text: str, any_case: bool = False) -> Tree:
    """The tree of a pattern.

    Raises:
        PatternError: it is not one, or uses what can't be matched in linear time.
    """
    return _Parser(text, any_case).pattern()


def complement(ranges: Ranges) -> Ranges:
    """All other code points."""
    found: list[tuple[int, int]] = []
    following = 0
    for low, high in ranges:
        if low > following:
            found.append((following, low - 1))
        following = high + 1
    if following <= _LAST:
        found.append((following, _LAST))
    return tuple(found)


def union(ranges: list[tuple[int, int]]) -> Ranges:
    """The same code points, ascending, neighbours joined."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


class _Parser:
    def __init__(self, text: str, any_case: bool) -> None:
        self._text = text
        self._any_case = any_case
        self._at = 0
        self._depth = 0

    def pattern(self) -> Tree:
        tree = self._choice()
        if self._at < len(self._text):
            self._fail("this ) closes nothing")
        return tree

    def _peek(self, n: int = 1) -> str:
        return self._text[self._at : self._at + n]

    def _fail(self, sentence: str, at: int | None = None) -> NoReturn:
        raise PatternError(sentence, self._at if at is None else at)

    def _choice(self) -> Tree:
        parts = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self) -> Tree:
        parts: list[Tree] = []
        while self._at < len(self._text) and self._peek() not in "|)":
            parts.append(self._repeated())
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self) -> Tree:
        if self._peek() in "*+?":
            self._fail(f"there is nothing before this {self._peek()} to repeat")
        tree = self._single()
        while bounds := self._bounds():
            tree = Repeat(tree, *bounds)
        return tree

    def _bounds(self) -> tuple[int, int | None] | None:
        """How often the part before is repeated; None where nothing says so."""
        sign = self._peek()
        if sign and sign in "*+?":
            self._at += 1
            bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        elif sign == "{" and (counted := self._counted()) is not None:
            bounds = counted
        else:
            return None
        if self._peek() == "?":  # lazy: every match counts, so nothing changes
            self._at += 1
        return bounds

    def _counted(self) -> tuple[int, int | None] | None:
        """{m}, {m,} or {m,n}; None where the brace is an ordinary character."""
        body, closed, _ = self._text[self._at + 1 :].partition("}")
        low, comma, high = body.partition(",")
        if not closed or not _is_number(low) or not (high == "" or _is_number(high)):
            return None
        first = int(low[:9])
        last = int(high[:9]) if high else (None if comma else first)
        if max(first, last or 0) > MOST_REPEATS:
            self._fail(f"a part can be repeated up to {MOST_REPEATS} times")
        if last is not None and last < first:
            self._fail(f"{{{body}}} counts backwards")
        self._at += len(body) + 2
        return first, last

    def _single(self) -> Tree:
        start, character = self._at, self._peek()
        self._at += 1
        if character == "(":
            return self._group(start)
        if character == "[":
            return self._class(start)
        if character == ".":
            return Characters(complement(((10, 10),)))
        if character in "^$":
            return Assertion(character)
        if character == "\\":
            if self._peek() and self._peek() in "bB":
                self._at += 1
                return Assertion(self._text[self._at - 1])
            return self._characters(list(self._escape(start)))
        return self._characters([(ord(character), ord(character))])

    def _group(self, start: int) -> Tree:
        if self._peek(2) == "?:":
            self._at += 2
        elif self._peek() == "?":
            kind = self._peek(3)
            if kind[1:2] in ("=", "!") or kind in ("?<=", "?<!"):
                self._fail("look-ahead and look-behind can't be matched in linear time; use “with …"
                           " within … before” or “after” instead", start)  # fmt: skip
            self._fail("after ( only ?: can follow; write /…/i for letters in either case", start)
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail("this is nested too deep", start)
        tree = self._choice()
        self._depth -= 1
        if self._peek() != ")":
            self._fail("this ( is never closed", start)
        self._at += 1
        return tree

    def _class(self, start: int) -> Tree:
        negated = self._peek() == "^"
        self._at += negated
        found: list[tuple[int, int]] = []
        first = True
        while first or self._peek() != "]":
            if self._at >= len(self._text):
                self._fail("this [ is never closed", start)
            found += self._class_part()
            first = False
        self._at += 1
        ranges = self._either_case(found) if self._any_case else union(found)
        return Characters(complement(ranges) if negated else ranges)

    def _class_part(self) -> Ranges:
        start = self._at
        low = self._class_character()
        if self._peek() != "-" or self._peek(2) in ("-", "-]"):
            return low
        self._at += 1
        high = self._class_character()
        if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or high[0][0] != high[0][1]:
            self._fail("a range goes from one character to another", start)
        if high[0][0] < low[0][0]:
            self._fail(f"the range {self._text[start : self._at]} goes backwards", start)
        return ((low[0][0], high[0][0]),)

    def _class_character(self) -> Ranges:
        start, character = self._at, self._peek()
        if not character:
            self._fail("this class is never closed")
        if self._peek(2) == "[:":
            self._fail("classes such as [:alpha:] are not known here; write a-zA-Z")
        self._at += 1
        if character != "\\":
            return ((ord(character), ord(character)),)
        if self._peek() == "b":
            self._fail("\\b is a border of words and can't stand inside [ ]", start)
        return self._escape(start)

    def _escape(self, start: int) -> Ranges:
        character = self._peek()
        if not character:
            self._fail("a backslash at the end escapes nothing", start)
        self._at += 1
        sets = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
        if character.lower() in sets:
            chosen = sets[character.lower()]
            return chosen if character.islower() else complement(chosen)
        if character in "xu":
            code = self._number(character, start)
        elif character in _CONTROL:
            code = _CONTROL[character]
        elif character.isascii() and character.isdigit():
            self._fail("back-references can't be matched in linear time", start)
        elif character.isascii() and character.isalpha():
            self._fail(f"\\{character} is not known here", start)
        else:
            code = ord(character)
        return ((code, code),)

    def _number(self, kind: str, start: int) -> int:
        if kind == "x" and self._peek() == "{":
            digits, _, _ = self._text[self._at + 1 :].partition("}")
            length = len(digits) + 2
        else:
            length = 2 if kind == "x" else 4
            digits = self._peek(length)
            if len(digits) < length:
                digits = ""
        try:
            code = int(digits, 16) if digits.isalnum() and len(digits) <= 6 else -1
        except ValueError:
            code = -1
        if not 0 <= code <= _LAST or 0xD800 <= code <= 0xDFFF:
            self._fail(f"\\{kind} takes the number of a character, as in \\x41 or \\u2014", start)
        self._at += length
        return code

    def _characters(self, ranges: list[tuple[int, int]]) -> Characters:
        return Characters(self._either_case(ranges) if self._any_case else union(ranges))

    def _either_case(self, ranges: list[tuple[int, int]]) -> Ranges:
        """With the other case of every letter; only of those in the ranges' first thousand."""
        found = list(ranges)
        for low, high in ranges:
            for code in range(low, min(high, low + 1_000) + 1):
                character = chr(code)
                for other in (character.lower(), character.upper()):
                    if len(other) == 1:
                        found.append((ord(other), ord(other)))
        return union(found)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
