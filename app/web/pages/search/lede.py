"""The sentence above the results of a search: what was asked, and how many features answer.

Takes rankings, gives the pieces of a sentence (`text`, `number`, `token`). Says “at least” where
lists were cut, and of logits, whose sign alone says little, only how many are ranked.
"""

from collections.abc import Mapping

from app.db.display import display
from app.web import text
from app.web.pages.search.groups import AnyRanking, Searched
from app.web.pages.search.query import SearchQuery, Term
from app.web.pages.search.ranking import Ranking

Pieces = list[tuple[str, str]]


def lede(searched: Searched, rankings: Mapping[str, AnyRanking]) -> Pieces:
    """The sentence of a search; empty where there is no group."""
    n_labelled = sum(map(len, searched.names.values()))
    if searched.only_labelled and not searched.query.included:
        return _only_labels(len(rankings["labels"]) if rankings else 0, searched.query)
    parts: list[Pieces] = []
    what = subject(searched.query)
    answers = (
        ("fires", ("fires on", "fire on"), ""),
        ("examples", ("shows", "show"), " in an example"),
        ("summaries", ("names", "name"), " in the summary"),
        ("labels", ("names", "name"), " in a label"),
    )
    for mode, verbs, where in answers:
        ranking = rankings.get(mode)
        if ranking is None:
            continue
        n, least, known = len(ranking), False, ""
        if isinstance(ranking, Ranking):
            n = ranking.n_features
            least = ranking.n_left_out > 0 and not _one_token(searched)
            known = ", as far as is known," if len(searched.terms) > 1 else ""
        noun = "" if parts or searched.only_labelled else " feature" if n == 1 else " features"
        counted = ("number", text.count(n) if n else "none" if parts else "no")
        lead = [("text", "at least ")] if least and n else []
        said = f"{noun}{known} {verbs[n != 1]} "
        parts.append([*lead, counted, ("text", said), *what, ("text", where)])
        what = [("text", "it" if len(searched.query.terms) == 1 else "that")]
    if parts and searched.only_labelled:
        of = [("text", "of "), ("number", text.count(n_labelled)), ("text", " labelled features ")]
        parts[0] = [*of, *parts[0]]
    return _sentence(parts)


def _only_labels(n: int, query: SearchQuery) -> Pieces:
    """The sentence of a search for labels without a word that is to be there."""
    said = " feature has a label" if n == 1 else " features have a label"
    without = subject(query)
    return [("number", text.count(n)), ("text", said), *without, ("text", ".")]


def _sentence(parts: list[Pieces]) -> Pieces:
    """The parts as one list, its first letter a capital."""
    if not parts:
        return []
    sentence: Pieces = []
    for i, part in enumerate(parts):
        sentence += part
        sentence.append(
            ("text", ", " if i < len(parts) - 2 else " and " if i < len(parts) - 1 else ".")
        )
    kind, first = sentence[0]
    return [(kind, first[0].upper() + first[1:]), *sentence[1:]]


def subject(query: SearchQuery) -> Pieces:
    """What was asked for: ‘self’ and ‘cls’ but not ‘x’."""
    found: Pieces = []
    for terms, lead in ((query.included, ""), (query.excluded, " but not ")):
        for i, term in enumerate(terms):
            joint = lead if i == 0 else " and " if not lead else " or "
            if joint:
                found.append(("text", joint))
            found += _named(term)
    return found


def _named(term: Term) -> Pieces:
    if term.kind == "phrase":
        return [("text", f"“{display(term.text).replace('·', ' ')}”")]
    return (
        [("token", term.text), ("text", "…")] if term.kind == "prefix" else [("token", term.text)]
    )


def _one_token(searched: Searched) -> bool:
    """Whether each dictionary is searched for a single token, whose features are all counted."""
    return all(
        len(terms.included) == 1 and len(terms.included[0]) == 1 and not terms.excluded
        for _, terms in searched.token_terms()
    )
