"""The logit lens of a feature: the tokens it promotes and suppresses by the direct path.

Takes a feature's material and which logits to show (adjusted or raw); knows no query and no
address.
"""

import math
from dataclasses import dataclass

import numpy as np

from app.db.records import LogitLensPanel, TokenRecord
from app.web import text
from app.web.charts.histogram import Named, histogram
from app.web.charts.plot import Chart
from app.web.chips import chip, token_chip
from app.web.pages.feature.material import Material

N_SHOWN = 10


@dataclass(frozen=True)
class LensRow:
    """One token with its direct effect per unit of activation."""

    token: TokenRecord
    logit: str
    bar: float
    """percent of the bar's width, 0 to 100"""
    deviations: str
    """the logit in standard deviations of the vocabulary's; empty for raw logits"""

    @property
    def cells(self) -> tuple[str, ...]:
        """As a row of the table under the chart."""
        token = token_chip(self.token.token)
        return token, str(self.token.token_id), self.logit, self.deviations


@dataclass(frozen=True)
class LensPanel:
    """The panel as printed."""

    kind: str
    """adjusted, raw, or imported: as the source has them"""
    promoted: list[LensRow]
    suppressed: list[LensRow]
    chart: Chart | None
    """histogram of the logits over the vocabulary, the marked tokens under it"""
    marked: list[LensRow]
    """every token marked in the chart, the most promoted first"""
    moments: str
    left_out: str
    contribution: str
    """what the numbers mean at an average firing; empty where that was not measured"""
    path: str
    """how the feature reaches the residual stream"""

    @property
    def has_logits(self) -> bool:
        """False where a source lists tokens without their logits."""
        return any(row.logit for row in (*self.promoted, *self.suppressed))


def build_lens_panel(material: Material, kind: str) -> LensPanel | None:
    """The panel, or None where there is no linear path from the hook to the logits."""
    panel = material.panels.logit_lens
    if panel is None:
        return None
    sae = material.sae.record
    if sae.imported is not None:
        return _imported(material, panel)
    n_left_out = sae.n_tokens_unproducible + sae.n_tokens_outlier
    sides = [
        (getattr(panel, f"{kind}_{side}_ids"), getattr(panel, f"{kind}_{side}"))
        for side in ("positive", "negative")
    ]
    largest = max((float(np.abs(values).max()) for _, values in sides if values.size), default=1.0)
    deviation = panel.std if kind == "adjusted" else 0.0
    promoted, suppressed = (
        _rows(material, ids, values, largest, deviation) for ids, values in sides
    )
    marked = _marked(material, panel)
    return LensPanel(
        kind=kind,
        promoted=promoted[:N_SHOWN],
        suppressed=suppressed[:N_SHOWN],
        chart=_chart(material, panel, marked),
        marked=marked,
        moments=f"mean {text.number(panel.mean)} (subtracted), sd {text.number(panel.std)}, "
        f"skewness {text.number(panel.skewness)}, kurtosis {text.number(panel.kurtosis)} (3 for a "
        "normal)",
        left_out=f"{n_left_out:,} of {material.sae.model.d_vocab:,} tokens left out: "
        f"{sae.n_tokens_unproducible:,} the tokenizer can't produce, {sae.n_tokens_outlier:,} "
        "whose unembedding norm lies more than 6 MAD above the median",
        contribution=_contribution(material),
        path=sae.linear_path,
    )


def _imported(material: Material, panel: LogitLensPanel) -> LensPanel:
    """The lists of a source as they stand, and its histogram where it has one."""
    sides = [
        (panel.raw_positive_ids, panel.raw_positive),
        (panel.raw_negative_ids, panel.raw_negative),
    ]
    known = np.concatenate([values for _, values in sides])
    largest = float(np.nanmax(np.abs(known), initial=0.0))
    promoted, suppressed = (_rows(material, ids, values, largest, 0.0) for ids, values in sides)
    return LensPanel(
        kind="imported",
        promoted=promoted[:N_SHOWN],
        suppressed=suppressed[:N_SHOWN],
        chart=_imported_chart(material, panel),
        marked=[],
        moments="",
        left_out="",
        contribution="",
        path="",
    )


def _rows(
    material: Material, ids: np.ndarray, values: np.ndarray, largest: float, deviation: float
) -> list[LensRow]:
    return [
        LensRow(
            material.token(token_id),
            "" if math.isnan(value) else text.signed(value),
            0.0 if math.isnan(value) else round(100 * abs(value) / (largest or 1.0), 1),
            text.signed(value / deviation, 2) if deviation > 0 else "",
        )
        for token_id, value in zip(ids.tolist(), values.tolist(), strict=True)
    ]


def _marked(material: Material, panel: LogitLensPanel) -> list[LensRow]:
    """The listed tokens of the adjusted lens, promoted first, suppressed last."""
    ids = np.concatenate([panel.adjusted_positive_ids, panel.adjusted_negative_ids[::-1]])
    values = np.concatenate([panel.adjusted_positive, panel.adjusted_negative[::-1]])
    return _rows(material, ids, values, 1.0, panel.std)


def _contribution(material: Material) -> str:
    mean, scale = material.record.mean_activation, material.sae.record.mean_final_norm_scale
    if mean is None or not scale:
        return ""
    return (
        f"× {text.number(mean / scale)} gives the average direct contribution in logits where it "
        f"fires (mean activation {text.number(mean)} / mean final-norm scale {text.number(scale)})"
    )


def _imported_chart(material: Material, panel: LogitLensPanel) -> Chart | None:
    if not panel.histogram_counts.any():
        return None
    return histogram(
        panel.histogram_edges.tolist(),
        panel.histogram_counts.tolist(),
        kind="logits",
        label=f"Histogram of the logits of feature {material.record.feature_index} over the "
        "vocabulary",
        x_name="logit per unit of activation",
        y_name="vocabulary tokens",
        noun="tokens",
        scale="log",
        note="A bar counts vocabulary tokens, on a log scale, as the source has them.",
    )


def _chart(material: Material, panel: LogitLensPanel, marked: list[LensRow]) -> Chart:
    values = [*panel.adjusted_positive.tolist(), *panel.adjusted_negative[::-1].tolist()]
    return histogram(
        panel.histogram_edges.tolist(),
        panel.histogram_counts.tolist(),
        kind="logits",
        label=f"Histogram of the adjusted logits of feature {material.record.feature_index} "
        "over the vocabulary",
        x_name="adjusted logit per unit of activation",
        y_name="vocabulary tokens",
        noun="tokens",
        scale="log",
        named=[
            Named(value, chip(row.token.token)) for row, value in zip(marked, values, strict=True)
        ],
        note="A bar counts vocabulary tokens, on a log scale; a dark tick at the foot is a token "
        "listed below. A long tail on one side is a feature that speaks for or against a few "
        "tokens.",
    )
