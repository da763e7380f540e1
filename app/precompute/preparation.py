"""What has to fit before anything is spent: model, dictionaries, output and corpus.

Takes settings, gives the things of a run, checked against each other; each misfit is one sentence.
Leaves the token contexts (stage 1) in the workplace and every stage bound to its recipe there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from app.db.addition import check_addition
from app.db.beside import dictionaries_beside
from app.db.records import ModelRecord
from app.errors import AtlasError
from app.hub.finding import find_model
from app.precompute.corpus.documents import Named, from_documents, open_corpus
from app.precompute.corpus.tokens import TokenSettings, build_contexts
from app.precompute.events.batching import Sizes, Trial, try_sizes
from app.precompute.events.events import contexts_per_shard
from app.precompute.events.kept_activations import KeptActivations, has_room
from app.precompute.given.events import GivenEvents
from app.precompute.job import ACTIVATIONS, TOKENS, Job
from app.precompute.model.language_model import LanguageModel
from app.precompute.model.model import Model
from app.precompute.model.vocabulary import Vocabulary, vocabulary
from app.precompute.progress.reporter import Reporter
from app.precompute.run_records import model_record
from app.precompute.settings import PrecomputeSettings
from app.precompute.target import Target, hooks_of
from app.precompute.targets import (
    device_of,
    load_targets,
    model_stem,
    other_context_sizes,
    shared_bos,
    shared_context_size,
)
from app.precompute.workplace.ledger import fingerprint
from app.precompute.workplace.recipe import corpus_stamp, run_recipe, without_folder
from app.precompute.workplace.seals import seal
from app.precompute.workplace.stage_recipes import Facts, stage_recipes
from app.precompute.workplace.workplace import Say, Workplace
from app.sae.dictionary import Dictionary
from app.sae.expected_average import settle_input_scale
from app.sae.verify import Doubtful, Verification, verify
from app.stats.corpus import Corpus

VERIFIED_TOKENS = 2_000


@dataclass(frozen=True)
class Loaded:
    """The model and what goes with it, read."""

    model: Model
    model_record: ModelRecord
    vocabulary: Vocabulary
    targets: list[Target]


WriteContexts = Callable[[TokenSettings, Path, Callable[[int], None]], object]
"""Writes the token contexts (stage 1) into a folder; the last is told the tokens written."""


@dataclass(frozen=True)
class Inputs:
    """What the user named, read."""

    loaded: Loaded
    write_contexts: WriteContexts
    recipe: dict[str, Any]
    """what is stored in the atlas"""
    corpus: str
    """the corpus' name and the state of its content"""
    commits: Mapping[str, str] = field(default_factory=dict)
    """where names on the hub lead, by name"""
    given: Mapping[str, GivenEvents] = field(default_factory=dict)
    """firings that need not be found any more, of every dictionary or of none"""


@dataclass(frozen=True)
class Run:
    """What is at hand where the model is needed. Not picklable: `equip` makes it from a job."""

    job: Job
    model: Model
    model_record: ModelRecord
    vocabulary: Vocabulary
    targets: list[Target]
    """the dictionaries as they are run: input scale settled"""
    corpus: Corpus
    given: Mapping[str, GivenEvents] = field(default_factory=dict)
    """firings that need not be found any more, of every dictionary or of none"""

    @property
    def language_model(self) -> LanguageModel:
        """The model, where one can look inside it. ValueError where one can't."""
        if not isinstance(self.model, LanguageModel):
            raise ValueError(f"{self.model.name} is no language model read from files")
        return self.model

    def target(self, sae: str) -> Target:
        """The dictionary of that name."""
        return next(target for target in self.targets if target.sae == sae)

    @property
    def kept(self) -> KeptActivations:
        """The activations of the corpus at the hooks, as far as they are kept."""
        job = self.job
        folder = job.folder / ACTIVATIONS
        return KeptActivations(
            folder, job.keeps_activations, job.per_shard, self.corpus.context_size, self.model.dtype
        )


def read_inputs(
    settings: PrecomputeSettings,
    documents: Iterable[Named] | None,
    folder: Path,
    commits: Mapping[str, str],
) -> Inputs:
    """Everything but the corpus' content; `documents` take the place of a corpus on disk.

    `commits` are those of what lies on the hub, by its name; the files are in the hub's cache.

    Raises:
        AtlasError: something is missing, unreadable, or doesn't fit the model.
    """
    source = (
        open_corpus(settings.corpus, text_field=settings.text_field, split=settings.split)
        if documents is None
        else from_documents(documents, settings.corpus)
    )
    loaded = load(settings, folder, commits)
    recipe = run_recipe(settings, loaded.model_record.weights_hash, loaded.targets, commits)
    name = without_folder(settings.corpus)
    stamp = corpus_stamp(settings, documents)
    model = loaded.model
    assert isinstance(model, LanguageModel)

    def write(options: TokenSettings, into: Path, advance: Callable[[int], None]) -> None:
        tokenizer, d_vocab = model.tokenizer, model.d_vocab
        build_contexts(source, tokenizer, options, into, d_vocab, model.n_ctx, advance)

    return Inputs(loaded, write, recipe, f"{name} {stamp}", commits)


