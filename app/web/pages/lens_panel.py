"""The logit lens of a feature: the tokens it promotes and suppresses by the direct path.

Takes a feature's material and which logits to show (adjusted or raw); knows no query and no
address.
"""

from dataclasses import dataclass

import numpy as np

from app.db.records import LogitLensPanel, TokenRecord
from app.web import text
from app.web.charts.histogram import histogram
from app.web.charts.plot import Chart
from app.web.pages.feature_material import Material

N_SHOWN = 10


@dataclass(frozen=True)
class LensRow:
    """One token with its direct effect per unit of activation."""

    token: TokenRecord
    logit: str
    bar: float
    """percent of the bar's width, 0 to 100"""


@dataclass(frozen=True)
class LensPanel:
    """The panel as printed."""

    kind: str
    """adjusted or raw"""
    promoted: list[LensRow]
    suppressed: list[LensRow]
    chart: Chart
    """histogram of the adjusted logits over the vocabulary"""
    moments: str
    left_out: str
    contribution: str
    """what the numbers mean at an average firing; empty where that was not measured"""
    path: str
    """how the feature reaches the residual stream"""


def build_lens_panel(material: Material, kind: str) -> LensPanel | None:
    """The panel, or None where there is no linear path from the hook to the logits."""
    panel = material.panels.logit_lens
    if panel is None:
        return None
    sae = material.sae.record
    n_left_out = sae.n_tokens_unproducible + sae.n_tokens_outlier
    sides = [
        (getattr(panel, f"{kind}_{side}_ids"), getattr(panel, f"{kind}_{side}"))
        for side in ("positive", "negative")
    ]
    largest = max((float(np.abs(values).max()) for _, values in sides if values.size), default=1.0)
    promoted, suppressed = (_rows(material, ids, values, largest) for ids, values in sides)
    return LensPanel(
        kind=kind,
        promoted=promoted,
        suppressed=suppressed,
        chart=_chart(material, panel),
        moments=f"mean {text.number(panel.mean)} (subtracted), sd {text.number(panel.std)}, "
        f"skewness {text.number(panel.skewness)}, excess kurtosis {text.number(panel.kurtosis)}",
        left_out=f"{n_left_out:,} of {material.sae.model.d_vocab:,} tokens left out: "
        f"{sae.n_tokens_unproducible:,} the tokenizer can't produce, {sae.n_tokens_outlier:,} "
        "whose unembedding norm lies more than 6 MAD above the median",
        contribution=_contribution(material),
        path=sae.linear_path,
    )


def _rows(material: Material, ids: np.ndarray, values: np.ndarray, largest: float) -> list[LensRow]:
    return [
        LensRow(
            material.token(int(token_id)),
            text.signed(float(value)),
            round(100 * abs(float(value)) / (largest or 1.0), 1),
        )
        for token_id, value in zip(ids[:N_SHOWN], values[:N_SHOWN], strict=True)
    ]


def _contribution(material: Material) -> str:
    mean, scale = material.record.mean_activation, material.sae.record.mean_final_norm_scale
    if mean is None or not scale:
        return ""
    return (
        f"× {text.number(mean / scale)} gives the average direct contribution in logits where it "
        f"fires (mean activation {text.number(mean)} / mean final-norm scale {text.number(scale)})"
    )


def _chart(material: Material, panel: LogitLensPanel) -> Chart:
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
        note="Each bar counts vocabulary tokens; a long tail on one side is a feature that speaks "
        "for or against a few tokens.",
    )
