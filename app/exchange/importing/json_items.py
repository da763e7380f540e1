"""A large JSON object read member by member, and one of its lists item by item.

A batch of SAEDashboard is one object with a list of hundreds of megabytes. Only the item at hand is
in memory, up to a limit past which a file is called damaged. Takes a path, gives names with values;
the items of the list one after the other under its name. Knows no format.
"""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from app.errors import AtlasError, echoed
from app.exchange.importing.text_files import MOST_AT_ONCE, Place, faults_of, open_file

_CHUNK = 1 << 20
_SPACE = " \t\r\n"


@dataclass(frozen=True)
class Member:
    """One member of the object, or one item of its list."""

    name: str
    value: Any
    number: int
    """of the item, from 1; 0 for members"""
    line: int
    """on which it begins, from 1"""


def read_members(path: Path, list_name: str | None = None) -> Iterator[Member]:
    """The members of the object in a file, in their order; of the list named each item by itself.

    Raises:
        AtlasError: the file can't be read or isn't such an object; names line and item.
    """
    with open_file(path) as file:
        yield from _Reader(path, file, list_name).members()


class _Reader:
    """The text of a file, of which what was read is dropped."""

    def __init__(self, path: Path, file: IO[bytes], list_name: str | None) -> None:
        self._path, self._file, self._list_name = path, file, list_name
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._scan = json.JSONDecoder().raw_decode
        self._text, self._at, self._line, self._ended = "", 0, 1, False
        self._n_items = 0

    def members(self) -> Iterator[Member]:
        self._expect("{", "an object")
        if self._next_is("}"):
            return
        while True:
            name, _ = self._value()
            if not isinstance(name, str):
                raise self._wrong("a name was expected")
            self._expect(":", "a colon")
            if name == self._list_name:
                yield from self._items(name)
            else:
                value, line = self._value()
                yield Member(name, value, 0, line)
            if self._next_is("}"):
                break
            self._expect(",", "a comma or the object's end")
        if self._peek():
            raise self._wrong("something stands behind the object")

    def _items(self, name: str) -> Iterator[Member]:
        self._expect("[", f"{name} to be a list")
        if self._next_is("]"):
            return
        while True:
            self._n_items += 1
            value, line = self._value()
            yield Member(name, value, self._n_items, line)
            if self._next_is("]"):
                return
            self._expect(",", "a comma or the list's end")

    def _value(self) -> tuple[Any, int]:
        """The next value, whole, with the line it begins on."""
        self._peek()
        line = self._line
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._more():
                    continue
                raise self._wrong(_said(error, self._text)) from error
            except (ValueError, RecursionError) as error:
                raise self._wrong(echoed(error)) from error
            # A number may go on behind what was read.
            if end < len(self._text) or not self._more():
                self._pass(end)
                return value, line

    def _peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            at = self._at
            while at < len(self._text) and self._text[at] in _SPACE:
                at += 1
            self._pass(at)
            if at < len(self._text):
                return self._text[at]
            if not self._more():
                return ""

    def _next_is(self, sign: str) -> bool:
        if self._peek() != sign:
            return False
        self._pass(self._at + 1)
        return True

    def _expect(self, sign: str, what: str) -> None:
        if not self._next_is(sign):
            raise self._wrong(f"{what} was expected" if self._peek() else "it ends too early")

    def _pass(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _more(self) -> bool:
        """Reads on, more the longer the value is; False at the end."""
        if self._ended:
            return False
        self._text, self._at = self._text[self._at :], 0
        if len(self._text) > MOST_AT_ONCE:
            raise self._wrong(f"a value of more than {MOST_AT_ONCE >> 20} MiB, or none that ends")
        size = max(_CHUNK, len(self._text))
        with faults_of(Place(self._path, self._line)):
            content = self._file.read(size)
        try:
            self._text += self._decode(content, final=not content)
        except UnicodeDecodeError as error:
            raise self._wrong("it is no UTF-8") from error
        self._ended = not content
        return bool(content)

    def _wrong(self, why: str) -> AtlasError:
        part = f"{self._list_name}, item {self._n_items:,}" if self._n_items else ""
        return AtlasError(f"{Place(self._path, self._line, part)} is no JSON ({why}).")


def _said(error: json.JSONDecodeError, text: str) -> str:
    if error.pos >= len(text) or "Unterminated" in error.msg:
        return "it ends too early"
    return f"{error.msg}, at {echoed(text[error.pos : error.pos + 20])!r}"
