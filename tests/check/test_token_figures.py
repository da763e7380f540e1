"""What studies say of single tokens is held against itself and the dictionary's figures."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.db.study_records.norms import Norms
from app.db.study_records.reconstruction import Reconstruction
from app.db.study_records.variants import Variants
from tests.check.conftest import Made

NAME = "figures of single tokens agree"


def one_more(values: np.ndarray) -> np.ndarray:
    """The last number raised by one."""
    changed = values.copy()
    changed[-1] += 1
    return changed


def spread(name: str, **changed: Any) -> Callable[[Any], Any]:
    return lambda found: replace(found, **{name: replace(getattr(found, name), **changed)})


def norm_quantiles_turned(found: Reconstruction) -> Reconstruction:
    return spread("norm", quantiles=found.norm.quantiles[::-1])(found)


def counts_changed(found: Reconstruction) -> Reconstruction:
    return spread("cosine", counts=one_more(found.cosine.counts))(found)


def outliers_changed(found: Norms) -> Norms:
    tokens = replace(found.tokens, n_outlier=found.tokens.n_outlier + 10_000)
    return replace(found, tokens=tokens)


CHANGES: list[tuple[type[Any], Callable[[Any], Any], str]] = [
    (
        Reconstruction,
        lambda found: replace(found, l0_counts=one_more(found.l0_counts)),
        "L0 is of",
    ),
    (Reconstruction, norm_quantiles_turned, "the quantiles of norm are not in order"),
    (Reconstruction, counts_changed, "the histogram of cosine holds"),
    (Reconstruction, spread("squared_error", mean=7.0), "the mean of the squared errors over d_in"),
    (Reconstruction, spread("cosine", n=3), "cosine is of 3 tokens"),
    (Norms, lambda found: replace(found, hook_name="elsewhere"), "it is of elsewhere"),
    (Norms, lambda found: replace(found, position_n=one_more(found.position_n)), "by position and"),
    (Norms, lambda found: replace(found, position_n=found.position_n[1:]), "the positions are not"),
    (Norms, outliers_changed, "more outliers by token id"),
    (
        Norms,
        lambda found: replace(
            found, tokens=replace(found.tokens, token_id=found.tokens.token_id[::-1])
        ),
        "the token ids are not ascending",
    ),
    (Variants, lambda found: replace(found, n_counted=10**6), "1000000 counted tokens of"),
]


def test_what_the_job_found_agrees(made: Made) -> None:
    assert made.problems(NAME) == []


@pytest.mark.parametrize(("kind", "change", "said"), CHANGES)
def test_a_changed_figure_is_found(
    broken: Made, kind: type[Any], change: Callable[[Any], Any], said: str
) -> None:
    broken.change_study(kind, change)
    problems = broken.problems(NAME)
    assert any(said in problem and "tiny/resid" in problem for problem in problems), problems


def test_a_damaged_record_is_one_sentence(broken: Made) -> None:
    broken.change("UPDATE study SET record = x'00' WHERE study = 'norms'")
    (problem,) = broken.problems(NAME)
    assert "it can't be read to the end" in problem