def prepare(
    settings: PrecomputeSettings, inputs: Inputs, workplace: Workplace, reporter: Reporter
) -> Run:
    """Contexts stored, dictionaries verified on them, batch size chosen, every stage's recipe set.

    Raises:
        AtlasError: the output can't take these dictionaries, the corpus doesn't fit the model, or a
            dictionary explains nothing of it.
    """
    loaded = inputs.loaded
    saes = tuple(target.sae for target in loaded.targets)
    check_addition(settings.output, loaded.model_record, saes, settings.replace)
    bos = shared_bos(settings, loaded.targets)
    context_size = shared_context_size(settings, loaded.targets, loaded.model.n_ctx)
    # A choice holds for the model, the dictionaries and the size of contexts it was tried on.
    tried = {"model": loaded.model_record.weights_hash, "saes": inputs.recipe["saes"]}
    chosen_for = fingerprint(tried | {"context_size": context_size})
    choice, pace, seen = (f"{fact} {chosen_for}" for fact in ("sizes", "pace sizes", "way"))
    chosen = workplace.ledger.facts.get(choice)
    sizes = None if chosen is None else _told(settings, Sizes(**chosen))
    way_before = workplace.ledger.facts.get(seen)
    facts = Facts(
        corpus=inputs.corpus,
        tokenizer_hash=loaded.model_record.tokenizer_hash,
        model_hash=loaded.model_record.weights_hash,
        dictionaries=_dictionaries(inputs, f"{inputs.corpus} {context_size} {bos}"),
        context_size=context_size,
        prepend_bos=bos,
        contexts_per_shard=settings.contexts_per_shard,
        sizes=None if sizes is None else vars(sizes),
        way=way_before,
        beside={
            each.sae: fingerprint(vars(each))
            for each in dictionaries_beside(settings.output, loaded.model_record.model, saes)
        },
    )
    workplace.begin(stage_recipes(settings, facts), reporter.say)
    corpus = _contexts(settings, inputs, context_size, bos, workplace, reporter)
    told = reporter.say if settings.verify else None
    targets = settled(loaded.model, loaded.targets, corpus, check=told)
    workplace.keep()
    reporter.say(
        f"{settings.corpus}: {corpus.n_tokens:,} counted tokens in {corpus.n_contexts:,} contexts "
        f"of {corpus.context_size}."
    )
    others = other_context_sizes(targets, corpus.context_size)
    if others and settings.context_size is None and corpus.metadata["packing"] != "array":
        reporter.say(others)
    hook_names = hooks_of(targets)
    way = loaded.model.way(hook_names)
    for sentence in loaded.model.ways(hook_names):
        reporter.say(sentence)
    if sizes is None and not loaded.model.runs:
        sizes = Sizes(1, 1)
    elif sizes is None:
        trial = _trial(loaded.model, targets, corpus, reporter)
        sizes = _told(settings, trial.sizes)
        workplace.ledger.keep(pace, trial.seconds_per_token)
    tried_pace = workplace.ledger.facts.get(pace)
    if tried_pace is not None and settings.batch_contexts is None:
        # Where the user chose the batch the trial's figure is not that of what runs.
        reporter.bound("events", tried_pace, on_processor=loaded.model.device.type == "cpu")
    workplace.ledger.keep(choice, vars(sizes))
    workplace.ledger.keep(seen, way)
    # What stood in the recipes before is known by now; only another way is news.
    say = reporter.say if way_before not in (None, way) else lambda _: None
    workplace.begin(stage_recipes(settings, replace(facts, sizes=vars(sizes), way=way)), say)
    per_shard = settings.contexts_per_shard or contexts_per_shard(corpus.context_size)
    record, words = loaded.model_record, loaded.vocabulary
    keeps = has_room(
        workplace.folder,
        settings.activation_gigabytes,
        {name: loaded.model.hook_width(name) for name in hook_names},
        corpus.tokens.size * loaded.model.dtype.itemsize,
    )
    job = Job(
        settings, workplace.folder, record.model, saes, per_shard, keeps, **vars(sizes),
        commits=inputs.commits,
    )  # fmt: skip
    return Run(job, loaded.model, record, words, targets, corpus, inputs.given)


def equip(job: Job) -> Run:
    """What a worker elsewhere needs at hand: the model and dictionaries read, the stored contexts.

    Equal to what `prepare` gave in the process that started the job.
    """
    loaded = load(job.settings, job.folder, job.commits)
    corpus = Corpus.open(job.corpus_folder)
    targets = settled(loaded.model, loaded.targets, corpus)
    return Run(job, loaded.model, loaded.model_record, loaded.vocabulary, targets, corpus)


