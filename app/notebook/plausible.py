"""Whether what a file says is what a notebook could hold.

An exported file may have been edited, or written by another program: its names go into addresses,
its times and numbers into columns, its texts onto pages and into databases that don't take every
character. Takes the fields of one line, gives nothing or one sentence. Knows no table.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from app.errors import echoed
from app.notebook.errors import NotAllowed
from app.notebook.limits import LONGEST, SLUG
from app.notebook.records import Action, Kind

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_UID = re.compile("([0-9a-f]{32})?")
_SHAPES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "uid": (_UID, "32 hexadecimal digits"),
    "list_uid": (_UID, "32 hexadecimal digits"),
    "label_uid": (_UID, "32 hexadecimal digits"),
    "model": (SLUG, "the name of a model in addresses"),
    "sae": (SLUG, "the name of a dictionary in addresses"),
    "slug": (SLUG, "the address of a list"),
    "created_at": (TIME, "a time such as 2026-03-01T12:00:00.000Z"),
    "changed_at": (TIME, "a time such as 2026-03-01T12:00:00.000Z"),
    "at": (TIME, "a time such as 2026-03-01T12:00:00.000Z"),
}
_LENGTHS: Mapping[tuple[str, str], str] = {
    ("label", "text"): "label", ("label", "reading"): "reading", ("note", "text"): "note",
    ("list", "title"): "title", ("list", "text"): "description", ("entry", "remark"): "remark",
}  # fmt: skip
_NUMBERS = ("version", "feature_index")
_OF_REVISION: Mapping[str, tuple[str, ...]] = {
    "kind": (*get_args(Kind), "shown", "star"), "action": get_args(Action),
}  # fmt: skip
_LOOSE = ("uid", "model", "sae")
"""In the history a choice is called by its feature, and a list is about no dictionary"""
_MOST_OTHER = 600
"""Characters of any other text"""
_MOST_JSON = 200_000
"""Characters of all texts of a version in the history, or of the evidence of a label"""


def check_fields(kind: str, fields: Mapping[str, Any]) -> None:
    """The fields of a thing, a choice, a star or a change in the history.

    Args:
        kind: `label`, `note`, `list`, `entry`, `shown`, `star` or `revision`.

    Raises:
        NotAllowed: one can't be kept; the rest of a sentence that begins with the line.
    """
    for name, held in fields.items():
        if kind == "revision" and name in _OF_REVISION:
            if held not in _OF_REVISION[name]:
                raise NotAllowed(f"its {name} is {echoed(held)!r}.")
        elif name in _SHAPES and not (kind == "revision" and name in _LOOSE):
            shape, said = _SHAPES[name]
            if not isinstance(held, str) or not shape.fullmatch(held):
                raise NotAllowed(f"its {name} {echoed(held)!r} is not {said}.")
        elif name in _NUMBERS:
            nothing = held is None and name == "feature_index" and kind == "revision"
            if not nothing and (type(held) is not int or not 0 <= held < 2**31):
                raise NotAllowed(f"its {name} {echoed(held)!r} is no number that can be kept.")
        elif isinstance(held, Mapping):
            _check_text(name, "".join(_texts_in(held)), _MOST_JSON)
        elif isinstance(held, str):
            _check_text(name, held, LONGEST.get(_LENGTHS.get((kind, name), ""), _MOST_OTHER))
        elif not isinstance(held, bool | float | int | None):
            raise NotAllowed(f"its {name} is {type(held).__name__}.")


def _texts_in(value: Any) -> Iterator[str]:
    """Every text in a JSON value, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, held in value.items():
            yield from (name, *_texts_in(held))
    elif isinstance(value, list):
        for held in value:
            yield from _texts_in(held)


def _check_text(name: str, held: str, most: int) -> None:
    if len(held) > most:
        raise NotAllowed(f"its {name} has {len(held):,} characters; {most:,} are the most.")
    if "\x00" in held or any("\ud800" <= c <= "\udfff" for c in held):
        raise NotAllowed(f"its {name} holds a character that is no text (U+0000 or half of one).")
