"""The quality of a dictionary as a row of figures, each with its formula and its counts.

Takes a dictionary, gives texts; what was not measured says so. Knows no template.
"""

from dataclasses import dataclass

from app.db.catalog import Sae
from app.web.text import MISSING, compact, count, number, percent, signed


@dataclass(frozen=True)
class Figure:
    """One figure: name, value, and how to read it."""

    name: str
    value: str
    unit: str
    """small print beside the value"""
    note: str
    formula: str


def quality_figures(sae: Sae) -> list[Figure]:
    """The figures of a dictionary, over its own corpus."""
    quality, corpus, record = sae.record.quality, sae.corpus, sae.record
    return [
        Figure(
            "L0",
            number(quality.l0),
            "",
            f"features active at a token, mean over {compact(corpus.n_tokens)} tokens",
            "Σ n_active / N",
        ),
        Figure(
            "Explained variance",
            number(quality.explained_variance),
            "",
            f"pooled over the corpus; MSE {number(quality.mse)}, cosine {number(quality.cosine)}",
            "1 − Σ‖x−x̂‖² / Σ‖x−x̄‖²",
        ),
        Figure(
            "ΔCE",
            signed(quality.delta_ce),
            "" if quality.delta_ce is None else "nats",
            _delta_note(sae),
            "CE_spliced − CE_clean",
        ),
        Figure(
            "CE recovered",
            percent(quality.ce_recovered_mean, 3),
            "",
            _recovered_note(sae),
            "(CE_mean − CE_spliced) / (CE_mean − CE_clean)",
        ),
        Figure(
            "Shrinkage γ",
            number(quality.gamma),
            "",
            _gamma_note(quality.gamma),
            "E‖x̂‖² / E[x·x̂]",
        ),
        Figure(
            "Dead",
            count(quality.n_dead),
            f"of {count(record.d_sae)}",
            f"never fired in {count(corpus.n_tokens)} tokens; {count(quality.n_dense_1)} fire on "
            f"more than 1% of them, {count(quality.n_dense_10)} on more than 10%",
            "n_active = 0",
        ),
    ]


def quality_sentence(sae: Sae) -> list[list[str]]:
    """The dictionary in one sentence of [kind, text] pieces, from what was measured."""
    quality, record = sae.record.quality, sae.record
    pieces: list[list[str]] = []
    if quality.explained_variance is not None and quality.l0 is not None:
        pieces += [
            ["text", "Explains "],
            ["number", percent(quality.explained_variance)],
            ["text", " of the variance with "],
            ["number", number(quality.l0, 2)],
            ["text", f" of {count(record.d_sae)} features at a token"],
        ]
    if quality.ce_recovered_mean is not None:
        pieces += [
            ["text", "; spliced in, it recovers " if pieces else "Spliced in, it recovers "],
            ["number", percent(quality.ce_recovered_mean, 3)],
            ["text", " of the cross-entropy that the mean activation in its place loses"],
        ]
    if pieces:
        pieces.append(["text", ". "])
    if quality.n_dead is not None and quality.n_dense_1 is not None:
        pieces += [
            ["number", count(quality.n_dead)],
            ["text", f" {'feature is' if quality.n_dead == 1 else 'features are'} dead, "],
            ["number", count(quality.n_dense_1)],
            [
                "text",
                f" {'fires' if quality.n_dense_1 == 1 else 'fire'} on more than 1% of tokens.",
            ],
        ]
    return pieces


def _delta_note(sae: Sae) -> str:
    quality = sae.record.quality
    if quality.delta_ce is None:
        return "cross-entropy was not measured"
    error = "" if quality.delta_ce_error is None else f"±{number(quality.delta_ce_error, 2)}, "
    kl = "" if quality.kl is None else f"; KL {number(quality.kl)}"
    return (
        f"{error}{number(quality.ce_clean)} clean, {number(quality.ce_spliced)} spliced, over "
        f"{count(quality.n_ce_tokens)} tokens{kl}"
    )


def _recovered_note(sae: Sae) -> str:
    quality = sae.record.quality
    if quality.ce_recovered_mean is None:
        return "cross-entropy was not measured"
    zero = percent(quality.ce_recovered_zero, 3)
    return (
        f"against the mean activation ({number(quality.ce_mean_ablated)}); "
        f"{zero if quality.ce_recovered_zero is not None else MISSING} against zero "
        f"({number(quality.ce_zero_ablated)})"
    )


def _gamma_note(gamma: float | None) -> str:
    if gamma is None:
        return "not measured"
    if abs(gamma - 1) < 0.005:
        return "reconstructions have the right length"
    way = "short" if gamma < 1 else "long"
    return f"reconstructions are {percent(abs(1 - gamma))} too {way}"
