"""What an atlas lacks because it was made of functions or firings that were given, in sentences.

Takes a dictionary's record; gives what its recipe says. Empty for an ordinary run.
"""

from collections.abc import Mapping
from typing import Any

from app.db.records import SaeRecord

_PANELS = {
    "lens": "logit lens",
    "neighbors": "neighbors",
    "profile": "ablated text",
    "ablated": "ablated text",
}
"""Names of panels, and of what they lack"""


def why_absent(record: SaeRecord, panel: str, group: str = "") -> str:
    """The sentence for a panel that was not given what it takes; empty if that isn't why."""
    absent: Mapping[str, str] = _given(record).get("absent", {})
    name = "near misses" if panel == "sections" and group == "near" else _PANELS.get(panel, "")
    return absent.get(name, "")


def why_no_study(record: SaeRecord, study: str) -> str:
    """The sentence for a study that can't be made of what was given; empty if that isn't why."""
    given = _given(record)
    if not given or study in given.get("studies", ()):
        return ""
    what = "firings" if given.get("saes") else "functions"
    return f"The study {study!r} can't be made of the {what} that were given."


def said(record: SaeRecord) -> list[tuple[str, str]]:
    """(what, in words) rows of the table that tells how a dictionary was run."""
    given = _given(record)
    if not given:
        return []
    rows = []
    if given.get("saes"):
        name = given["saes"].get(record.sae, "")
        rows.append(("Firings from", f"{given['format']}: {given['name']}, {name}"))
    rows += [("Not kept", words) for words in given.get("left_out", [])]
    rows += [("Approximate", words) for words in given.get("approximate", [])]
    rows += [("Absent", sentence) for sentence in given.get("absent", {}).values()]
    return rows


def _given(record: SaeRecord) -> Mapping[str, Any]:
    return record.recipe.get("given") or {}
