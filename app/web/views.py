"""What a page's address may say after the question mark: one model for each page.

Each argument has one name everywhere and a default that stays out of addresses. Unknown arguments
are refused in a sentence that names the known ones. Knows no query and no template.
"""

from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from app.db.records import LivesAs, RankingMode
from app.db.schema import SORTABLE
from app.errors import closest, echoed
from app.web.embed import parse_embed
from app.web.feature_numbers import Named, parse_features, parse_named
from app.web.ranges import IndexText, RangeText, parse_indices, parse_range

Count = Literal["linear", "log"]
LISTABLE = ("top_tokens", "sparkline", "ablation_strip", "lives_as", *SORTABLE)
"""Columns a list of features can show beside its number and short form"""


def _known_column(value: str) -> str:
    if value not in SORTABLE:
        raise ValueError(
            f"There is no column {echoed(value)!r} to draw: choose one of "
            f"{closest(value, SORTABLE)}."
        )
    return value


Column = Annotated[
    str, AfterValidator(_known_column), Field(json_schema_extra={"enum": list(SORTABLE)})
]
"""Name of a column that can be drawn"""


def _known_point_column(value: str) -> str:
    return value if value in ("map_x", "map_y") else _known_column(value)


PointColumn = Annotated[
    str,
    AfterValidator(_known_point_column),
    Field(json_schema_extra={"enum": ["map_x", "map_y", *SORTABLE]}),
]
"""The same, or a coordinate of the map of directions"""


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
                        f"There is no argument {echoed(name)!r} here: known are "
                        f"{', '.join(known) or 'none'}."
                    )
        return data

    def arguments(self, **changes: Any) -> list[tuple[str, str]]:
        """The view, with changes, as query arguments; defaults are left out.

        Links that change what a list holds pass `next=None` themselves.
        """
        changed = self.__dict__ | changes
        found: list[tuple[str, str]] = []
        for name, default in _defaults(type(self)).items():
            value = changed[name]
            if value == default:
                continue
            values = value if isinstance(value, tuple | list) else [value]
            found += [(name, str(item)) for item in values]
        return found


@cache
def _defaults(view: type[View]) -> dict[str, Any]:
    """What each argument of a view is where nothing is said; asked for by every link of a page."""
    fields = view.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields}


class PlainView(View):
    """A page that takes no arguments: the index, the addresses, a random feature."""


class ListView(View):
    """A list of features somebody made, or one's stars."""

    start: int = Field(default=0, ge=0, le=100_000)
    """features before the first one shown, where not all fit on a page"""


