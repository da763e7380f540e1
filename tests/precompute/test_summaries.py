"""The columns that follow from ablated text, by hand."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from app.db.records import AblationGroup, ExampleGroup, Group
from app.precompute.summaries import Case, ablation_strip, strongest_context_token


def case(group: Group, token_ids: list[int], effects: list[float]) -> Case:
    return Case(group, np.array(token_ids), np.array(effects))


def test_the_token_whose_deletion_lowers_most() -> None:
    cases = [
        case("top", [7, 8, 7], [-0.2, -0.9, -0.6]),  # of two deletions of 7 the stronger
        case("top", [7, 9], [-0.4, -1.0]),  # 9 and 8 stand in one example each
        case("interval", [8, 9], [-1.0, -1.0]),  # only top examples are averaged
    ]
    assert strongest_context_token(cases) == (7, pytest.approx(-0.5))


def test_ties_go_to_the_lower_id_and_gains_are_no_answer() -> None:
    assert strongest_context_token([case("top", [5, 3], [-0.5, -0.5])] * 2) == (3, -0.5)
    assert strongest_context_token([case("top", [5], [0.5])] * 2) is None
    assert strongest_context_token([]) is None


def test_the_strip_is_the_mean_over_top_examples() -> None:
    examples = blank(ExampleGroup, position=np.array([20, 9, 4]))
    ablations = blank(
        AblationGroup,
        rank=np.array([0, 1, 2]),
        baseline=np.array([2.0, 1.0, 0.0]),  # nothing is left of the third
        delete_indptr=np.array([0, 2, 4, 5]),
        delete_position=np.array([2, 19, 7, 8, 3]),  # 18 before the peak is off the strip
        delete_effect=np.array([-2.0, -1.0, 5.0, 0.25, -1.0]),
        replace_indptr=np.array([0, 2, 3, 4]),
        replace_position=np.array([19, 20, 9, 4]),  # replaced tokens before the peak don't count
        replace_effect=np.array([-2.0, -2.0, -0.5, -1.0]),
    )
    strip = np.frombuffer(ablation_strip({"top": (examples, ablations)}), np.int8)
    expected = np.full(17, -128)
    expected[-3] = 127  # +500% is shown as the most a byte holds
    expected[-2] = round(100 * (-0.5 + 0.25) / 2)
    expected[-1] = round(100 * (-1.0 - 0.5) / 2)
    assert strip.tolist() == expected.tolist()


def test_without_ablated_text_there_is_no_strip() -> None:
    assert ablation_strip({}) == b""


def blank(kind: type[Any], **values: np.ndarray) -> Any:
    """A record in which only some fields matter."""
    return kind(**({field.name: np.zeros(0) for field in fields(kind)} | values))
