"""The switches above the examples: each choice is an address of the page with one thing changed.

Takes the view as it is shown and how many examples each group has, gives links. They work without
scripts; `switch-in-place.js` follows them without leaving the page. Knows no example.
"""

from dataclasses import dataclass
from typing import Any

from app.db.catalog import Sae
from app.web.pages.examples.sections import Shown
from app.web.urls import feature_url
from app.web.views import FeatureView

GROUP_LABELS = {
    "mix": "Mix",
    "top": "Top",
    "interval": "Intervals",
    "quantile": "Quantiles",
    "silent": "Silent",
    "near": "Near misses",
}
_WINDOWS = {
    "tight": ("Tight", "12 tokens before the peak and 8 after"),
    "snippet": ("Snippet", "47 tokens before the peak and 16 after"),
    "whole": ("Whole", "the whole context, as running text"),
}
_LAYOUTS = {
    "aligned": ("Aligned", "every peak in one column"),
    "wrapped": ("Wrapped", "running text; line breaks shown as ↵"),
    "lines": ("Lines", "running text with its own line breaks"),
}
_ABLATIONS = {
    "delete": ("Delete", "the text without the token"),
    "replace": ("Replace", "another token drawn from the corpus in its place"),
    "both": ("Both", "delete and replace, one under the other"),
    "off": ("Off", "no ablated text"),
}
_EFFECTS = {
    "activation": ("Activation", "effects on the peak's activation"),
    "hidden_pre": ("Pre-activation", "effects on the value before ReLU, threshold or top-k"),
}
_COLORS = {
    "feature": ("Feature", "the strongest colour is the feature's largest activation"),
    "example": ("Example", "the strongest colour is each example's own largest activation"),
}


@dataclass(frozen=True)
class Option:
    """One choice of a switch."""

    label: str
    url: str
    current: bool
    title: str = ""
    count: int | None = None


@dataclass(frozen=True)
class Switch:
    """Choices of which one holds."""

    name: str
    """tells switches apart, so that the focus finds its way back"""
    label: str
    options: list[Option]


@dataclass(frozen=True)
class Toolbar:
    """Everything above and below the examples that leads to another view of them."""

    groups: Switch
    options: list[Switch]
    band: str
    """borders of the band shown; empty without one"""
    without_band: str
    """address of the view without it"""
    next_url: str
    """the examples that did not fit; empty at the end"""
    first_url: str
    """back to the first ones; empty there"""


def build_toolbar(
    sae: Sae,
    feature_index: int,
    view: FeatureView,
    shown: Shown,
    group: str,
    sizes: dict[str, int],
    band: str,
) -> Toolbar:
    """The links of one view.

    Args:
        group: the group shown, which an example named in the address may have chosen.
        band: label of the band shown; "" for none, which drops a band the view doesn't show.
    """
    seen = view.model_copy(update={} if band else {"band": ""})

    def link(**changes: Any) -> str:
        return f"{feature_url(sae, feature_index, seen.arguments(**changes))}#examples"

    def switch(name: str, label: str, argument: str, words: dict[str, tuple[str, str]]) -> Switch:
        current = shown.layout if argument == "layout" else getattr(view, argument)
        return Switch(
            name,
            label,
            [
                Option(words[value][0], link(**_changes(view, argument, value)), value == current,
                       words[value][1])
                for value in words
            ],
        )  # fmt: skip

    imported = sae.record.imported is not None
    groups = [
        Option(
            label,
            link(group=value, example="", band="", start=0),
            not band and value == group,
            count=sizes.get(value),
        )
        for value, label in GROUP_LABELS.items()
        if not imported or value in ("mix", group) or sizes.get(value)
    ]
    options = [
        switch("text", "Text", "layout", _LAYOUTS),
        switch("window", "Window", "window", _WINDOWS),
    ]
    if not imported:
        options.append(switch("ablation", "Ablation", "ablation", _ABLATIONS))
    if view.ablation != "off" and not imported:
        options.append(switch("effect", "on", "effect", _EFFECTS))
    options.append(switch("color", "Colour by", "color", _COLORS))
    return Toolbar(
        Switch("group", "Group of examples", groups),
        options,
        band,
        link(band="", start=0, example="") if band else "",
        "" if shown.next_start is None else link(start=shown.next_start, example=""),
        link(start=0, example="") if shown.first > 1 else "",
    )


def example_arguments(view: FeatureView, name: str) -> list[tuple[str, str]]:
    """The view with one example opened: its name says its group, or that a band is its source."""
    changes: dict[str, Any] = {"example": name, "group": "mix", "start": 0}
    if not name.startswith("band-"):
        changes["band"] = ""
    return view.arguments(**changes)


def _changes(view: FeatureView, argument: str, value: str) -> dict[str, Any]:
    """What a choice changes: a whole context never stands in one line."""
    if argument == "layout" and value == "aligned" and view.window == "whole":
        return {"layout": value, "window": "snippet"}
    return {argument: value}
