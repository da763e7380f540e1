"""What the searched terms mean in each model's vocabulary, and which of it is searched.

Takes terms and the choice in the address, gives for every term each vocabulary token it can stand
for, ticked or not. Without a choice the exact text is searched (with and without the space before
it); where the vocabulary has none, the other cases; where there are none, what begins with it.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.tokens import TokenMatch, is_token, match_exactly, match_tokens
from app.web.pages.search.query import SearchQuery, Term, read_query


@dataclass(frozen=True)
class Meaning:
    """One token a term can stand for."""

    model: str
    match: TokenMatch
    counted: bool
    """whether its occurrences are known: of a corpus only imports come from they aren't"""
    argument: str
    """how the address names it"""
    searched: bool


@dataclass(frozen=True)
class TermMeanings:
    """One term and all it can stand for."""

    term: Term
    meanings: list[Meaning]
    """in the models searched, model by model; exact ones first, then by count"""

    def token_ids(self, model: str) -> list[int]:
        """The tokens of a model that are searched for it."""
        return [m.match.token.token_id for m in self.meanings if m.searched and m.model == model]


def read_text(
    connection: Connection, saes: list[Sae], text: str, leaves_out: bool = False
) -> SearchQuery:
    """The terms of a text; one that is a token of any model searched is that token.

    Args:
        leaves_out: it may only leave out.
    """
    query = read_query(text, leaves_out=leaves_out)
    plain = [(term.kind, term.text) for term in query.terms] == [("token", text)]
    if (
        text
        and not plain
        and any(is_token(connection, sae.model_id, text) for sae in _first_of_models(saes))
    ):
        return read_query(text, is_token=True)
    return query


def find_meanings(
    connection: Connection, saes: list[Sae], query: SearchQuery, chosen: tuple[str, ...]
) -> list[TermMeanings]:
    """The meanings of each term that can be a token.

    Occurrences are those in the corpus of a model's first dictionary here. A choice that names
    none of a term's tokens is as good as none.
    """
    return [
        TermMeanings(term, _meanings(connection, saes, term, chosen))
        for term in query.terms
        if term.kind != "phrase"
    ]


def _meanings(
    connection: Connection, saes: list[Sae], term: Term, chosen: tuple[str, ...]
) -> list[Meaning]:
    models = _first_of_models(saes)
    found: list[Meaning] = []
    for sae in models:
        model = sae.record.model
        matches = _matches(connection, sae, term)
        arguments = [
            f"{model}:{match.token.token_id}" if len(models) > 1 else str(match.token.token_id)
            for match in matches
        ]
        picked = {
            argument
            for argument, match in zip(arguments, matches, strict=True)
            if argument in chosen or f"{model}:{match.token.token_id}" in chosen
        }
        kind = matches[0].kind if matches else ""
        found += [
            Meaning(
                model,
                match,
                sae.record.imported is None,
                argument,
                argument in picked if picked else term.kind == "prefix" or match.kind == kind,
            )
            for argument, match in zip(arguments, matches, strict=True)
        ]
    return found


def _matches(connection: Connection, sae: Sae, term: Term) -> list[TokenMatch]:
    match = match_exactly if term.kind == "exact" else match_tokens
    return match(connection, sae.model_id, sae.corpus_id, term.text)


def _first_of_models(saes: list[Sae]) -> list[Sae]:
    """Those that were run here before imports."""
    ordered = sorted(saes, key=lambda sae: sae.record.imported is not None)
    first = {sae.model_id: sae for sae in reversed(ordered)}
    return sorted(first.values(), key=lambda sae: sae.sae_id)
