"""Detection and fuzzing scores from verdicts: counts, and the shares that follow from them.

Balanced accuracy is the mean of the shares it got right of the texts with and of those without:
saying the same to all gives ½, however many there are of either. Knows no prompt and no endpoint.
"""

from collections.abc import Iterable, Sequence

from app.explain.prompts.scoring import Item
from app.explain.split import N_BANDS
from app.notebook.records import TestResult
from app.notebook.things import now

Verdict = tuple[Item, bool]
"""A text, and whether the scorer said yes to it"""


def score(verdicts: Sequence[Verdict], scorer: str) -> TestResult:
    """The score of all answers to one kind of question; there are texts with and without."""
    with_it = [(item, said) for item, said in verdicts if item.truth]
    without = [(item, said) for item, said in verdicts if not item.truth]
    hits, false_alarms = _said_yes(with_it), _said_yes(without)
    n_yes = hits + false_alarms
    recall = hits / len(with_it)
    return TestResult(
        balanced_accuracy=(recall + 1 - false_alarms / len(without)) / 2,
        precision=hits / n_yes if n_yes else None,
        recall=recall,
        true_positives=hits,
        false_negatives=len(with_it) - hits,
        false_positives=false_alarms,
        true_negatives=len(without) - false_alarms,
        by_band=[_of_band(with_it, band) for band in range(N_BANDS)],
        by_kind=_by_kind(without),
        scorer=scorer,
        scored_at=now(),
    )


def _said_yes(verdicts: Iterable[Verdict]) -> int:
    return sum(said for _, said in verdicts)


def _of_band(verdicts: Iterable[Verdict], band: int) -> list[int]:
    own = [said for item, said in verdicts if item.text.band == band]
    return [sum(own), len(own)]


def _by_kind(verdicts: Iterable[Verdict]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for item, said in verdicts:
        if item.text.kind == "active":
            continue  # other tokens of a text with it
        right = found.setdefault(item.text.kind, [0, 0])
        right[0] += not said
        right[1] += 1
    return dict(sorted(found.items()))
