"""The figures of a dictionary's quality in groups, each with formula, counts and standard error.

Takes what was measured, gives texts; what was not measured is left out. Knows no template.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from app.db.study_records.spread import Spread
from app.web.pages.studies.quality.measured import SINGLE_TOKEN, Measured
from app.web.text import count, number, percent, signed
from app.web.urls import sae_url, study_url
from app.web.views import DictionaryView


@dataclass(frozen=True)
class QualityFigure:
    """One line of the table."""

    name: str
    value: str
    unit: str
    aside: str
    """what its group has beside each value; empty where there is none"""
    formula: str
    note: str
    """how to read it; empty where the formula says all"""
    url: str = ""
    """what the value leads to; empty for nothing"""


@dataclass(frozen=True)
class FigureGroup:
    """Figures that rest on the same tokens."""

    title: str
    over: str
    """which tokens, and how many"""
    aside: str
    """what stands beside each value: the median token, the standard error, the count"""
    figures: list[QualityFigure]


def figure_groups(measured: Measured) -> list[FigureGroup]:
    """All groups that have a figure."""
    sae = measured.sae
    counted = (
        f"all {count(sae.corpus.n_tokens)} counted tokens of {sae.corpus.name}, without position "
        "0, BOS and other special tokens"
    )
    groups = [
        FigureGroup("Reconstruction", f"over {counted}", "Median token", [*_tokens(measured)]),
        FigureGroup(
            "What the model loses", _sample(measured), "Standard error", [*_losses(measured)]
        ),
        FigureGroup("Features", f"by firings on {counted}", "Count", [*_features(measured)]),
    ]
    return [group for group in groups if group.figures]


def _tokens(measured: Measured) -> Iterator[QualityFigure]:
    sae, quality = measured.sae, measured.sae.record.quality
    single, variants = measured.single, measured.variants
    width, name = sae.record.output_width, sae.record.width_name
    if quality.l0 is not None:
        median = "" if measured.l0_median is None else count(measured.l0_median)
        yield _figure("L0", number(quality.l0), median, "Σ n_active / N", "features active")
    if quality.explained_variance is not None:
        median, note = "", ""
        if variants is not None:
            median = number(variants.explained.median)
            note = (
                f"median of 1 − ‖x−x̂‖² / ‖x−x̄‖² over {count(variants.explained.n)} tokens of "
                f"{count(variants.n_contexts)} contexts"
            )
        yield _figure(
            "Explained variance", number(quality.explained_variance), median,
            "1 − Σ‖x−x̂‖² / Σ‖x−x̄‖²", note,
        )  # fmt: skip
    if quality.mse is not None:
        median = "" if single is None else number(single.squared_error.median / width)
        formula, note = f"E‖x−x̂‖² / {name}", f"{name} {count(width)}"
        yield _figure("MSE", number(quality.mse), median, formula, note)
    if single is not None:
        yield _of_spread("Relative error", single.relative_error, "E[‖x−x̂‖² / ‖x‖²]", "")
    if quality.cosine is not None:
        median = "" if single is None else number(single.cosine.median)
        yield _figure("Cosine", number(quality.cosine), median, "E[cos(x, x̂)]", "")
    if quality.gamma is not None:
        yield _figure(
            "Reconstruction bias γ", number(quality.gamma), "", "E‖x̂‖² / E[x·x̂]",
            "reconstructions times 1/γ would have the least squared error",
        )  # fmt: skip
    if single is not None:
        what = "output" if sae.record.hook_name_out else "input"
        yield _of_spread(f"Norm of the {what}", single.norm, "E‖x‖", "")
        yield _of_spread("Norm of the reconstruction", single.reconstruction_norm, "E‖x̂‖", "")
        yield _of_spread("Ratio of norms", single.norm_ratio, "E[‖x̂‖ / ‖x‖]", "")
    if measured.norms is not None:
        norms = measured.norms
        yield QualityFigure(
            "Tokens of outlier norm",
            percent(norms.n_outlier / max(norms.norm.n, 1)), "", "",
            "‖x‖ > median + 6 MAD",
            f"{count(norms.n_outlier)} tokens carry {percent(norms.outlier_error_share)} of the "
            "squared error",
            study_url(sae, "norms"),
        )  # fmt: skip


def _losses(measured: Measured) -> Iterator[QualityFigure]:
    quality, single = measured.sae.record.quality, measured.single
    if quality.ce_clean is None:
        return
    yield _loss("ΔCE", signed(quality.delta_ce), quality.delta_ce_error, "CE_spliced − CE_clean",
                "error of the difference, token by token")  # fmt: skip
    yield _loss("KL", number(quality.kl), quality.kl_error, "E[KL(clean ‖ spliced)]", "")
    errors = (
        (None, None)
        if single is None
        else (single.ce_recovered_mean_error, single.ce_recovered_zero_error)
    )
    for name, value, error, formula in (
        ("CE recovered, against the mean", quality.ce_recovered_mean, errors[0],
         "(CE_mean − CE_spliced) / (CE_mean − CE_clean)"),
        ("CE recovered, against zero", quality.ce_recovered_zero, errors[1],
         "(CE_zero − CE_spliced) / (CE_zero − CE_clean)"),
    ):  # fmt: skip
        said = f"±{percent(error)}" if error is not None else ""
        yield QualityFigure(name, percent(value, 3), "", said, formula, "never clipped")
    for name, value, error, formula in (
        ("Cross-entropy, clean", quality.ce_clean, quality.ce_clean_error, "CE_clean"),
        ("Cross-entropy, spliced", quality.ce_spliced, quality.ce_spliced_error, "CE_spliced"),
        ("Cross-entropy, zero-ablated", quality.ce_zero_ablated, quality.ce_zero_ablated_error,
         "CE_zero"),
        ("Cross-entropy, mean-ablated", quality.ce_mean_ablated, quality.ce_mean_ablated_error,
         "CE_mean"),
    ):  # fmt: skip
        yield _loss(name, number(value), error, formula, "")


def _features(measured: Measured) -> Iterator[QualityFigure]:
    sae, quality = measured.sae, measured.sae.record.quality
    d_sae, n_living = sae.record.n_features, measured.n_living

    def one(
        name: str, n: int | None, of: int, formula: str, note: str, **filters: str
    ) -> Iterator[QualityFigure]:
        if n is not None:
            url = sae_url(sae, DictionaryView.model_validate(filters).arguments())
            n_of = f"{count(n)} of {count(of)}"
            share = percent(n / of) if of else "–"
            yield QualityFigure(name, share, "", n_of, formula, note, url)

    yield from one("Dead", quality.n_dead, d_sae, "n_active = 0", "never fired", dead="yes")
    yield from one(
        "Dense", quality.n_dense_1, d_sae, "n_active / N > 1%", "more than a hundredth of tokens",
        density="1%..",
    )  # fmt: skip
    yield from one(
        "Very dense", quality.n_dense_10, d_sae, "n_active / N > 10%",
        "more than a tenth of tokens", density="10%..",
    )  # fmt: skip
    yield from one(
        "Single-token", measured.n_single_token, n_living, f"share of top token ≥ {SINGLE_TOKEN}",
        "of living features: nine tenths of the activation on one token", top_token_share="90%..",
    )  # fmt: skip


def _sample(measured: Measured) -> str:
    """Which tokens the cross-entropies rest on, and which positions were changed."""
    quality = measured.sae.record.quality
    tokens = f"{count(quality.n_ce_tokens)} predicted tokens of {measured.sae.corpus.name}"
    contexts = f" in {count(quality.n_ce_contexts)} contexts" if quality.n_ce_contexts else ""
    changed = f"; changed at {quality.spliced_positions}" if quality.spliced_positions else ""
    return f"over {tokens}{contexts}, a seeded sample{changed}; contexts are the unit of errors"


def _figure(name: str, value: str, median: str, formula: str, note: str) -> QualityFigure:
    return QualityFigure(name, value, "", median, formula, note)


def _of_spread(name: str, found: Spread, formula: str, note: str) -> QualityFigure:
    return _figure(name, number(found.mean), number(found.median), formula, note)


def _loss(name: str, value: str, error: float | None, formula: str, note: str) -> QualityFigure:
    said = "" if error is None else f"±{number(error, 2)}"
    return QualityFigure(name, value, "nats", said, formula, note)
