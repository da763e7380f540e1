"""Where a feature lives: runs of firings, lift over distance, places in contexts and documents.

Takes a feature's material, reports its numbers; knows no query.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.db.records import FeatureRecord, LocalityPanel, PlacesPanel
from app.stats.flicker import NEAR
from app.stats.smoothing import REACH
from app.stats.summary_facts import lives_as
from app.web import text
from app.web.charts.columns import Series, bars_over, columns, curves
from app.web.charts.plot import Chart
from app.web.charts.scales import Tick
from app.web.pages.examples.near_misses import Sample
from app.web.pages.feature.material import Material

_POSITION_BARS = 24


@dataclass(frozen=True)
class Flicker:
    """A share of how it flickers inside spans, as printed."""

    value: str
    counts: str


@dataclass(frozen=True)
class Locality:
    """Runs and lift as printed."""

    sentence: str
    flicker: Flicker | None
    """None where no silent token inside a span is in the sample, or no threshold is its own"""
    smoothed: Flicker | None
    """how many of its switches smoothing takes away; None where the study was skipped or nothing
    switches"""
    runs: Chart
    lift: Chart


@dataclass(frozen=True)
class DocumentRow:
    """One document with its firings."""

    name: str
    counts: str
    rate: str
    bar: float
    """percent of the bar's width, 0 to 100, relative to the highest rate listed"""


@dataclass(frozen=True)
class Places:
    """Positions and documents as printed."""

    positions: Chart
    position_zero: str
    documents: list[DocumentRow]
    n_documents: str


def build_locality(material: Material) -> Locality | None:
    """Runs and lift, or None where the feature never fired."""
    panel = material.panels.locality
    if panel is None or panel.n_runs == 0:
        return None
    return Locality(
        _sentence(panel),
        _flicker(material, panel),
        _smoothed(material.record),
        _run_chart(panel),
        _lift_chart(panel),
    )


def build_places(material: Material) -> Places | None:
    """Positions and documents, or None where the feature never fired."""
    panel = material.panels.places
    if panel is None or int(panel.position_n_active.sum()) == 0:
        return None
    return Places(
        _position_chart(panel),
        _position_zero(material),
        _documents(material, panel),
        f"{panel.n_documents_active:,} of {material.sae.corpus.n_documents:,}",
    )


def _sentence(panel: LocalityPanel) -> str:
    lift = float(panel.lift[0])
    word = _word(panel)
    parts = [
        f"{word}{text.percent(panel.single_run_share)} of its {panel.n_runs:,} runs are one token "
        f"(mean {text.number(panel.run_length_mean)}, median "
        f"{panel.run_length_median:g}; {panel.n_cut_runs:,} touch an edge of their "
        "context)."
    ]
    if math.isfinite(lift):
        parts.append(
            f"Where it fires it fires on the next token {text.number(lift)} times as often as "
            f"anywhere; each token's own rate alone would give {text.number(panel.lift_null[0])}."
        )
    if panel.n_spans and math.isfinite(panel.span_fill):
        parts.append(
            f"Between its first and last firing in a document it fires on "
            f"{text.percent(panel.span_fill)} of the tokens (span fill, over {panel.n_spans:,} "
            f"span{'s' if panel.n_spans > 1 else ''}: each inside one context and one "
            "document, of at least three firings)."
        )
    else:
        parts.append("No document holds the three firings a span needs.")
    return " ".join(parts)


def _flicker(material: Material, panel: LocalityPanel) -> Flicker | None:
    if not panel.n_span_silent:
        return None
    n, near = panel.n_span_silent, panel.n_span_near
    sample = Sample.of(material.sae, material.record)
    return Flicker(
        text.percent(near / n),
        f"{near:,} of the {n:,} silent token{'s' if n > 1 else ''} inside its spans in "
        f"{sample.contexts} {'lies' if near == 1 else 'lie'} below firing by at most "
        f"{NEAR:.0%} of its mean activation.",
    )


def _smoothed(record: FeatureRecord) -> Flicker | None:
    if record.smoothed_share is None or not record.n_span_switches:
        return None
    by_chance = record.smoothed_share_shuffled
    beside = "" if by_chance is None else f" (in random order {text.percent(by_chance)})"
    return Flicker(
        text.percent(record.smoothed_share),
        f"of its {record.n_span_switches:,} switches inside spans are gone once its activation "
        f"is averaged over {2 * REACH + 1} tokens{beside}.",
    )


