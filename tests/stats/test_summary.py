"""What the sentence says, word for word, and what it leaves unsaid."""

from dataclasses import replace
from math import nan

import pytest

from app.stats.summary import summarise
from app.stats.summary_facts import AblationCase, SummaryFacts, SummaryToken, lives_as
from app.stats.wording import clipped, percent, plain, share_or_count

N = 1_048_576
SELF = SummaryToken("self", 0.83, 2700, 11_200)
ON_SELF = SummaryFacts(N, 3251, [SELF], n_distinct_tokens=40)


def cases(n_cut: int, n_kept: int = 0, n_without: int = 0) -> list[AblationCase]:
    cut = AblationCase("top", [("def", -0.62), ("(", -0.1), ("def", 0.2)])
    kept = AblationCase("interval", [("def", -0.3), ("(", 0.0)])
    without = AblationCase("interval", [("class", -0.2)])
    return [cut] * n_cut + [kept] * n_kept + [without] * n_without


def test_a_token_and_the_deletion_before_it() -> None:
    found = summarise(replace(ON_SELF, ablations=cases(14)))
    assert found.plain == (
        "Fires on 0.31% of tokens; 83% of its activation is on ‘self’, and it fires on 24% of "
        "them. In 14 of 14 examples deleting ‘def’ before it cuts it by more than half."
    )
    assert plain(found.short) == "83% on ‘self’ · ‘def’ before it −62%"
    assert ("token", "self") in found.sentence and ("number", "0.31%") in found.sentence


def test_examples_without_the_token_are_named() -> None:
    found = summarise(replace(ON_SELF, ablations=cases(6, 2, 4)))
    assert found.plain.endswith(
        " 8 of 12 examples have ‘def’ before it; in 6 of them deleting it cuts the activation by "
        "more than half."
    )


@pytest.mark.parametrize(
    ("ablations", "ending"),
    [
        (cases(4), "of them."),  # four cases are too few to speak of
        (cases(0, 9), "In 9 of 9 examples no single deletion before it cuts it by more than half."),
        (
            [AblationCase("top", [(str(i), -0.9)]) for i in range(9)],
            "In 9 of 9 examples some single deletion before it cuts it by more than half.",
        ),
        ([AblationCase("top", [])] * 9, "of them."),  # peaks with nothing before them
    ],
)
def test_deletions_that_name_no_token(ablations: list[AblationCase], ending: str) -> None:
    found = summarise(replace(ON_SELF, ablations=ablations))
    assert found.plain.endswith(ending)
    assert plain(found.short) == "83% on ‘self’"


def test_the_dead_and_the_rare() -> None:
    assert summarise(SummaryFacts(N, 0)).plain == "Never fired in 1,048,576 tokens."
    assert plain(summarise(SummaryFacts(N, 0)).short) == "never fired"
    once = summarise(SummaryFacts(N, 1, [SummaryToken("x", 1.0, 1, 9)], 1))
    assert once.plain == "Fired 1 time in 1,048,576 tokens."
    assert plain(once.short) == "fired 1 time"
    few = summarise(SummaryFacts(N, 30, [SummaryToken("x", 0.9, 28, 34)], 2))
    assert few.plain == (
        "Fired 30 times in 1,048,576 tokens; 90% of its activation is on ‘x’, and it fires on "
        "28 of 34 occurrences."
    )


def test_many_tokens() -> None:
    three = [SummaryToken(text, 0.2, 500, 900) for text in (" the", " a", " an", " some")]
    found = summarise(SummaryFacts(N, 5000, three, 12))
    assert "; 60% of its activation is on ‘ the’, ‘ a’ and ‘ an’." in found.plain
    assert plain(found.short) == "60% on ‘ the’ ‘ a’ ‘ an’"
    spread = [SummaryToken(text, 0.04, 500, 900) for text in "abcd"]
    found = summarise(SummaryFacts(N, 200_000, spread, 1812))
    assert found.plain == (
        "Dense: fires on 19% of tokens; its activation is spread over 1,812 different tokens, at "
        "most 4.0% on one."
    )
    assert plain(found.short) == "dense, 19% · 1,812 different tokens"


def test_points_and_regions() -> None:
    region = replace(ON_SELF, n_spans=212, span_fill=0.71, n_runs=900, mean_run=6.3)
    assert summarise(region).plain.endswith(
        " It stays on over stretches: between first and last firing it fires on 71% of tokens, "
        "6.3 in a row on average."
    )
    assert plain(summarise(region).short) == "83% on ‘self’ · runs of 6.3"
    point = replace(ON_SELF, n_runs=3000, mean_run=1.1, share_single=0.94)
    assert summarise(point).plain.endswith(" 94% of its runs are a single token.")
    unclear = replace(region, n_spans=4)
    assert summarise(unclear).plain.endswith("of them.")


@pytest.mark.parametrize(
    ("runs", "single", "mean", "spans", "fill", "word"),
    [
        (5, 0.8, 1.2, 0, None, "point"),
        (5, 0.8, 1.2, 0, nan, "point"),
        (4, 1.0, 1.0, 0, None, ""),
        (5, 0.79, 1.3, 9, 0.3, ""),
        (5, 0.2, 2.0, 5, 0.5, "region"),
        (5, 0.2, 1.99, 5, 0.5, ""),
        (5, 0.2, 2.0, 5, 0.49, ""),
        (5, 0.2, 2.0, 4, 0.5, ""),
        (5, 0.2, 2.0, 5, nan, ""),
        (4, 0.2, 2.0, 5, 0.5, ""),
        # A few long runs among many single ones fill their spans: the region is said.
        (50, 0.8, 3.0, 5, 0.9, "region"),
        (0, None, None, 0, None, ""),
    ],
)
def test_one_rule_says_what_is_a_point_and_what_a_region(
    runs: int, single: float | None, mean: float | None, spans: int, fill: float | None, word: str
) -> None:
    assert lives_as(runs, single, mean, spans, fill) == word


def test_the_short_form_fits_a_list() -> None:
    long = SummaryToken("x" * 200, 0.9, 500, 900)
    ablations = [AblationCase("top", [("y" * 200, -0.9)])] * 9
    facts = SummaryFacts(N, 200_000, [long], 3, 9, 0.9, 9, 5.0, 0.1, ablations)
    short = plain(summarise(facts).short)
    assert len(short) <= 60
    assert short.startswith("dense, 19% · 90% on ‘xxxxxxxxxxxxxxx…’")


def test_it_reports_and_does_not_interpret() -> None:
    facts = replace(ON_SELF, ablations=cases(14), n_spans=9, span_fill=0.9, n_runs=9, mean_run=3.0)
    words = summarise(facts).plain.lower()
    assert not any(word in words for word in ("need", "mean", "detect", "because"))


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.999, "99.9%"),
        (0.99999, "99.9%"),
        (0.992, "99.2%"),
        (0.5, "50%"),
        (0.0996, "10%"),
        (0.0994, "9.9%"),
        (0.0031, "0.31%"),
        (0.000012, "0.001%"),
        (0.000001, "<0.001%"),
        (-0.62, "−62%"),
    ],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


def test_wording() -> None:
    assert (share_or_count(28, 34), share_or_count(50, 200)) == ("28 of 34", "25%")
    assert (clipped("abc", 3), clipped("abcd", 3)) == ("abc", "ab…")
