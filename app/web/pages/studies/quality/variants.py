"""The figures that other tools print for the same dictionary: whose, by which formula, and how they
differ from this project's.

Takes the study's record, gives lines of a table. Names and formulas were read from the tools'
sources: SAELens 6.54 and 5.10, SAEBench 0.6, dictionary_learning 0.1, sparsify 1.3, OpenAI's
sparse_autoencoder, scikit-learn. Knows no template.
"""

from dataclasses import dataclass

from app.db.study_records.variants import Variants
from app.web.text import count, number


@dataclass(frozen=True)
class VariantLine:
    """One figure of one tool."""

    name: str
    """as the tool prints it"""
    whose: str
    counted: str
    """over counted tokens; empty where the tool has no such population"""
    every: str
    """over all tokens"""
    formula: str
    difference: str
    """from this project's figure, in a sentence"""
    is_own: bool
    """this project's own, to compare with"""


@dataclass(frozen=True)
class VariantGroup:
    """Figures of one kind."""

    title: str
    lines: list[VariantLine]


@dataclass(frozen=True)
class VariantTable:
    """All of them, and what they rest on."""

    groups: list[VariantGroup]
    n_counted: str
    n_all: str
    sample: str
    """the contexts and batches, in words"""


_OWN = "this atlas"

_VARIANCE = (
    ("pooled", "explained variance", _OWN, "1 − Σ‖x−x̂‖² / Σ‖x−x̄‖²",
     "The figure above, on this sample alone; the explained_variance of SAELens 6.54 is the same."),
    ("saelens_5", "explained_variance", "SAELens 5, SAEBench 0.6",
     "1 − E‖x−x̂‖² / (E‖x‖² − m²), m = mean of x² over tokens and dimensions",
     "Meant as the one above, but m is one number where the mean of each dimension belongs: hardly "
     "anything is taken off E‖x‖², so a large mean counts as variance that was explained; where "
     "activations are large the figure can pass 1."),
    ("saelens_legacy", "explained_variance_legacy", "SAELens, SAEBench",
     "E_tokens[1 − ‖x−x̂‖² / ‖x−x̄_batch‖²]",
     "A mean of ratios: each token weighs alike, however little it varies, and one close to the "
     "mean can take it far below zero. x̄ is that of its batch."),
    ("dictionary_learning", "frac_variance_explained", "dictionary_learning",
     "E_batches[1 − Σ_d var(x−x̂) / Σ_d var(x)]",
     "The variance of the error, not its size: a constant error, as a wrong bias makes it, costs "
     "nothing."),
    ("sparsify", "1 − fvu", "sparsify", "E_batches[1 − Σ‖x−x̂‖² / Σ‖x−x̄_batch‖²]",
     "The same formula batch by batch: means of small batches fit their tokens better."),
    ("openai", "1 − normalized MSE", "OpenAI sparse_autoencoder", "E_tokens[1 − ‖x−x̂‖² / ‖x‖²]",
     "Not centred: what is compared with is predicting zero, not the mean."),
    ("by_dimension", "r2_score, uniform_average", "scikit-learn",
     "E_dimensions[1 − Σ(x_d−x̂_d)² / Σ(x_d−x̄_d)²]",
     "Every dimension weighs alike, also those that hardly vary."),
)  # fmt: skip

_ERROR = (
    ("mse", "MSE", _OWN, "E‖x−x̂‖² / d_in", "The figure above, on this sample alone."),
    ("saelens_mse", "mse", "SAELens 6", "E‖x−x̂‖²", "Not divided by d_in."),
    ("saelens_5_mse", "mse", "SAELens 5, SAEBench 0.6", "E[‖x−x̂‖² / n_batch]",
     "Divided by the number of tokens in a batch: twice the batch, half the figure."),
    ("l2_loss", "l2_loss", "dictionary_learning", "E_batches[E‖x−x̂‖]", "The length, not squared."),
)  # fmt: skip

_LENGTH = (
    ("norm_ratio", "l2_ratio", "SAELens, dictionary_learning", "E[‖x̂‖ / ‖x‖]",
     "The ratio of norms above, on this sample alone."),
    ("reconstruction_bias", "relative_reconstruction_bias", "SAELens, dictionary_learning",
     "E_batches[E‖x̂‖² / E[x·x̂]]", "γ, batch by batch."),
    ("cosine", "cossim", "SAELens, dictionary_learning", "E[cos(x, x̂)]",
     "The cosine above, on this sample alone; a zero vector makes it no number."),
)  # fmt: skip


WORDS = (_VARIANCE, _ERROR, _LENGTH)
"""(name here, name there, whose, formula, difference) of every figure"""


def variant_table(found: Variants) -> VariantTable:
    """Every figure with its words."""
    groups = [
        VariantGroup(title, [_line(found, *line) for line in lines])
        for title, lines in zip(
            ("Explained variance", "Error", "Length and direction"), WORDS, strict=True
        )
    ]
    groups.append(VariantGroup("Cross-entropy, every position replaced", _loss_lines(found)))
    batches = -(-found.n_contexts // found.contexts_per_batch)
    return VariantTable(
        groups,
        count(found.n_counted),
        count(found.n_all),
        f"{count(found.n_contexts)} contexts, the first of the seeded sample of the "
        f"cross-entropies, in {count(batches)} batch{'es' if batches != 1 else ''} of "
        f"{count(found.contexts_per_batch)}",
    )


def _line(
    found: Variants, key: str, name: str, whose: str, formula: str, difference: str
) -> VariantLine:
    counted, every = number(found.counted.get(key)), number(found.every.get(key))
    return VariantLine(name, whose, counted, every, formula, difference, whose == _OWN)


def _loss_lines(found: Variants) -> list[VariantLine]:
    every = (
        "Position 0 and special tokens are replaced and predicted as well; above they keep their "
        "own activation."
    )
    values = (
        ("ce_loss_score", "SAELens, SAEBench", found.ce_score,
         "(CE_zero − CE_spliced) / (CE_zero − CE_clean)", every),
        ("frac_recovered", "dictionary_learning", found.ce_score_by_batch,
         "E_batches[(CE_zero − CE_spliced) / (CE_zero − CE_clean)]", "The same, batch by batch."),
        ("kl_div_score", "SAELens, SAEBench", found.kl_score,
         "(KL_zero − KL_spliced) / KL_zero", "Of KL(clean ‖ changed), at all positions."),
        ("ce_loss_without_sae", "SAELens", found.ce_clean, "CE_clean", "Nats."),
        ("ce_loss_with_sae", "SAELens", found.ce_spliced, "CE_spliced", "Nats."),
        ("ce_loss_with_ablation", "SAELens", found.ce_zero, "CE_zero", "Nats."),
    )  # fmt: skip
    return [
        VariantLine(name, whose, "", number(value), formula, difference, False)
        for name, whose, value, formula, difference in values
    ]