def _word(panel: LocalityPanel) -> str:
    """The summary's own rule: points, regions, or neither word."""
    word = lives_as(
        panel.n_runs,
        panel.single_run_share,
        panel.run_length_mean,
        panel.n_spans,
        panel.span_fill,
    )
    return f"{word.capitalize()}-like: " if word else ""


def _run_chart(panel: LocalityPanel) -> Chart:
    counts = panel.run_length_counts.tolist()
    total = max(sum(counts), 1)
    names = [*(str(i) for i in range(1, len(counts))), f"{len(counts)}+"]
    return columns(
        names,
        [count / total for count in counts],
        kind="runs",
        label="Run lengths",
        x_name="consecutive tokens it fires on",
        y_name="share of runs",
        labels=[
            f"{name} token{'s' if name != '1' else ''}: {count:,} runs ({count / total:.1%})"
            for name, count in zip(names, counts, strict=True)
        ],
        note="How long it stays on once it fires.",
    )


def _lift_chart(panel: LocalityPanel) -> Chart:
    n = panel.lift.size
    ticks = [Tick(100 * (tau - 1) / max(n - 1, 1), str(tau)) for tau in (1, 16, 32, 48, 64)]
    return curves(
        [tick for tick in ticks if tick.at <= 100],
        [
            Series("measured", "line", panel.lift.tolist()),
            Series("if each token kept its own rate", "line-second", panel.lift_null.tolist()),
        ],
        kind="lift",
        label="Lift by distance after a firing",
        x_name="tokens after a firing",
        y_name="lift",
        log=True,
        note="How many times as often it fires at that distance after a firing as anywhere; 1 is "
        f"chance. Dashed: what each token's own rate alone would give ({panel.n_null_sample:,} "
        "firings sampled).",
    )


def _position_chart(panel: PlacesPanel) -> Chart:
    """Density by position, in at most 24 equal stretches of the context."""
    n = panel.position_n_active.size
    stretch = math.ceil(n / _POSITION_BARS)
    starts = np.arange(0, n, stretch)
    active = np.add.reduceat(panel.position_n_active.astype(np.int64), starts)
    tokens = np.add.reduceat(panel.position_n_tokens.astype(np.int64), starts)
    rates = [a / t if t else None for a, t in zip(active.tolist(), tokens.tolist(), strict=True)]
    labels = [
        f"{_stretch(start, min(start + stretch, n) - 1)}: {a:,} of {t:,}"
        for start, a, t in zip(starts.tolist(), active.tolist(), tokens.tolist(), strict=True)
    ]
    n_bars = starts.size
    ticks = [
        Tick(100 * (i + 0.5) / n_bars, str(int(starts[i])))
        for i in range(0, n_bars, max(1, math.ceil(n_bars / 4)))
    ]
    return bars_over(
        rates,
        ticks,
        kind="positions",
        label="Density by position in the context",
        x_name="position in the context",
        y_name="density",
        labels=labels,
        note="Share of the counted tokens at each place of the context on which it fires.",
    )


def _stretch(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} – {last}"


def _position_zero(material: Material) -> str:
    record = material.record
    if record.position_zero_n_active == 0:
        return "Position 0 is kept apart from every count; it does not fire there."
    return (
        f"Position 0 is kept apart from every count: there it fires "
        f"{record.position_zero_n_active:,} times, at most {text.number(record.position_zero_max)}."
    )


def _documents(material: Material, panel: PlacesPanel) -> list[DocumentRow]:
    found = list(
        zip(
            panel.document_id.tolist(),
            panel.document_n_active.tolist(),
            panel.document_n_tokens.tolist(),
            strict=True,
        )
    )
    highest = max((a / t for _, a, t in found if t), default=1.0)
    return [
        DocumentRow(
            material.documents.get(document_id, f"document {document_id}"),
            f"{n_active:,} of {n_tokens:,}",
            text.percent(n_active / n_tokens if n_tokens else None),
            round(100 * n_active / n_tokens / highest, 1) if n_tokens and highest else 0.0,
        )
        for document_id, n_active, n_tokens in found
    ]
