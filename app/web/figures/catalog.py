"""Which panels of a feature can be drawn, and how each comes from the page.

Takes a built page and the name of a panel, gives the drawing's source. Knows no route.
"""

from collections.abc import Callable
from dataclasses import replace

from app.errors import echoed
from app.web.charts.plot import Chart
from app.web.figures.chart import draw_chart
from app.web.figures.examples_block import Legend, draw_examples
from app.web.figures.frame import Body, Words, framed
from app.web.figures.heat_map import draw_heat_map
from app.web.figures.view import Panel
from app.web.pages.examples.sections import Section
from app.web.pages.feature.page import FeaturePage
from app.web.pages.imported import files_of
from app.web.pages.notebook.words import called
from app.web.urls import feature_url

Draw = Callable[[FeaturePage], Body | None]


def figure_choices(page: FeaturePage) -> list[tuple[Panel, str]]:
    """The panels this page can draw, by name and title, in the order of the page."""
    return [(name, title) for name, (title, has, _) in _PANELS.items() if has(page)]


def draw_figure(page: FeaturePage, panel: Panel, address: str, label: str = "") -> str:
    """The drawing of one panel.

    Args:
        address: where the view is found, printed in the caption.
        label: what somebody called the feature; empty without one.

    Raises:
        LookupError: the feature has nothing to draw in it; a sentence.
    """
    title, _, draw = _PANELS[panel]
    body = draw(page)
    if body is None:
        raise LookupError(
            f"Feature {page.record.feature_index} of {page.sae.address} has nothing to draw as "
            f"{echoed(panel)!r}: its page says why."
        )
    corpus = page.sae.corpus
    name = f"{page.sae.address} #{page.record.feature_index}: {called(label, page.record.short)}"
    imported = page.sae.record.imported
    if imported is None:
        source = (
            f"{address} · corpus {corpus.name}, N = {corpus.n_counted:,} counted tokens in "
            f"{corpus.n_contexts:,} contexts."
        )
    else:
        source = f"{address} · read from {files_of(imported)}."
    return framed(body, Words(f"{name} – {title[0].lower()}{title[1:]}", source))


def source_address(page: FeaturePage, public_url: str) -> str:
    """Where the page of a figure is found: absolute where the server knows its public address."""
    view = page.view.arguments(embed=None)
    return public_url + feature_url(page.sae, page.record.feature_index, view)


def _draw_examples(page: FeaturePage) -> Body | None:
    sections = _sections(page)
    if not sections:
        return None
    panel = page.examples
    of = "pre-activation" if page.view.effect == "hidden_pre" else "activation"
    legend = Legend(panel.scale_end, " or ".join(panel.verbs), of)
    shown = panel.shown
    alone = bool(page.view.example)
    n_all = sum(len(each.examples) for each in sections) if alone else shown.total
    return draw_examples(
        sections, 1 if alone else shown.first, n_all, shown.layout == "aligned", legend
    )


def _sections(page: FeaturePage) -> list[Section]:
    """Those of the page; where the view names one example, that one alone."""
    if not page.view.example:
        return page.sections
    marked = [
        replace(section, examples=[e for e in section.examples if e.marked])
        for section in page.sections
    ]
    return [section for section in marked if section.examples] or page.sections


def _chart(read: Callable[[FeaturePage], Chart | None]) -> Draw:
    def draw(page: FeaturePage) -> Body | None:
        chart = read(page)
        return None if chart is None else draw_chart(chart)

    return draw


def _activation(page: FeaturePage) -> Chart | None:
    return page.activation.chart if page.activation else None


def _logits(page: FeaturePage) -> Chart | None:
    return page.lens.chart if page.lens else None


def _profile(page: FeaturePage) -> Chart | None:
    return page.profile.curve if page.profile else None


def _context(page: FeaturePage) -> Chart | None:
    needed = page.profile.context_needed if page.profile else None
    return needed.curve if needed else None


def _runs(page: FeaturePage) -> Chart | None:
    return page.locality.runs if page.locality else None


def _lift(page: FeaturePage) -> Chart | None:
    return page.locality.lift if page.locality else None


def _positions(page: FeaturePage) -> Chart | None:
    return page.places.positions if page.places else None


def _heat_map(page: FeaturePage) -> Body | None:
    return draw_heat_map(page.profile) if page.profile else None


_PANELS: dict[Panel, tuple[str, Callable[[FeaturePage], object], Draw]] = {
    "examples": ("Examples", lambda page: page.sections, _draw_examples),
    "activation": ("Activation histogram", _activation, _chart(_activation)),
    "logits": ("Histogram of the logits", _logits, _chart(_logits)),
    "profile": ("Ablation by distance", _profile, _chart(_profile)),
    "ablation": ("Ablation profile", lambda page: page.profile, _heat_map),
    "context": ("Context needed", _context, _chart(_context)),
    "runs": ("Run lengths", _runs, _chart(_runs)),
    "lift": ("Lift by distance", _lift, _chart(_lift)),
    "positions": ("Density by position", _positions, _chart(_positions)),
}
"""Title, whether the page has it, and how it is drawn."""
