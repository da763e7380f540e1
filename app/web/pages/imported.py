"""What pages say of a dictionary that was read from another tool's files: where it came from, and
that a panel is empty because those files don't hold it.

Takes a dictionary, gives sentences. Knows no feature and no template.
"""

import json
from dataclasses import dataclass
from typing import Any

from app.db.catalog import Sae
from app.db.records import ImportRecord
from app.web.text import count

_MOST_SETTINGS = 40
_LONGEST = 300


@dataclass(frozen=True)
class OriginRow:
    """One line about the source."""

    name: str
    texts: list[str]


@dataclass(frozen=True)
class Origin:
    """Context of `partials/origin.html`."""

    title: str
    rows: list[OriginRow]
    settings: list[OriginRow]
    """the source's own, as they stand there"""


def files_of(found: ImportRecord) -> str:
    """“the SAEDashboard files gpt2-8”."""
    return f"the {found.title} files {found.source}"


def not_held(sae: Sae, what: str) -> str:
    """Why a panel is empty: "Token counts: not in the SAEDashboard files this was read from."."""
    assert sae.record.imported is not None
    return f"{what}: not in {files_of(sae.record.imported)} that this was read from."


def corpus_sentence(sae: Sae) -> str:
    """What every number of an import rests on, as far as its source says."""
    found, corpus = sae.record.imported, sae.corpus
    assert found is not None
    if corpus.n_tokens is not None:
        over = f"{corpus.n_tokens:,} tokens{f' of {corpus.name}' if corpus.name else ''}"
    else:
        of = f"{corpus.name}; of how much of it" if corpus.name else "some text; which and how much"
        over = f"{of} they don't say"
    return (
        f"Nothing on this page was measured here: every number stands in {files_of(found)}, "
        f"counted over {over}. {_positions(sae)}{_caveats(found)}"
    )


def _positions(sae: Sae) -> str:
    first = sae.corpus.first_position
    if first is None:
        return "Where in a context a text stood they don't say."
    if first == 0:
        return "Texts begin at position 0 of their context."
    return f"Texts begin at position {first} of their context; what stood before isn't held."


def _caveats(found: ImportRecord) -> str:
    said = ""
    if found.approximate:
        said += f" Rounded or sampled there: {'; '.join(found.approximate)}."
    return said


def place_words(sae: Sae, position: int) -> str:
    """A token of a stored text: "position 12", or "token 13 of the text" where the source doesn't
    say at which position the text began."""
    first = sae.corpus.first_position
    if first is None:
        return f"token {position + 1} of the text"
    return f"position {first + position}"


def lede_of(sae: Sae, n_living: int) -> list[list[str]]:
    """An imported dictionary in a sentence of [kind, text] pieces."""
    found = sae.record.imported
    assert found is not None
    pieces = [
        ["text", f"Read from {found.title} files. They hold "],
        ["number", count(found.n_features)],
    ]
    of = sae.record.d_sae
    if of is not None and of != found.n_features:
        pieces += [["text", " of its "], ["number", count(of)]]
    pieces.append(["text", " features" if found.n_features != 1 else " feature"])
    if n_living < found.n_features:
        n_dead = found.n_features - n_living
        are = "is" if n_dead == 1 else "are"
        pieces += [["text", ", of which "], ["number", count(n_dead)], ["text", f" {are} dead"]]
    return [*pieces, ["text", "."]]


def origin_of(sae: Sae) -> Origin | None:
    """Where an imported dictionary came from; None for one that was run here."""
    found, corpus = sae.record.imported, sae.corpus
    if found is None:
        return None
    n_texts = f"{count(corpus.n_contexts)} texts of up to {count(corpus.context_size)} tokens"
    documents = f" from {count(corpus.n_documents)} documents" if corpus.n_documents else ""
    rows = [
        OriginRow("Format", [f"{found.title} ({found.format})"]),
        OriginRow("Files", [found.source]),
        OriginRow("Called there", [f"{found.model_name}, {found.sae_name}"]),
        OriginRow("Features", [_features(sae, found)]),
        OriginRow("Examples", [f"{n_texts}{documents}; the same text is kept once"]),
        OriginRow("Positions", [_positions(sae)]),
        OriginRow("Tokens", [_tokens(sae)]),
        OriginRow("Never held by this format", found.absent),
        OriginRow("Rounded or sampled there", found.approximate),
    ]
    settings = [OriginRow(name, [value]) for name, value in _settings(found.settings)]
    return Origin(found.title, [row for row in rows if any(row.texts)], settings)


def _features(sae: Sae, found: ImportRecord) -> str:
    of = sae.record.d_sae
    said = f"{count(found.n_features)}, numbered up to {count(found.n_indices - 1)}"
    if of is None:
        return f"{said}; how many the dictionary has besides they don't say"
    return f"{said}, of {count(of)}" if of != found.n_features else said


def _tokens(sae: Sae) -> str:
    if not sae.model.imported:
        return "their texts, found again in the vocabulary of the model, which this atlas has"
    if sae.model.tokenizer_hash:
        return "their texts, found again in a tokenizer's vocabulary; others are numbered behind it"
    return "their texts; numbers of tokens that the files don't give are the order of appearance"


def _settings(held: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, value in list(held.items())[:_MOST_SETTINGS]:
        said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if value not in (None, "", [], {}):
            found.append((name, said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"))
    return found
