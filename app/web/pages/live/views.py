"""What the addresses of the live pages may say after the question mark.

A text stands in them compressed (`text`); `plain` is what a form sends, and leads to the same page
under `text`. Knows no model and no template.
"""

import math
import re
from itertools import zip_longest
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from app.errors import echoed
from app.live.protocol import Change
from app.web.pages.live.packed_text import MOST_PACKED, pack_text, unpack_text
from app.web.urls import SLUG
from app.web.views import View


def _readable(packed: str) -> str:
    unpack_text(packed)
    return packed


PackedText = Annotated[str, Field(max_length=MOST_PACKED), AfterValidator(_readable)]
_WRITTEN = rf"^{SLUG}/{SLUG}/[0-9]{{1,9}}:(add|clamp):-?[0-9]{{1,6}}(\.[0-9]{{1,6}})?$"


class TextView(View):
    """A page about a text."""

    plain: str = Field(default="", max_length=40_000)
    """the text as a form sends it"""
    text: PackedText = ""
    """the text, compressed (zlib, base64url)"""

    @model_validator(mode="after")
    def _packable(self) -> Self:
        if self.plain:
            pack_text(self.typed)
        return self

    @property
    def typed(self) -> str:
        """The text itself; forms send line ends as two characters, of which one was typed."""
        if self.plain:
            return self.plain.replace("\r\n", "\n")
        return unpack_text(self.text)

    def packed(self) -> list[tuple[str, str]]:
        """The same view with its text compressed."""
        return self.arguments(plain="", text=pack_text(self.typed))


class TryView(TextView):
    """A text on one feature, and what is measured of one of its tokens."""

    context: int | None = Field(default=None, ge=0, le=2**31)
    """instead of a text: a stored context of the corpus"""
    position: int | None = Field(default=None, ge=0, le=10_000_000)
    """the token looked at; by default the strongest"""
    measure: Literal["", "ablation", "context", "blocks", "pairs", "minimal"] = ""
    """what is measured of it"""


class TopView(TextView):
    """The features that fire on a text."""

    sae: str = Field(default="", max_length=200)
    """`model/sae`; empty looks at all dictionaries of the atlas' first live model"""
    start: int | None = Field(default=None, ge=0, le=10_000_000)
    """first token looked at"""
    stop: int | None = Field(default=None, ge=0, le=10_000_000)
    """token behind the last"""
    sort: Literal["activation", "share", "rarity"] = "activation"
    dense: Literal["all", "10%", "1%"] = "all"
    """features that fire on more of the corpus are hidden"""
    size: int = Field(default=50, ge=1, le=200)


class SteerView(TextView):
    """A text continued with and without some features changed."""

    change: tuple[Annotated[str, Field(json_schema_extra={"pattern": _WRITTEN})], ...] = Field(
        default=(), max_length=9, examples=[["m/s/12:add:8.5"]]
    )
    """`model/sae/number:add:strength` or `…:clamp:…`, in units of the activation; repeatable"""
    seed: int = Field(default=0, ge=0, lt=2**31)
    temperature: float = Field(default=1.0, ge=0, le=5, allow_inf_nan=False)
    """0 always takes the likeliest token"""
    n_tokens: int = Field(default=32, ge=1, le=256)
    """most tokens written"""
    positions: Literal["end", "all"] = "end"
    """changed are the prompt's last token and all that is written, or every token but the first"""
    sae: tuple[str, ...] = Field(default=(), max_length=9)
    """with `feature`, `how` and `strength`: changes as a form sends them, one after the other;
    the address they lead to has them as `change`"""
    feature: tuple[str, ...] = Field(default=(), max_length=9)
    """numbers; a row without one changes nothing"""
    how: tuple[str, ...] = Field(default=(), max_length=9)
    strength: tuple[str, ...] = Field(default=(), max_length=9)

    @model_validator(mode="after")
    def _readable_rows(self) -> Self:
        self.written()
        return self

    @property
    def sent(self) -> bool:
        """Whether a form sent it: then the address to keep is another."""
        return bool(self.plain or self.sae or self.feature or self.how or self.strength)

    def written(self) -> tuple[str, ...]:
        """Every change as an address writes it."""
        rows = zip_longest(self.sae, self.feature, self.how, self.strength, fillvalue="")
        return (*self.change, *(_written(*row) for row in rows if row[1].strip()))

    def packed(self) -> list[tuple[str, str]]:
        """The same view with its text compressed and its rows as changes."""
        rows = {"sae": (), "feature": (), "how": (), "strength": ()}
        text = pack_text(self.typed)
        return self.arguments(plain="", text=text, change=self.written(), **rows)

    @field_validator("change")
    @classmethod
    def _readable_changes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        kept = tuple(item.strip() for item in value if item.strip())
        for item in kept:
            parse_change(item)
        return kept

    def changes(self) -> list[Change]:
        """What is changed, in order."""
        return [parse_change(item) for item in self.change]


def _written(sae: str, feature: str, how: str, strength: str) -> str:
    """One row of the form as an address writes it.

    Raises:
        ValueError: it can't be read.
    """
    if not strength.strip():
        raise ValueError(
            f"The strength of feature {echoed(feature)} is missing: a number in units of its "
            "activation."
        )
    written = f"{sae}/{feature.strip()}:{how}:{strength.strip()}"
    parse_change(written)
    return written


_CHANGE = re.compile(r"([a-z0-9-]+/[a-z0-9-]+)/(\d{1,9}):(add|clamp):([^:]{1,20})")


def parse_change(text: str) -> Change:
    """One feature changed, as an address writes it.

    Raises:
        ValueError: it is written otherwise.
    """
    found = _CHANGE.fullmatch(text)
    try:
        strength = float(found[4]) if found else math.nan
    except ValueError:
        strength = math.nan
    if found is None or not abs(strength) <= 1e6:
        raise ValueError(
            f"{echoed(text)!r} is no change of a feature: write model/sae/number:add:strength or "
            "model/sae/number:clamp:strength, such as pystdlib/resid-2-4k/12:add:8.5."
        )
    how: Literal["add", "clamp"] = "add" if found[3] == "add" else "clamp"
    return Change(sae=found[1], feature_index=int(found[2]), how=how, strength=strength)


def format_change(sae: str, feature_index: int, how: str, strength: float) -> str:
    """A change as an address writes it."""
    return f"{sae}/{feature_index}:{how}:{strength:.4g}"
