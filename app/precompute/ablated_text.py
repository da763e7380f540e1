"""Stage 5: ablated text and context needed of the strongest examples, written into the atlas.

Takes an atlas whose examples are there; chooses which of them are spent on, says beforehand what
that costs, runs them (texts that several features or dictionaries share run once) and adds the
results to their groups. Knows which examples, not how a text is changed.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

from app.db.examples import iterate_group
from app.db.records import AblationGroup, ExampleGroup, Group
from app.db.writer import AtlasWriter
from app.precompute.ablation import AblatedExample, Ablation, AblationSettings, ablate
from app.precompute.ablation import cost as ablation_cost
from app.precompute.context_needed import (
    KEPT,
    ContextNeeded,
    ContextNeededSettings,
    context_needed,
)
from app.precompute.context_needed import cost as context_cost
from app.precompute.events import Target
from app.precompute.model import LanguageModel
from app.precompute.texts import Example, Mount
from app.stats.corpus import Corpus


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

    sae_id: int
    feature_index: int
    group: Group
    rank: int
    example: Example


@dataclass(frozen=True)
class Price:
    """What the stage will take, in tokens of forward pass; printed before it starts."""

    n_examples: int
    n_texts: int
    n_tokens: int


def choose_examples(
    writer: AtlasWriter,
    sae_ids: Sequence[int],
    corpus: Corpus,
    settings: AblatedTextSettings,
) -> list[Chosen]:
    """The examples to spend on, strongest first: by rank in their group, then by feature."""
    chosen: list[Chosen] = []
    for mount, sae_id in enumerate(sae_ids):
        for group in ("top", "interval"):
            for feature_index, examples in iterate_group(writer.connection, sae_id, group):
                for rank in _ranks(group, examples, settings):
                    position = int(examples.position[rank])
                    tokens = corpus.tokens[examples.context_id[rank], : position + 1]
                    example = Example(feature_index, tokens, position, mount)
                    chosen.append(Chosen(sae_id, feature_index, group, rank, example))
    return sorted(chosen, key=lambda item: (item.group != "top", item.rank))


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


def add_ablated_text(
    writer: AtlasWriter,
    targets: Mapping[int, Target],
    chosen: Sequence[Chosen],
    model: LanguageModel,
    corpus: Corpus,
    settings: AblatedTextSettings,
    advance: Callable[[int], None],
) -> None:
    """Runs the chosen examples and stores what they give; `advance` counts what was run:
    every example, and those of `with_context` once more.
    """
    mounts = [Mount(target.dictionary, target.hook_name) for target in targets.values()]
    examples = [item.example for item in chosen]
    # A tokenizer may have special tokens that the model has no embedding for.
    special_ids = [i for i in corpus.metadata["special_token_ids"] if i < corpus.d_vocab]
    ablated: dict[int, AblatedExample] = {}
    for item in ablate(model, mounts, examples, corpus.occurrences, special_ids, settings.ablation):
        ablated[item.example] = item
        advance(1)
    needed: dict[int, ContextNeeded] = {}
    also = with_context(chosen, settings)
    for found in context_needed(
        model,
        mounts,
        [examples[index] for index in also],
        corpus.tokens,
        special_ids,
        settings.context,
        text_lengths(corpus),
    ):
        needed[also[found.example]] = found
        advance(1)
    groups: dict[tuple[int, Group], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, item in enumerate(chosen):
        groups[item.sae_id, item.group][item.feature_index].append(index)
    for (sae_id, group), features in groups.items():
        writer.add_ablations(
            sae_id,
            group,
            (
                (feature_index, _group(indices, chosen, ablated, needed))
                for feature_index, indices in features.items()
            ),
        )


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
