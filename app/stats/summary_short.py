"""The short form of a summary, for lists: a few words of at most 60 characters.

Takes the facts and the deletion the sentence names; says the most telling parts that fit.
"""

from collections.abc import Sequence

from app.stats.summary_facts import Deletion, SummaryFacts, SummaryToken
from app.stats.wording import Piece, clipped, percent, plain

LENGTH = 60  # characters, quotes included
TOKEN_LENGTH = 16


def short_form(facts: SummaryFacts, deletion: Deletion | None) -> list[Piece]:
    """Dense or not, the tokens it is on, the deletion that cuts it, runs: while they fit."""
    parts = [
        _dense(facts),
        _on_tokens(facts),
        _deletion(deletion),
        _runs(facts),
    ]
    kept: list[Piece] = []
    for part in filter(None, parts):
        between: list[Piece] = [("text", " · ")] if kept else []
        if len(plain([*kept, *between, *part])) <= LENGTH:
            kept += [*between, *part]
    return kept


def _dense(facts: SummaryFacts) -> list[Piece]:
    density = facts.n_active / facts.n_tokens
    return [("text", "dense, "), ("number", percent(density))] if density > 0.1 else []


def _on_tokens(facts: SummaryFacts) -> list[Piece]:
    """One token with half of the mass, else as many of three as fit beside a second part."""
    if facts.tokens and facts.tokens[0].share >= 0.5:
        return _share_on(facts.tokens[:1])
    if sum(token.share for token in facts.tokens[:3]) >= 0.25:
        choices = [_share_on(facts.tokens[:n]) for n in (3, 2, 1)]
        return next((c for c in choices if len(plain(c)) <= LENGTH // 2), choices[-1])
    if facts.n_distinct_tokens:
        return [("number", f"{facts.n_distinct_tokens:,}"), ("text", " different tokens")]
    return []


def _share_on(tokens: Sequence[SummaryToken]) -> list[Piece]:
    pieces: list[Piece] = [("number", percent(sum(t.share for t in tokens))), ("text", " on")]
    for token in tokens:
        pieces.append(("text", " "))
        pieces.append(("token", clipped(token.text, TOKEN_LENGTH)))
    return pieces


def _deletion(deletion: Deletion | None) -> list[Piece]:
    if deletion is None:
        return []
    token = clipped(deletion.text, TOKEN_LENGTH)
    effect = percent(deletion.mean_effect)
    return [("token", token), ("text", " before it "), ("number", effect)]


def _runs(facts: SummaryFacts) -> list[Piece]:
    if facts.lives_as != "region" or facts.mean_run is None:
        return []
    return [("text", "runs of "), ("number", f"{facts.mean_run:.1f}")]
