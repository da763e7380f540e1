"""Scores by hand: counts, shares, and what scattering by chance gives."""

import pytest

from app.explain.prompts.scoring import Item
from app.explain.scores import score
from app.explain.texts import Kind, Text


def _item(truth: bool, band: int = 0, kind: Kind = "active") -> Item:
    return Item(Text(kind, 0, 0, band, ("x",), (int(truth),)), "x", truth)


def test_counts_and_shares() -> None:
    verdicts = [
        (_item(True, 0), False),
        (_item(True, 0), True),
        (_item(True, 4), True),
        (_item(True, 4), True),
        (_item(False, -1, "near"), True),
        (_item(False, -1, "other"), False),
    ]
    found = score(verdicts, "judge")
    assert (found.true_positives, found.false_negatives) == (3, 1)
    assert (found.false_positives, found.true_negatives) == (1, 1)
    assert found.balanced_accuracy == (3 / 4 + 1 / 2) / 2
    assert (found.precision, found.recall) == (3 / 4, 3 / 4)
    assert found.by_band == [[1, 2], [0, 0], [0, 0], [0, 0], [2, 2]]
    assert found.by_kind == {"near": [0, 1], "other": [1, 1]}
    assert found.scorer == "judge"


@pytest.mark.parametrize(("says", "precision"), [(True, 0.9), (False, None)])
def test_one_answer_to_all_is_worth_one_half_however_uneven(
    says: bool, precision: float | None
) -> None:
    verdicts = [(_item(True), says)] * 18 + [(_item(False, -1, "near"), says)] * 2
    found = score(verdicts, "judge")
    assert found.balanced_accuracy == 0.5
    assert found.precision == precision
    assert found.recall == says
