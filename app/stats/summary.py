"""One sentence and one short form about a feature, from its own numbers by fixed rules.

Takes the facts, gives pieces of text marked as words, numbers or tokens, so that a page can set
them apart. It reports and counts; it never says what a feature needs or means, and says nothing
where fewer than five cases stand behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.stats.summary_facts import (
    CUT,
    FEWEST_CASES,
    AblationCase,
    Deletion,
    SummaryFacts,
    strongest_deletion,
)
from app.stats.summary_short import short_form
from app.stats.wording import COUNTS_BELOW, Piece, listed, percent, plain, share_or_count


@dataclass(frozen=True)
class Summary:
    """Both forms in pieces. Joined by `plain` they read as text."""

    sentence: list[Piece]
    short: list[Piece]

    @property
    def plain(self) -> str:
        return plain(self.sentence)


def summarise(facts: SummaryFacts) -> Summary:
    """Apply the rules, in this order: how often, on what, deletions before it, point or region."""
    if facts.n_active == 0:
        never: list[Piece] = [
            ("text", "Never fired in "),
            ("number", f"{facts.n_tokens:,}"),
            ("text", " tokens."),
        ]
        return Summary(never, [("text", "never fired")])
    if facts.n_active < FEWEST_CASES:
        few: list[Piece] = [("text", "fired "), ("number", str(facts.n_active)), _times(facts)]
        return Summary([*_firings(facts), ("text", ".")], few)
    deletion = strongest_deletion(facts.ablations)
    sentence = [*_frequency(facts), *_on_tokens(facts), ("text", ".")]
    sentence += _deletions(facts.ablations, deletion)
    sentence += _extent(facts)
    return Summary(sentence, short_form(facts, deletion))


def _frequency(facts: SummaryFacts) -> list[Piece]:
    density = facts.n_active / facts.n_tokens
    if facts.n_active < COUNTS_BELOW:
        return _firings(facts)
    dense = "Dense: fires on " if density > 0.1 else "Fires on "
    return [("text", dense), ("number", percent(density)), ("text", " of tokens")]


def _firings(facts: SummaryFacts) -> list[Piece]:
    return [
        ("text", "Fired "),
        ("number", str(facts.n_active)),
        _times(facts),
        ("text", " in "),
        ("number", f"{facts.n_tokens:,}"),
        ("text", " tokens"),
    ]


def _times(facts: SummaryFacts) -> Piece:
    return ("text", " time" if facts.n_active == 1 else " times")


def _on_tokens(facts: SummaryFacts) -> list[Piece]:
    """One token that carries half of the activation, else the three strongest, else how many."""
    if not facts.tokens:
        return []
    top = facts.tokens[0]
    if top.share >= 0.5 and top.n_active >= FEWEST_CASES:
        rate = share_or_count(top.n_active, top.n_occurrences)
        of_them = " of them" if top.n_occurrences >= COUNTS_BELOW else " occurrences"
        return [
            ("text", "; "),
            ("number", percent(top.share)),
            ("text", " of its activation is on "),
            ("token", top.text),
            ("text", ", and it fires on "),
            ("number", rate),
            ("text", of_them),
        ]
    first = facts.tokens[:3]
    joint = sum(token.share for token in first)
    if joint >= 0.25 and sum(token.n_active for token in first) >= FEWEST_CASES:
        on: list[Piece] = [("text", "; "), ("number", percent(joint))]
        return [
            *on,
            ("text", " of its activation is on "),
            *listed([token.text for token in first]),
        ]
    return [
        ("text", "; its activation is spread over "),
        ("number", f"{facts.n_distinct_tokens:,}"),
        ("text", " different tokens, at most "),
        ("number", percent(top.share)),
        ("text", " on one"),
    ]


def _deletions(cases: Sequence[AblationCase], deletion: Deletion | None) -> list[Piece]:
    cases = [case for case in cases if case.effects]
    n = len(cases)
    if n < FEWEST_CASES:
        return []
    if deletion is None:
        n_unmoved = sum(all(effect >= CUT for _, effect in case.effects) for case in cases)
        if 2 * n_unmoved >= n:
            count = _of(n_unmoved, n)
            return [*count, ("text", "no single deletion before it cuts it by more than half.")]
        count = _of(n - n_unmoved, n)
        return [*count, ("text", "some single deletion before it cuts it by more than half.")]
    if deletion.n_with == n:
        return [
            *_of(deletion.n_cut, n),
            ("text", "deleting "),
            ("token", deletion.text),
            ("text", " before it cuts it by more than half."),
        ]
    return [
        ("text", " "),
        ("number", str(deletion.n_with)),
        ("text", " of "),
        ("number", str(n)),
        ("text", " examples have "),
        ("token", deletion.text),
        ("text", " before it; in "),
        ("number", str(deletion.n_cut)),
        ("text", " of them deleting it cuts the activation by more than half."),
    ]


def _of(n: int, total: int) -> list[Piece]:
    return [("text", " In "), ("number", f"{n} of {total}"), ("text", " examples ")]


def _extent(facts: SummaryFacts) -> list[Piece]:
    """A region where spans are filled and runs long, a point where runs are single tokens."""
    if facts.lives_as == "region":
        fill, length = facts.span_fill or 0, facts.mean_run or 0
        return [
            ("text", " It stays on over stretches: between first and last firing it fires on "),
            ("number", percent(fill)),
            ("text", " of tokens, "),
            ("number", f"{length:.1f}"),
            ("text", " in a row on average."),
        ]
    if facts.lives_as == "point":
        n_single = round((facts.share_single or 0) * facts.n_runs)
        return [
            ("text", " "),
            ("number", share_or_count(n_single, facts.n_runs)),
            ("text", " of its runs are a single token."),
        ]
    return []
