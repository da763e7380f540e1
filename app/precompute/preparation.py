"""What has to fit before anything is spent: model, dictionaries, output and corpus.

Takes settings, gives the things of a run, checked against each other; each misfit is one sentence.
Leaves the token contexts (stage 1) in the workplace. Knows no later stage.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64

from app.db.addition import check_addition
from app.db.catalog import find_sae
from app.db.engine import open_atlas
from app.db.records import ModelRecord
from app.precompute.batching import choose_batch
from app.precompute.corpus import Named, Source, from_documents, open_corpus
from app.precompute.describe import model_record
from app.precompute.events import Target, contexts_per_shard
from app.precompute.model import LanguageModel
from app.precompute.recipe import corpus_stamp, run_recipe, without_folder
from app.precompute.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.targets import device_of, load_targets, shared_bos, shared_context_size
from app.precompute.tokens import TokenSettings, build_contexts
from app.precompute.vocabulary import Vocabulary, vocabulary
from app.precompute.workplace import Workplace
from app.sae.expected_average import settle_input_scale
from app.sae.verify import verify
from app.stats.corpus import Corpus

VERIFIED_TOKENS = 2_000


@dataclass(frozen=True)
class Inputs:
    """What the user named, read."""

    model: LanguageModel
    model_record: ModelRecord
    vocabulary: Vocabulary
    targets: list[Target]
    source: Source
    recipe: dict[str, Any]
    """what is stored in the atlas"""
    run_key: dict[str, Any]
    """the recipe and the state of the corpus: an unfinished run of equal key may be resumed"""


@dataclass(frozen=True)
class Run:
    """What every stage of one run shares."""

    settings: PrecomputeSettings
    inputs: Inputs
    targets: list[Target]
    """the dictionaries as they are run: input scale settled, verified"""
    corpus: Corpus
    corpus_folder: Path
    per_shard: int
    batch_contexts: int
    reporter: Reporter


def read_inputs(
    settings: PrecomputeSettings, documents: Iterable[Named] | None, events_folder: Path
) -> Inputs:
    """Everything but the corpus' content; `documents` take the place of a corpus on disk.

    Raises:
        AtlasError: something is missing, unreadable, or doesn't fit the model.
    """
    source = (
        open_corpus(settings.corpus, text_field=settings.text_field, split=settings.split)
        if documents is None
        else from_documents(documents, settings.corpus)
    )
    model = LanguageModel.load(settings.model, device_of(settings.device), settings.dtype)
    model_slug, targets = load_targets(settings, model, events_folder)
    words = vocabulary(model.tokenizer, model.d_vocab)
    # What --name calls a model is its name; else the last part of what it was loaded by.
    name = model_slug if settings.name else without_folder(settings.model).rsplit("/", 1)[-1]
    record = model_record(model, model_slug, name, words)
    recipe = run_recipe(settings, record.weights_hash, targets)
    run_key = recipe | {"the corpus' content": corpus_stamp(settings, documents)}
    return Inputs(model, record, words, targets, source, recipe, run_key)


def is_published(settings: PrecomputeSettings, inputs: Inputs) -> bool:
    """Whether the atlas holds all dictionaries of this run already, made by this very recipe.

    Never so with `replace`: what stands there may be what is to be built again.
    """
    if settings.replace or not settings.output.exists():
        return False
    atlas = open_atlas(settings.output)
    try:
        with atlas.connect() as connection:
            found = [
                find_sae(connection, inputs.model_record.model, target.sae)
                for target in inputs.targets
            ]
    finally:
        atlas.close()
    return all(
        sae is not None
        and all(sae.record.recipe.get(key) == value for key, value in inputs.recipe.items())
        for sae in found
    )


def prepare(
    settings: PrecomputeSettings, inputs: Inputs, workplace: Workplace, reporter: Reporter
) -> Run:
    """Contexts stored, dictionaries verified on them, batch size chosen.

    Raises:
        AtlasError: the output can't take these dictionaries, the corpus doesn't fit the model, or a
            dictionary explains nothing of it.
    """
    saes = [target.sae for target in inputs.targets]
    check_addition(settings.output, inputs.model_record, saes, settings.replace)
    bos = shared_bos(settings, inputs.targets)
    context_size = shared_context_size(settings, inputs.targets, inputs.model.n_ctx)
    choices = workplace.begin(inputs.run_key, reporter.say)
    model, folder = inputs.model, workplace.folder / "corpus"
    if not folder.exists():
        build_contexts(
            inputs.source,
            model.tokenizer,
            TokenSettings(context_size, settings.packing, bos, settings.max_tokens),
            folder,
            model.d_vocab,
            model.n_ctx,
        )
    corpus = Corpus.open(folder)
    targets = _verified(settings, model, inputs.targets, corpus)
    workplace.keep()
    reporter.say(
        f"{settings.corpus}: {corpus.n_tokens:,} counted tokens in {corpus.n_contexts:,} contexts "
        f"of {corpus.context_size}."
    )
    batch = settings.batch_contexts or choices.get("batch_contexts")
    if batch is None:
        batch = choose_batch(model, [target.hook_name for target in targets], corpus)
        workplace.keep_choices({"batch_contexts": batch})
    per_shard = settings.contexts_per_shard or contexts_per_shard(corpus.context_size)
    return Run(settings, inputs, targets, corpus, folder, per_shard, batch, reporter)


def first_contexts(corpus: Corpus, n: int) -> Int64[np.ndarray, " n_chosen"]:
    """The first `n` contexts in which a token counts; there is at least one."""
    return np.flatnonzero(corpus.counted.any(axis=1))[:n]


def _verified(
    settings: PrecomputeSettings, model: LanguageModel, targets: list[Target], corpus: Corpus
) -> list[Target]:
    """The dictionaries, their input scale settled and, unless told otherwise, checked."""
    chosen = first_contexts(corpus, -(-VERIFIED_TOKENS // (corpus.context_size - 1)))
    tokens = torch.from_numpy(corpus.tokens[chosen].astype(np.int64))
    counted = torch.from_numpy(corpus.counted[chosen]).to(model.device)
    activations = model.activations(tokens, [target.hook_name for target in targets])
    settled = []
    for target in targets:
        x = activations[target.hook_name][counted].float()
        dictionary = settle_input_scale(target.dictionary, x)
        if settings.verify:
            verify(dictionary, x)
        settled.append(replace(target, dictionary=dictionary))
    return settled
