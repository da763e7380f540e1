"""Stage 5: ablated text and context needed of the strongest examples.

Takes examples; chooses which of them are spent on, says beforehand what that costs, runs them
(texts that several features or dictionaries share run once, so a piece holds whole texts) and gives
the results as groups. Knows which examples, not how a text is changed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Integer

from app.db.records import AblationGroup, ExampleGroup, Group
from app.precompute.ablation.ablation import AblatedExample, Ablation, AblationSettings, ablate
from app.precompute.ablation.ablation import cost as ablation_cost
from app.precompute.ablation.context_needed import (
    KEPT,
    ContextNeeded,
    ContextNeededSettings,
    context_needed,
)
from app.precompute.ablation.context_needed import cost as context_cost
from app.precompute.ablation.texts import Example, Mount, texts_of
from app.precompute.drivers.driver import Piece, Task
from app.precompute.preparation import Run
from app.precompute.settings import PrecomputeSettings
from app.precompute.workplace.stage_recipes import ABLATED
from app.stats.corpus import Corpus

TEXTS_A_PIECE = 256
"""Texts of a piece: enough to fill many batches, little enough to be lost."""

COST_OPTIONS = (
    "--ablation-examples, --ablation-interval-examples, --ablation-window, --replacements, "
    "--context-examples or --context-draws"
)
"""What the price follows."""


@dataclass(frozen=True)
class AblatedTextSettings:
    """How much is spent, and on which examples."""

    n_top: int
    n_per_band: int
    """interval examples of each band"""
    ablation: AblationSettings
    context: ContextNeededSettings
    n_context: int
    """of the top ones, how many also get the context they need; interval examples always do"""


@dataclass(frozen=True)
class Chosen:
    """One example that gets ablated text, and where its results go."""

    sae: str
    feature_index: int
    group: Group
    rank: int
    example: Example


@dataclass(frozen=True)
class Asked:
    """What one piece works on."""

    rows: list[int]
    """which of the chosen"""
    examples: list[Example]
    with_context: list[int]
    """which of these examples also get the context they need"""


@dataclass(frozen=True)
class Measured:
    """What one piece found; results name their example by its place in the piece."""

    rows: list[int]
    ablated: list[AblatedExample]
    needed: list[ContextNeeded]


@dataclass(frozen=True)
class Price:
    """What the stage will take, in tokens of forward pass; printed before it starts."""

    n_examples: int
    n_texts: int
    n_tokens: int


def ablated_text_settings(settings: PrecomputeSettings) -> AblatedTextSettings:
    """What a run was told of this stage."""
    return AblatedTextSettings(
        settings.ablation_examples,
        settings.ablation_interval_examples,
        AblationSettings(settings.ablation_window, settings.replacements, settings.seed),
        ContextNeededSettings(settings.context_draws, settings.seed),
        settings.context_examples,
    )


def choose_examples(
    examples: Iterable[tuple[str, int, Group, ExampleGroup]],
    saes: Sequence[str],
    corpus: Corpus,
    settings: AblatedTextSettings,
) -> list[Chosen]:
    """The examples to spend on, strongest first: by rank in their group, then by feature.

    `examples`: the top and interval groups of the dictionaries `saes`, by feature.
    """
    chosen: list[Chosen] = []
    for sae, feature_index, group, found in examples:
        for rank in _ranks(group, found, settings):
            position = int(found.position[rank])
            tokens = np.array(corpus.tokens[found.context_id[rank], : position + 1])
            example = Example(feature_index, tokens, position, saes.index(sae))
            chosen.append(Chosen(sae, feature_index, group, rank, example))
    return sorted(chosen, key=lambda item: (item.group != "top", item.rank))


def ablated_text_pieces(chosen: Sequence[Chosen], settings: AblatedTextSettings) -> list[Piece]:
    """The chosen examples in groups of whole texts, in the order in which they were chosen."""
    texts = texts_of([item.example for item in chosen])
    also = set(with_context(chosen, settings))
    pieces = []
    for start in range(0, len(texts), TEXTS_A_PIECE):
        rows = [i for text in texts[start : start + TEXTS_A_PIECE] for i in text.examples]
        matter = Asked(
            rows, [chosen[i].example for i in rows], [n for n, i in enumerate(rows) if i in also]
        )
        units = len(rows) + len(matter.with_context)
        pieces.append(Piece((ABLATED,), f"{start // TEXTS_A_PIECE:06d}", units, matter))
    return pieces


def price(chosen: Sequence[Chosen], settings: AblatedTextSettings) -> Price:
    """The cost of the stage for these examples."""
    examples = [item.example for item in chosen]
    ablations = ablation_cost(examples, settings.ablation)
    contexts = context_cost(
        [chosen[i].example for i in with_context(chosen, settings)], settings.context
    )
    return Price(len(examples), ablations.n_texts, ablations.n_tokens + contexts.n_tokens)


def with_context(chosen: Sequence[Chosen], settings: AblatedTextSettings) -> list[int]:
    """Which of the chosen also get the context they need."""
    return [
        index
        for index, item in enumerate(chosen)
        if item.group != "top" or item.rank < settings.n_context
    ]


def measure_ablated_text(run: Run, asked: Asked) -> Measured:
    """Runs the examples of one piece."""
    corpus, settings = run.corpus, ablated_text_settings(run.job.settings)
    mounts = [Mount.of(target) for target in run.targets]
    # A tokenizer may have special tokens that the model has no embedding for.
    special_ids = [i for i in corpus.metadata["special_token_ids"] if i < corpus.d_vocab]
    ablated = ablate(
        run.model, mounts, asked.examples, corpus.occurrences, special_ids, settings.ablation,
        n_workers=1,
    )  # fmt: skip
    needed = context_needed(
        run.model,
        mounts,
        [asked.examples[index] for index in asked.with_context],
        corpus.tokens,
        special_ids,
        settings.context,
        text_lengths(corpus),
        n_workers=1,
    )
    return Measured(
        asked.rows,
        list(ablated),
        [replace(item, example=asked.with_context[item.example]) for item in needed],
    )


ABLATED_TEXT = Task(measure_ablated_text, "model")


def ablation_groups(
    chosen: Sequence[Chosen], pieces: Iterable[Measured]
) -> dict[tuple[str, int], dict[Group, AblationGroup]]:
    """What all pieces found, by dictionary and feature."""
    ablated: dict[int, AblatedExample] = {}
    needed: dict[int, ContextNeeded] = {}
    for piece in pieces:
        ablated |= {piece.rows[item.example]: item for item in piece.ablated}
        needed |= {piece.rows[item.example]: item for item in piece.needed}
    indices: dict[tuple[str, int], dict[Group, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, item in enumerate(chosen):
        indices[item.sae, item.feature_index][item.group].append(index)
    return {
        feature: {group: _group(own, chosen, ablated, needed) for group, own in groups.items()}
        for feature, groups in indices.items()
    }


def text_lengths(corpus: Corpus) -> Integer[np.ndarray, " n_contexts"] | None:
    """Tokens of each context without the padding at its end; None where nothing is padded."""
    if corpus.metadata["packing"] != "document":
        return None
    of_text = corpus.document_ids >= 0
    behind = of_text[:, ::-1].argmax(axis=1)
    return np.where(of_text.any(axis=1), corpus.context_size - behind, 0)


def _ranks(group: Group, examples: ExampleGroup, settings: AblatedTextSettings) -> list[int]:
    if group == "top":
        return list(range(min(settings.n_top, len(examples.position))))
    ranks: list[int] = []
    for band in range(len(examples.band_low)):
        ranks += np.flatnonzero(examples.band == band)[: settings.n_per_band].tolist()
    return sorted(ranks)


def _group(
    indices: Sequence[int],
    chosen: Sequence[Chosen],
    ablated: Mapping[int, AblatedExample],
    needed: Mapping[int, ContextNeeded],
) -> AblationGroup:
    indices = sorted(indices, key=lambda index: chosen[index].rank)
    deleted = [ablated[index].delete for index in indices]
    replaced = [ablated[index].replace for index in indices]
    return AblationGroup(
        np.array([chosen[index].rank for index in indices], np.uint16),
        np.array([item.baseline for item in deleted], np.float32),
        np.array([item.hidden_pre_baseline for item in deleted], np.float32),
        *_columns(deleted),
        *_columns(replaced),
        np.array(KEPT, np.uint16),
        *_shares([needed.get(index) for index in indices]),
    )


def _columns(
    ablations: Sequence[Ablation],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(indptr, positions, effects, hidden_pre effects) of one mode, example after example."""
    sizes = [len(item.positions) for item in ablations]
    return (
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.uint32),
        np.concatenate([item.positions for item in ablations]).astype(np.uint16),
        np.concatenate([item.effects for item in ablations]).astype(np.float32),
        np.concatenate([item.hidden_pre_effects for item in ablations]).astype(np.float32),
    )


def _shares(
    needed: Sequence[ContextNeeded | None],
) -> tuple[Float[np.ndarray, "a k"], Float[np.ndarray, "a k"]]:
    """(filled, cut off) in the columns of `KEPT`; NaN where an example was not measured or is too
    short for that many.
    """
    filled, truncated = np.full((2, len(needed), len(KEPT)), np.nan, np.float32)
    for row, item in enumerate(needed):
        if item is not None:
            columns = np.isin(KEPT, item.kept)
            filled[row, columns] = item.activation_share
            truncated[row, columns] = item.truncated_share
    return filled, truncated