class DictionaryView(View):
    """One dictionary's list: its order, its filters, its place."""

    sort: str = Field(
        default="-density",
        json_schema_extra={"pattern": f"^-?(feature_index|{'|'.join(SORTABLE)})$"},
    )
    """a column, with a minus for descending"""
    density: RangeText = ""
    n_active: RangeText = ""
    n_contexts_active: RangeText = ""
    max_activation: RangeText = ""
    mean_activation: RangeText = ""
    std_activation: RangeText = ""
    skewness: RangeText = ""
    kurtosis: RangeText = ""
    top_token_share: RangeText = ""
    top_token_rate: RangeText = ""
    context_share: RangeText = ""
    ablation_token_effect: RangeText = ""
    run_length: RangeText = ""
    span_fill: RangeText = ""
    region_lift: RangeText = ""
    near_share: RangeText = ""
    smoothed_share: RangeText = ""
    max_logit: RangeText = ""
    decoder_norm: RangeText = ""
    encoder_decoder_cosine: RangeText = ""
    position_zero_n_active: RangeText = ""
    position_zero_max: RangeText = ""
    nearest_cosine: RangeText = ""
    times_nearest: RangeText = ""
    neuron_share: RangeText = ""
    encoder_norm: RangeText = ""
    delta_ce: RangeText = ""
    kl: RangeText = ""
    pair_interaction: RangeText = ""
    feature_index: IndexText = ""
    """numbers of features and ranges of them, between commas"""
    dead: Literal["", "yes", "no"] = ""
    """only features that never fired, or only those that did"""
    lives_as: LivesAs = ""
    """only point-like features (four of five runs a single token), or region-like ones (spans at
    least half full, runs two tokens long on average); five cases behind either"""
    top_token: str = Field(default="", max_length=200)
    """text of the token with the largest share of the feature's activation"""
    contains: str = Field(default="", max_length=200)
    """text in the feature's summary, its labels or among its listed tokens, whatever the case"""
    has: Literal["", "label", "note", "star"] = ""
    """only features that somebody labelled, wrote a note on, or starred"""
    columns: str = Field(
        default="",
        max_length=600,
        json_schema_extra={"pattern": f"^(({'|'.join(LISTABLE)})(,|$))*$"},
    )
    """columns the table shows, between commas; empty shows the usual ones"""
    size: int = Field(default=50, ge=1, le=500)
    scale: Count = "linear"
    """counts of the density histogram"""
    x: Column = "density"
    """column across the scatter"""
    y: Column = "max_activation"
    """column up the scatter"""
    next: str | None = Field(default=None, max_length=400)

    sortable: ClassVar[tuple[str, ...]] = ("feature_index", *SORTABLE)

    @field_validator("sort")
    @classmethod
    def _known_sort(cls, value: str) -> str:
        column = value.removeprefix("-")
        if column not in cls.sortable:
            raise ValueError(
                f"Can't sort by {echoed(column)!r}: choose one of "
                f"{closest(column, cls.sortable)}, with a minus before it for descending."
            )
        return value

    @field_validator(*SORTABLE)
    @classmethod
    def _readable_range(cls, value: str) -> str:
        parse_range(value)
        return value

    @field_validator("feature_index")
    @classmethod
    def _readable_indices(cls, value: str) -> str:
        if value:
            parse_indices(value)
        return value

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, value: str) -> str:
        for name in filter(None, value.split(",")):
            if name not in LISTABLE:
                raise ValueError(
                    f"There is no column {echoed(name)!r} to list: choose of "
                    f"{closest(name, LISTABLE)}."
                )
        return value

    def ranges(self) -> dict[str, str]:
        """The range filters that are set, as they were written."""
        return {name: getattr(self, name) for name in SORTABLE if getattr(self, name)}

    def filters(self) -> dict[str, str]:
        """Every filter that is set, by the name of its argument."""
        others = ("feature_index", "dead", "lives_as", "top_token", "contains", "has")
        return self.ranges() | {name: getattr(self, name) for name in others if getattr(self, name)}

    def filtered(self) -> bool:
        """Whether anything is left out of the list."""
        return bool(self.filters())


class DictionaryForm(DictionaryView):
    """The same as people type it: what can't be read is kept, to be said beside its field."""

    @field_validator(*SORTABLE)
    @classmethod
    def _readable_range(cls, value: str) -> str:
        return value

    @field_validator("feature_index")
    @classmethod
    def _readable_indices(cls, value: str) -> str:
        return value

    def problems(self) -> dict[str, str]:
        """A sentence for each argument that can't be read, in the order of the arguments."""
        found: dict[str, str] = {}
        for name in (*SORTABLE, "feature_index"):
            read = parse_indices if name == "feature_index" else parse_range
            if typed := getattr(self, name):
                try:
                    read(typed)
                except ValueError as error:
                    found[name] = str(error)
        return found

    def readable(self) -> DictionaryView:
        """The view without what can't be read."""
        return DictionaryView.model_validate(self.__dict__ | dict.fromkeys(self.problems(), ""))


class SearchView(View):
    """A text, what it means, and how to rank the features found."""

    q: str = Field(default="", max_length=500)
    """what is searched; /-/search says how it is read"""
    mode: RankingMode | Literal["examples", "summaries", "labels", ""] = ""
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

    group: Literal["mix", "top", "interval", "quantile", "silent", "near"] = "mix"
    ablation: Literal["delete", "replace", "both", "off"] = "delete"
    effect: Literal["activation", "hidden_pre"] = "activation"
    """what effects of changed texts are measured on: the activation, or the value before ReLU,
    threshold or top-k"""
    scale: Count = "linear"
    """counts of the activation histogram"""
    layout: Literal["aligned", "wrapped", "lines"] = "aligned"
    """peaks in one column, running text with effects as a rule under it, or the same with the
    text's own line breaks"""
    window: Literal["tight", "snippet", "whole"] = "snippet"
    """tokens around a peak: twelve before and eight after, all of the stored window, or the whole
    context"""
    color: Literal["feature", "example"] = "feature"
    """what the strongest colour stands for: the feature's largest activation, or the example's"""
    band: RangeText = ""
    """only examples with an activation in this range, as a bar of the histogram links to"""
    mode: Literal["adjusted", "raw"] = "adjusted"
    """of the logit lens"""
    start: int = Field(default=0, ge=0, le=10_000)
    """examples of the group before the first one shown, where not all fit on a page"""
    example: str = Field(
        default="", pattern=r"^((top|interval|quantile|silent|near|band)-\d{1,4})?$"
    )
    """one example by its group (or the band's draw) and rank, opened with every value"""
    reading: str = Field(default="", max_length=400)
    """what the feature is believed to fire on, to be tested against its firings"""
    order: Literal["strongest", "weakest", "drawn", "corpus"] = "strongest"
    """of the reading's counterexamples"""
    embed: str | None = Field(default=None, max_length=200, examples=["summary,activation"])
    """panels for an inline frame, separated by commas; the bare word shows summary, activation and
    examples, without it the address is the whole page"""

    @field_validator("band")
    @classmethod
    def _readable_band(cls, value: str) -> str:
        parse_range(value)
        return value

    @field_validator("embed")
    @classmethod
    def _known_panels(cls, value: str | None) -> str | None:
        return None if value is None else ",".join(parse_embed(value))


