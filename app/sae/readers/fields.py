"""Typed access to the settings in a JSON config: absent is None, another type is an AtlasError.

Takes the JSON object and the path it came from (for the sentence). Knows no format.
"""

import json
from math import isfinite
from pathlib import Path
from typing import Any

from app.errors import AtlasError


class Fields:
    """The settings of one JSON object; several names for one thing are tried in order."""

    def __init__(self, values: dict[str, Any], path: Path) -> None:
        self.path = path
        self._values = values

    def section(self, name: str) -> "Fields":
        """A nested object; empty where there is none."""
        value = self._find((name,))
        if value is not None and not isinstance(value, dict):
            raise self._wrong(name, value, "an object")
        return Fields(value or {}, self.path)

    def any(self, *names: str) -> Any:
        """The value as it stands, for settings that come in several types."""
        return self._find(names)

    def text(self, *names: str) -> str | None:
        value = self._find(names)
        if value is not None and not isinstance(value, str):
            raise self._wrong(names[0], value, "a text")
        return value

    def flag(self, *names: str) -> bool | None:
        value = self._find(names)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(names[0], value, "true or false")
        return value

    def number(self, *names: str) -> float | None:
        value = self._find(names)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise self._wrong(names[0], value, "a number")
        return float(value)

    def whole(self, *names: str) -> int | None:
        value = self.number(*names)
        if value is not None and value != int(value):
            raise self._wrong(names[0], value, "a whole number")
        return None if value is None else int(value)

    def told(self, *names: str, default: str = "") -> str:
        """Where a setting comes from, for people: the first of these names that is there.

        `default` says what its absence means.
        """
        for name in names:
            if self._values.get(name) is not None:
                return f"{self.path.name} has {name} = {json.dumps(self._values[name])}"
        return f"{self.path.name} has no {names[0]}" + (f", {default}" if default else "")

    def _find(self, names: tuple[str, ...]) -> Any:
        return next(
            (self._values[name] for name in names if self._values.get(name) is not None), None
        )

    def _wrong(self, name: str, value: Any, expected: str) -> AtlasError:
        return AtlasError(f"{self.path} has {name} = {value!r}, expected {expected}.")