def load(settings: PrecomputeSettings, folder: Path, commits: Mapping[str, str]) -> Loaded:
    """Model and dictionaries as the settings name them. AtlasError for what can't be read."""
    found = find_model(settings.model, commits.get(settings.model))
    model = LanguageModel.load(found.path, device_of(settings.device), settings.dtype, found.named)
    model_slug, targets = load_targets(settings, model, folder / "events", commits)
    words = vocabulary(model.tokenizer, model.d_vocab)
    # What --name calls a model is its name; else the last part of what it was loaded by.
    name = model_slug if settings.name else model_stem(settings.model)
    return Loaded(model, model_record(model, model_slug, name, words), words, targets)


def _contexts(
    settings: PrecomputeSettings,
    inputs: Inputs,
    context_size: int,
    bos: bool,
    workplace: Workplace,
    reporter: Reporter,
) -> Corpus:
    """Stage 1: the stored contexts, made unless they are there and whole."""
    folder = workplace.folder / TOKENS
    workplace.verify(TOKENS, reporter.say)
    if not workplace.done(TOKENS):
        with reporter.stage(TOKENS, settings.max_tokens, "tokens") as advance:
            options = TokenSettings(context_size, settings.packing, bos, settings.max_tokens)
            inputs.write_contexts(options, folder, advance)
        workplace.ledger.finish(TOKENS, "contexts", seal(workplace.folder, folder.iterdir()))
    return Corpus.open(folder)


def first_contexts(corpus: Corpus, n: int) -> Int64[np.ndarray, " n_chosen"]:
    """The first `n` contexts in which a token counts; there is at least one."""
    return np.flatnonzero(corpus.counted.any(axis=1))[:n]


def _trial(model: Model, targets: Sequence[Target], corpus: Corpus, reporter: Reporter) -> Trial:
    with reporter.stage("trial", len(targets), "dictionaries") as advance:
        trial = try_sizes(model, targets, corpus)
        advance(len(targets))
    return trial


def _told(settings: PrecomputeSettings, chosen: Sizes) -> Sizes:
    """What a trial chose, but where the user chose."""
    batch = settings.batch_contexts
    return chosen if batch is None else replace(chosen, batch_contexts=batch)


def _dictionaries(inputs: Inputs, sample: str) -> dict[str, dict[str, str]]:
    """Hooks and hash of each dictionary, and what its input scale is estimated on, if it is."""
    saes: dict[str, dict[str, str]] = inputs.recipe["saes"]
    return {
        target.sae: saes[target.sae]
        | ({"sample": sample} if target.dictionary.config.input_scale_unsettled else {})
        for target in inputs.loaded.targets
    }


def settled(
    model: Model, targets: Sequence[Target], corpus: Corpus, check: Say | None = None
) -> list[Target]:
    """The dictionaries, their input scale settled on the first tokens.

    Args:
        check: who is told what the check of each found; without it none is checked.
    """
    if not model.runs:
        return list(targets)
    found = []
    for target, x, y in sampled(model, targets, corpus):
        # What a user brought was checked when it was brought.
        if check and isinstance(target.dictionary, Dictionary):
            figures = _verified(target.dictionary, x, y, target.hooks)
            check(f"{target.sae}: {figures.told()} on {len(x):,} tokens.")
        found.append(target)
    return found


def _verified(
    dictionary: Dictionary,
    x: Float[Tensor, "n _d_in"],
    y: Float[Tensor, "n _d_out"],
    hooks: Sequence[str],
) -> Verification:
    try:
        return verify(dictionary, x, y, hooks)
    except Doubtful as error:
        sentence = str(error).removesuffix(".")
        raise AtlasError(f"{sentence}; --no-verify skips this check.") from error


def sampled(
    model: Model, targets: Sequence[Target], corpus: Corpus
) -> Iterator[tuple[Target, Float[Tensor, "n _d_in"], Float[Tensor, "n _d_out"]]]:
    """Each dictionary, its input scale settled, with what it reads and what it reconstructs.

    On the counted ones of the first `VERIFIED_TOKENS` tokens, more or less a context.
    """
    chosen = first_contexts(corpus, -(-VERIFIED_TOKENS // (corpus.context_size - 1)))
    tokens = torch.from_numpy(corpus.tokens[chosen].astype(np.int64))
    counted = torch.from_numpy(corpus.counted[chosen]).to(model.device)
    activations = model.activations(tokens, hooks_of(targets))
    for target in targets:
        x, y = (activations[name][counted].float() for name in target.hooks)
        dictionary = target.dictionary
        if isinstance(dictionary, Dictionary):
            dictionary = settle_input_scale(dictionary, x, y)
        yield replace(target, dictionary=dictionary), x, y
