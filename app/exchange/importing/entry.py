"""One JSON object from a file, its fields by type: absent is None, another type is an AtlasError.

Takes the bytes and the place they stand at, which every sentence names. Numbers are finite and fit
a float of four bytes; texts can be stored: NUL characters go, and half of a character becomes
U+FFFD. `app.sae.readers.fields` does the same for a config. Knows no format.
"""

import json
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as np
from jaxtyping import Float

from app.errors import AtlasError, echoed
from app.exchange.importing.text_files import Place

LARGEST = 3.4e38
"""what four bytes hold"""
Value = TypeVar("Value")
_TO_STORE = dict.fromkeys(range(0xD800, 0xE000), "\ufffd") | {0: ""}


def parse(content: bytes, place: Place) -> "Entry":
    """The object a line or a file holds."""
    try:
        value = json.loads(content)
    except UnicodeDecodeError as error:
        raise AtlasError(
            f"{place} is no UTF-8 (byte {error.start + 1:,}); write the file again as UTF-8."
        ) from error
    except json.JSONDecodeError as error:
        raise AtlasError(f"{place} is no JSON ({error.msg}, column {error.colno:,}).") from error
    except (ValueError, RecursionError) as error:
        raise AtlasError(f"{place} is no JSON that can be read ({echoed(error)}).") from error
    if not isinstance(value, dict):
        raise AtlasError(f"{place} holds a {_kind(value)}, expected an object.")
    return Entry(value, place)


class Entry:
    """The fields of one object. A field that is null is absent."""

    def __init__(self, values: dict[str, Any], place: Place) -> None:
        self.place = place
        self._values = values

    def has(self, *names: str) -> bool:
        """Whether any of them is there and not null."""
        return any(self._values.get(name) is not None for name in names)

    def names(self) -> list[str]:
        return list(self._values)

    def section(self, name: str) -> "Entry":
        """A nested object; empty where there is none."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, dict):
            self.wrong(name, value, "an object")
        return Entry(value or {}, self.place.inside(name))

    def any(self, name: str) -> Any:
        """The value as it stands, for fields that come in several types."""
        return self._values.get(name)

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            self.wrong(name, value, "a text")
        return None if value is None else storable(value)

    def flag(self, name: str) -> bool | None:
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            self.wrong(name, value, "true or false")
        return value

    def number(self, name: str, least: float = -LARGEST, most: float = LARGEST) -> float | None:
        value = self._values.get(name)
        if value is None:
            return None
        if type(value) not in (int, float):
            self.wrong(name, value, "a number")
        if not least <= value <= most:
            self.wrong(name, value, _between(least, most))
        return float(value)

    def whole(self, name: str, least: int = 0) -> int | None:
        """An integer, also one written as 3.0 or "3"."""
        value = written = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
            value = int(value)
        expected = f"a whole number from {least} on"
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(name, written, expected)
        if not least <= value < 2**31 or value != int(value):
            self.wrong(name, written, expected)
        return int(value)

    def numbers(self, name: str) -> Float[np.ndarray, " n"] | None:
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            self.wrong(name, value, "a list of numbers")
        if not set(map(type, value)) <= {int, float}:
            at = next(i for i, held in enumerate(value) if type(held) not in (int, float))
            self.wrong(f"{name}[{at}]", value[at], "a number")
        try:
            numbers = np.array(value, np.float64)
        except OverflowError:
            at = next(i for i, held in enumerate(value) if abs(held) > LARGEST)
            self.wrong(f"{name}[{at}]", value[at], "a finite number")
        bad = ~(np.abs(numbers) <= LARGEST)
        if bad.any():
            at = int(bad.argmax())
            self.wrong(f"{name}[{at}]", value[at], "a finite number")
        return numbers

    def numbers_or_none(self, name: str) -> Float[np.ndarray, " n"] | None:
        """The same where single ones may be null, which is NaN here."""
        value = self._values.get(name)
        if not isinstance(value, list) or None not in value:
            return self.numbers(name)
        known = Entry({name: [0 if held is None else held for held in value]}, self.place)
        numbers = known.need(known.numbers, name)
        numbers[[held is None for held in value]] = np.nan
        return numbers

    def wholes(self, name: str) -> list[int] | None:
        numbers = self.numbers(name)
        if numbers is None:
            return None
        bad = (numbers != np.floor(numbers)) | (numbers < 0) | (numbers >= 2**31)
        if bad.any():
            at = int(bad.argmax())
            self.wrong(f"{name}[{at}]", self._values[name][at], "a whole number from 0 on")
        return numbers.astype(np.int64).tolist()

    def texts(self, name: str) -> list[str] | None:
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            self.wrong(name, value, "a list of texts")
        if not set(map(type, value)) <= {str}:
            at = next(i for i, held in enumerate(value) if not isinstance(held, str))
            self.wrong(f"{name}[{at}]", value[at], "a text")
        # Looked at all at once: nearly every list is fine as it stands.
        return value if is_storable("".join(value)) else [storable(held) for held in value]

    def plain(self, *names: str) -> dict[str, Any]:
        """Those of the fields that are a text, a number, a truth value or a list of texts."""
        found: dict[str, Any] = {}
        for name in names:
            value = self._values.get(name)
            if isinstance(value, str):
                found[name] = storable(value)
            elif isinstance(value, bool) or (
                isinstance(value, int | float) and abs(value) <= LARGEST
            ):
                found[name] = value
            elif isinstance(value, list) and value and set(map(type, value)) <= {str}:
                found[name] = [storable(held) for held in value]
        return found

    def entries(self, name: str) -> "list[Entry]":
        """The objects of a list, each with its own place; none where the list is absent."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(held, dict) for held in value):
            self.wrong(name, value, "a list of objects")
        return [Entry(held, self.place.inside(f"{name}[{at}]")) for at, held in enumerate(value)]

    def need(self, read: Callable[[str], Value | None], name: str) -> Value:
        """What `read` finds under a name that must be there."""
        value = read(name)
        if value is None:
            raise AtlasError(f"{self.place} has no {name}, which this format needs.")
        return value

    def same_length(self, first: str, n_first: int, second: str, n_second: int) -> None:
        if n_first != n_second:
            raise AtlasError(
                f"{self.place} has {n_first:,} {first} and {n_second:,} {second}, expected as "
                "many of the one as of the other."
            )

    def wrong(self, name: str, value: object, expected: str) -> NoReturn:
        raise AtlasError(
            f"{self.place} has {echoed(name)} = {echoed(_written(value))}, expected {expected}."
        )


def storable(text: str) -> str:
    """A text a database can hold."""
    return text if is_storable(text) else text.translate(_TO_STORE)


def is_storable(text: str) -> bool:
    """Whether a database can hold it as it stands."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _written(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except ValueError:
        return "a number of thousands of digits"


def _between(least: float, most: float) -> str:
    if least == -LARGEST:
        return "a finite number"
    return f"a number from {least:g} on" if most == LARGEST else f"{least:g} to {most:g}"


def _kind(value: object) -> str:
    names = {list: "list", str: "text", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number")
