"""The panel of examples as one: which group, which band, what of it fits, and the links around it.

Takes a feature's material and the view; reads more contexts only for a band. Says in a sentence why
there is nothing to show. Knows no markup.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from app.db.records import GROUPS
from app.web import text
from app.web.memory import Memory
from app.web.pages.examples.band import BandExamples, load_band
from app.web.pages.examples.choice import BAND, chosen_rows, chosen_sections, split_name
from app.web.pages.examples.near_misses import Sample
from app.web.pages.examples.sections import Shown, build_examples
from app.web.pages.examples.toolbar import Toolbar, build_toolbar
from app.web.pages.feature.material import Material
from app.web.views import FeatureView


@dataclass(frozen=True)
class ExamplesPanel:
    """The panel as printed."""

    group: str
    """group shown: the view's, or that of the example the view names; "band" for a band"""
    shown: Shown
    toolbar: Toolbar
    how: str
    """how to read the texts as they are laid out, in one sentence"""
    verbs: list[str]
    """what was done to a token, for each mode whose effects are shown"""
    scale_end: str
    """what the strongest colour of the text stands for"""
    absent: str
    """why a band shows nothing; empty where it shows something, or where there is no band"""
    drawn: bool
    """whether the examples were drawn from a band, from all firings in it"""


def shown_group(view: FeatureView) -> str:
    """The group an address asks for: an example that is named says its own."""
    named = split_name(view.example)
    if named is not None and named[0] != BAND:
        return named[0]
    return BAND if view.band else view.group


def group_sizes(material: Material) -> dict[str, int]:
    """Stored examples by group; 0 where there are none."""
    return {g: material.groups[g].context_id.size if g in material.groups else 0 for g in GROUPS}


def build_examples_panel(
    connection: Connection,
    material: Material,
    view: FeatureView,
    memory: Memory,
    beside: int = 0,
) -> ExamplesPanel:
    """The panel of one view.

    Args:
        beside: bytes of the page that something else takes from the examples.

    Raises:
        LookupError: the view names an example that is not there; the message is a sentence.
    """
    group = shown_group(view)
    sizes = group_sizes(material)
    band = load_band(connection, material, memory, view.band) if group == BAND else None
    if band is None and group == BAND:
        group = view.group
    _check_example(view.example, sizes, band)
    if band is None:
        sample = Sample.of(material.sae, material.record)
        rows = chosen_rows(material.groups, material.ablations, group)
        chosen = chosen_sections(material.groups, material.ablations, rows, sample)
    else:
        chosen, material = band.sections, band.material
    shown = build_examples(material, chosen, view, beside)
    return ExamplesPanel(
        group,
        shown,
        build_toolbar(
            material.sae,
            material.record.feature_index,
            view,
            shown,
            group,
            sizes,
            "" if band is None else band.label,
        ),
        _how(shown, view),
        [_VERBS[mode] for mode in shown.modes],
        "each example's own largest activation"
        if view.color == "example"
        else text.number(material.record.max_activation),
        "" if band is None else band.absent,
        band is not None and band.n_drawn > 0,
    )


_VERBS = {"delete": "deleting", "replace": "replacing"}


def _how(shown: Shown, view: FeatureView) -> str:
    on = "pre-activation" if view.effect == "hidden_pre" else "activation"
    both = len(shown.modes) == 2
    if shown.layout == "aligned":
        if not shown.modes:
            return "peaks in one column"
        twice = "; first deleting it, then replacing it" if both else ""
        return (
            f"peaks in one column; beneath a text, how changing each token changes the peak's {on}"
            f"{twice}"
        )
    text_words = "its own line breaks" if shown.layout == "lines" else "line breaks shown as ↵"
    if view.window == "whole":
        text_words = f"the whole context, {text_words}"
    if not shown.modes:
        return f"running text with {text_words}"
    twice = ", the upper one of deleting it, the lower of replacing it" if both else ""
    return (
        f"running text with {text_words}; the rule under a token is how changing it changes the "
        f"peak's {on}{twice}"
    )


def _check_example(name: str, sizes: dict[str, int], band: BandExamples | None) -> None:
    named = split_name(name)
    if named is None:
        if name:
            raise LookupError(f"There is no example {name}: ranks are counted from 1.")
        return
    group, row = named
    if group == BAND and (band is None or not band.n_drawn):
        raise LookupError(
            f"There is no example {name}: examples of a band are drawn where the address has a "
            "band and the events stand beside the atlas."
        )
    n = band.n_drawn if group == BAND and band is not None else sizes.get(group, 0)
    if row >= n:
        where = "drawn from this band" if group == BAND else f"in the group {group}"
        raise LookupError(f"This feature has no example {name}: it has {n} {where}.")
