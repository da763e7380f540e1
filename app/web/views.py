"""What a page's address may say after the question mark: one model for each page.

Each argument has one name everywhere and a default that stays out of addresses. Unknown arguments
are refused in a sentence that names the known ones. Knows no query and no template.
"""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.db.records import RankingMode
from app.db.schema import SORTABLE
from app.errors import closest
from app.web.ranges import RangeText, parse_range

Count = Literal["linear", "log"]


class View(BaseModel):
    """Base of all views: frozen, strict about names, and able to say itself as arguments."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, data: Any) -> Any:
        if isinstance(data, dict):
            known = list(cls.model_fields)
            for name in data:
                if name not in known:
                    raise ValueError(
                        f"There is no argument {name!r} here: known are "
                        f"{', '.join(known) or 'none'}."
                    )
        return data

    def arguments(self, **changes: Any) -> list[tuple[str, str]]:
        """The view, with changes, as query arguments; defaults are left out.

        Links that change what a list holds pass `next=None` themselves.
        """
        changed = self.model_copy(update=changes)
        found: list[tuple[str, str]] = []
        for name, field in type(self).model_fields.items():
            value = getattr(changed, name)
            if value == field.get_default(call_default_factory=True):
                continue
            values = value if isinstance(value, tuple | list) else [value]
            found += [(name, str(item)) for item in values]
        return found


class PlainView(View):
    """A page that takes no arguments: the index, the addresses, a random feature."""


class DictionaryView(View):
    """One dictionary's list: its order, its filters, its place."""

    sort: str = "-density"
    """a column, with a minus for descending"""
    density: RangeText = ""
    max_activation: RangeText = ""
    mean_activation: RangeText = ""
    top_token_share: RangeText = ""
    top_token_rate: RangeText = ""
    context_share: RangeText = ""
    ablation_token_effect: RangeText = ""
    run_length: RangeText = ""
    span_fill: RangeText = ""
    decoder_norm: RangeText = ""
    max_logit: RangeText = ""
    dead: Literal["", "yes", "no"] = ""
    """only features that never fired, or only those that did"""
    top_token: str = Field(default="", max_length=200)
    """text of the token with the largest share of the feature's activation"""
    size: int = Field(default=50, ge=1, le=500)
    scale: Count = "linear"
    """counts of the density histogram"""
    next: str | None = Field(default=None, max_length=400)

    sortable: ClassVar[tuple[str, ...]] = ("feature_index", *SORTABLE)

    @field_validator("sort")
    @classmethod
    def _known_sort(cls, value: str) -> str:
        column = value.removeprefix("-")
        if column not in cls.sortable:
            raise ValueError(
                f"Can't sort by {column!r}: choose one of {closest(column, cls.sortable)}, with a "
                "minus before it for descending."
            )
        return value

    @field_validator(*SORTABLE)
    @classmethod
    def _readable_range(cls, value: str) -> str:
        parse_range(value)
        return value

    def ranges(self) -> dict[str, str]:
        """The range filters that are set, as they were written."""
        return {name: getattr(self, name) for name in SORTABLE if getattr(self, name)}

    def filtered(self) -> bool:
        """Whether anything is left out of the list."""
        return bool(self.ranges() or self.dead or self.top_token)


class SearchView(View):
    """A text, what it means, and how to rank the features found."""

    q: str = Field(default="", max_length=500)
    mode: RankingMode | Literal[""] = ""
    """one ranking; empty shows the first of each"""
    sae: str = Field(default="", max_length=200)
    """`model/sae` to search one dictionary"""
    token: tuple[str, ...] = Field(default=(), max_length=64)
    """ids of the tokens meant, `model:id` where the atlas has several models; empty leaves the
    choice to the server"""
    size: int = Field(default=50, ge=1, le=200)
    next: str | None = Field(default=None, max_length=400)


class FeatureView(View):
    """One feature: which examples, how they are drawn."""

    group: Literal["mix", "top", "interval", "quantile", "silent"] = "mix"
    ablation: Literal["delete", "replace", "off"] = "delete"
    scale: Count = "linear"
    """counts of the activation histogram"""
    layout: Literal["aligned", "wrapped"] = "aligned"
    """peaks in one column, or running text with effects as a rule under it"""
    window: Literal["tight", "snippet"] = "snippet"
    """tokens around a peak: twelve before and eight after, or all that are stored"""
    mode: Literal["adjusted", "raw"] = "adjusted"
    """of the logit lens"""
    example: str = Field(default="", pattern=r"^((top|interval|quantile|silent)-\d{1,4})?$")