class FileView(View):
    """A feature as one file, and what people wrote that goes with it."""

    labels: Literal["", "yes"] = ""
    """its labels, with their readings and who wrote them"""
    notes: Literal["", "yes"] = ""
    """the notes on it"""


class CompareView(View):
    """A few features side by side, of one dictionary or of several of a model."""

    features: str = Field(
        default="",
        examples=["3,17"],
        json_schema_extra={"pattern": "^([a-z0-9-]+:)?[0-9]{1,9}(,([a-z0-9-]+:)?[0-9]{1,9}){1,3}$"},
    )
    """two to four feature numbers, between commas; those of another dictionary of the model as
    `sae:number`"""
    axis: Literal["share", "absolute"] = "share"
    """of the histograms: activation as a share of each feature's own maximum, or as it is"""
    scale: Count = "linear"
    """of the histograms' heights"""

    def named(self) -> list[Named]:
        """The features in the order they were named.

        Raises:
            ValueError: there are not two to four.
        """
        return parse_named(self.features)

    def indices(self) -> list[int]:
        """The same, of one dictionary alone.

        Raises:
            ValueError: there are not two to four, or one is of another dictionary.
        """
        return parse_features(self.features)


class ContextView(View):
    """One whole context: the token looked at, and a feature to follow through it."""

    position: int | None = Field(default=None, ge=0, le=10_000_000)
    """of the token looked at; without it, the strongest firing of the feature followed, else the
    token that is reconstructed worst"""
    feature: int | None = Field(default=None, ge=0, le=2**31)
    """feature_index whose activation colours the text"""
    shade: Literal["activation", "error", "count"] = "activation"
    """what shades the text: the feature followed (the error, where none is), the reconstruction
    error, or how many features fire on the token"""


class PointsView(View):
    """One dictionary as points: a number across, one up, one for colour."""

    x: PointColumn = "density"
    y: PointColumn = "max_activation"
    color: PointColumn | Literal[""] = ""
    """column of a third number for each feature; empty for none"""


class RegionsView(View):
    """Features ranked by how they fill their spans."""

    sort: Literal["-span_fill", "-run_length", "-region_lift", "-smoothed_share", "-near_share"] = (
        "-span_fill"
    )
    all: bool = False
    """not only region candidates"""
    size: int = Field(default=20, ge=1, le=100)
    next: str | None = None
    """the token of the page before"""


class ConnectionsView(View):
    """Connections of a dictionary; there is nothing to choose."""


class WalkView(View):
    """The graph around one feature."""

    size: int = Field(default=8, ge=1, le=20)
    """features of each dictionary, the strongest"""


class EffectsView(View):
    """Which features matter to the model, by what is lost without them."""

    measure: Literal["delta_ce", "kl"] = "delta_ce"
    """change of the next token's cross-entropy, or KL of its distribution"""
    per: Literal["firing", "token"] = "firing"
    """what ranks the list: a feature's mean over its firings, or that times its density"""
    size: int = Field(default=20, ge=1, le=500)


class CombinedView(View):
    """Features by the strongest interaction of two tokens before their peaks."""

    kind: Literal["alternative", "conjunction"] = "alternative"
    size: int = Field(default=20, ge=1, le=100)
    next: str | None = None
    """the token of the page before"""


class MapView(View):
    """The map of directions: what colours it, what is marked on it, what part of it is seen."""

    q: str = Field(default="", max_length=200)
    """text of a token; the features that fire on it are marked"""
    color: Column = "max_activation"
    feature: int | None = Field(default=None, ge=0, le=2**31)
    """feature_index that is marked"""
    at: str = Field(default="", pattern=r"^((-?\d+(\.\d+)?,){2}\d+(\.\d+)?)?$", max_length=60)
    """place in the middle and zoom, "0.5,0.5,1" for the whole; from the left and from the top, as
    shares of the map"""
