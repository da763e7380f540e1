"""What a searched text means in each model's vocabulary, and which of it is searched.

Takes a text and the choice in the address, gives every vocabulary token the text can stand for,
ticked or not. Without a choice the exact text is searched (with and without the space before it);
where the vocabulary has none, the other cases; where there are none, what begins with it.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.tokens import TokenMatch, match_tokens


@dataclass(frozen=True)
class Meaning:
    """One token a text can stand for."""

    model: str
    match: TokenMatch
    argument: str
    """how the address names it"""
    searched: bool


def find_meanings(
    connection: Connection, saes: list[Sae], text: str, chosen: tuple[str, ...]
) -> list[Meaning]:
    """The meanings in the models of `saes`, model by model; exact ones first, then by count.

    Occurrences are those in the corpus of a model's first dictionary here. A choice that names
    none of the tokens is as good as none.
    """
    first_of_model = {sae.model_id: sae for sae in reversed(saes)}
    several = len(first_of_model) > 1
    found: list[Meaning] = []
    for sae in sorted(first_of_model.values(), key=lambda sae: sae.sae_id):
        model = sae.record.model
        matches = match_tokens(connection, sae.model_id, sae.corpus_id, text)
        arguments = [
            f"{model}:{match.token.token_id}" if several else str(match.token.token_id)
            for match in matches
        ]
        picked = {
            argument
            for argument, match in zip(arguments, matches, strict=True)
            if argument in chosen or f"{model}:{match.token.token_id}" in chosen
        }
        kind = matches[0].kind if matches else ""
        found += [
            Meaning(model, match, argument, argument in picked if picked else match.kind == kind)
            for argument, match in zip(arguments, matches, strict=True)
        ]
    return found
