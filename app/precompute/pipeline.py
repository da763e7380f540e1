"""The job, in the order it is done: this file is the table of contents of `app.precompute`.

Takes settings, leaves an atlas. It alone knows the order of the stages; each of them is a file of
its own and knows none of the others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from app.db.catalog import find_sae
from app.db.engine import open_atlas
from app.db.records import FeatureBundle
from app.db.writer import AtlasWriter
from app.errors import AtlasError
from app.precompute.ablated_text import (
    AblatedTextSettings,
    add_ablated_text,
    choose_examples,
    price,
)
from app.precompute.ablation import AblationSettings
from app.precompute.batching import choose_batch
from app.precompute.context_needed import ContextNeededSettings
from app.precompute.corpus import Named, from_documents, open_corpus
from app.precompute.describe import (
    ablation_record,
    corpus_record,
    model_record,
    sae_record,
    token_records,
)
from app.precompute.events import (
    Target,
    contexts_per_shard,
    extract_events,
    read_sums,
    sampled_contexts,
)
from app.precompute.features import Rankings, feature_bundles
from app.precompute.logit_lens import LogitLens, mean_final_norm_scale
from app.precompute.model import LanguageModel
from app.precompute.quality import measure_quality
from app.precompute.recipe import command_of, generator, run_recipe
from app.precompute.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.silent import count_silent_contexts, measure_silent_examples
from app.precompute.store import store_contexts, store_rankings
from app.precompute.summaries import add_summaries
from app.precompute.targets import device_of, load_targets, shared_bos, shared_context_size
from app.precompute.tokens import TokenSettings, build_contexts
from app.precompute.vocabulary import Vocabulary, vocabulary
from app.precompute.workplace import Workplace, check_writable
from app.sae.expected_average import settle_input_scale
from app.sae.verify import verify
from app.stats.corpus import Corpus
from app.stats.feature import StatisticsSettings

VERIFIED_TOKENS = 2_000
NORM_SCALE_CONTEXTS = 32


@dataclass(frozen=True)
class Run:
    """What every stage of one run shares."""

    settings: PrecomputeSettings
    model: LanguageModel
    model_slug: str
    targets: list[Target]
    vocabulary: Vocabulary
    corpus: Corpus
    corpus_folder: Path
    per_shard: int
    batch_contexts: int
    reporter: Reporter


def run(
    settings: PrecomputeSettings,
    documents: Iterable[Named] | None = None,
    reporter: Reporter | None = None,
) -> None:
    """Runs the whole job and publishes the atlas at `settings.output`.

    `documents` takes the place of a corpus that is read from disk; `settings.corpus` is its name.

    Raises:
        AtlasError: anything a user can put right. Nothing that looks like an atlas is left behind.
    """
    reporter = reporter or Reporter()
    check_writable(settings.output)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    with Workplace(settings.output) as workplace:
        prepared = _prepare(settings, documents, workplace, reporter)
        _extract(prepared)
        build_id = _write(prepared)
        workplace.ship_events(_parts(prepared))
    reporter.summary()
    size = settings.output.stat().st_size
    reporter.say(f"Wrote {settings.output} ({size / 1e6:,.1f} MB, build {build_id}).")


def _prepare(
    settings: PrecomputeSettings,
    documents: Iterable[Named] | None,
    workplace: Workplace,
    reporter: Reporter,
) -> Run:
    """Model, dictionaries and contexts, checked against each other before anything is spent."""
    model = LanguageModel.load(settings.model, device_of(settings.device), settings.dtype)
    model_slug, targets = load_targets(settings, model, workplace.folder / "events")
    _refuse_taken_names(settings, model_slug, targets)
    bos = shared_bos(settings, targets)
    context_size = shared_context_size(settings, targets, model.n_ctx)
    source = (
        open_corpus(settings.corpus, text_field=settings.text_field, split=settings.split)
        if documents is None
        else from_documents(documents, settings.corpus)
    )
    words = vocabulary(model.tokenizer, model.d_vocab)
    recipe = run_recipe(settings, model.weights_hash(), targets)
    choices = workplace.begin(recipe, reporter.say)
    folder = workplace.folder / "corpus"
    if not folder.exists():
        token_settings = TokenSettings(context_size, settings.packing, bos, settings.max_tokens)
        build_contexts(source, model.tokenizer, token_settings, folder, model.d_vocab, model.n_ctx)
    corpus = Corpus.open(folder)
    reporter.say(
        f"{settings.corpus}: {corpus.n_tokens:,} counted tokens in {corpus.n_contexts:,} contexts "
        f"of {corpus.context_size}."
    )
    targets = _verified(settings, model, targets, corpus)
    hook_names = [target.hook_name for target in targets]
    batch = settings.batch_contexts or choices.get("batch_contexts")
    if batch is None:
        batch = choose_batch(model, hook_names, corpus)
        workplace.keep_choices({"batch_contexts": batch})
    return Run(
        settings,
        model,
        model_slug,
        targets,
        words,
        corpus,
        folder,
        settings.contexts_per_shard or contexts_per_shard(corpus.context_size),
        batch,
        reporter,
    )


def _refuse_taken_names(
    settings: PrecomputeSettings, model_slug: str, targets: Iterable[Target]
) -> None:
    """What `AtlasWriter.add_sae` would refuse in the end is refused before the work."""
    if not settings.output.exists() or settings.replace:
        return
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        for target in targets:
            if find_sae(connection, model_slug, target.sae) is not None:
                raise AtlasError(
                    f"{settings.output} already holds {model_slug}/{target.sae}: use --replace to "
                    "build it again, or another --name."
                )
    atlas.close()


def _verified(
    settings: PrecomputeSettings, model: LanguageModel, targets: list[Target], corpus: Corpus
) -> list[Target]:
    """The dictionaries, their input scale settled and, unless told otherwise, checked."""
    n = max(1, -(-VERIFIED_TOKENS // max(1, corpus.context_size - 1)))
    tokens = torch.from_numpy(corpus.tokens[:n].astype(np.int64))
    counted = torch.from_numpy(np.array(corpus.counted[:n])).to(model.device)
    activations = model.activations(tokens, [target.hook_name for target in targets])
    settled = []
    for target in targets:
        x = activations[target.hook_name][counted].float()
        dictionary = settle_input_scale(target.dictionary, x)
        if settings.verify:
            verify(dictionary, x)
        settled.append(replace(target, dictionary=dictionary))
    return settled


def _extract(run: Run) -> None:
    """Stage 2: the corpus once through the model."""
    n_tokens = run.corpus.n_contexts * run.corpus.context_size
    with run.reporter.stage("events", n_tokens, "tokens") as advance:
        extract_events(
            run.model,
            run.targets,
            run.corpus,
            per_shard=run.per_shard,
            batch_contexts=run.batch_contexts,
            sample=sampled_contexts(
                run.corpus.n_contexts, run.settings.hidden_pre_contexts, run.settings.seed
            ),
            advance=advance,
        )


def _write(run: Run) -> str:
    """Stages 3 to 7: everything else, into an atlas that appears when it is whole."""
    settings = run.settings
    with AtlasWriter(settings.output, generator()) as writer:
        model_id = writer.add_model(
            model_record(run.model, run.model_slug, _model_name(run), run.vocabulary),
            token_records(run.vocabulary),
        )
        corpus_id = writer.add_corpus(
            model_id,
            corpus_record(run.corpus),
            run.corpus.occurrences,
            run.corpus.document_names,
        )
        written = _write_saes(run, writer, model_id, corpus_id)
        _write_silent(run, writer, written)
        _write_ablated_text(run, writer, written)
        total = sum(target.dictionary.config.d_sae for target in run.targets)
        with run.reporter.stage("summaries", total, "features") as advance:
            for sae_id in written:
                add_summaries(writer, sae_id, run.corpus, run.vocabulary.token, advance)
        store_contexts(writer, corpus_id, list(written), run.corpus)
        return writer.publish()


def _write_saes(run: Run, writer: AtlasWriter, model_id: int, corpus_id: int) -> dict[int, Target]:
    """Stages 3, 4 and 6: each dictionary with its features' statistics; targets by sae_id."""
    settings, corpus = run.settings, run.corpus
    n_shards = -(-corpus.n_contexts // run.per_shard)
    sums = [read_sums(target, n_shards) for target in run.targets]
    with run.reporter.stage("quality", settings.quality_contexts, "contexts") as advance:
        qualities = measure_quality(
            run.model, run.targets, [found for found, _ in sums], corpus,
            n_contexts=settings.quality_contexts, seed=settings.seed, advance=advance,
        )  # fmt: skip
    scale = mean_final_norm_scale(
        run.model, corpus.tokens[:NORM_SCALE_CONTEXTS], corpus.counted[:NORM_SCALE_CONTEXTS]
    )
    recipe = run_recipe(settings, run.model.weights_hash(), run.targets)
    recipe |= {"command": command_of(settings), "batch_contexts": run.batch_contexts}
    statistics = StatisticsSettings(
        n_top=settings.top_examples,
        per_band=settings.interval_examples,
        per_quantile=settings.quantile_examples,
        n_silent=settings.silent_examples,
        seed=settings.seed,
    )
    total = sum(target.dictionary.config.d_sae for target in run.targets)
    written: dict[int, Target] = {}
    with run.reporter.stage("statistics", total, "features") as advance:
        for target, (_, zero), quality in zip(run.targets, sums, qualities, strict=True):
            lens = LogitLens(run.model, target.hook_name, run.vocabulary.producible)
            record = sae_record(
                run.model_slug, target, quality, lens, scale, recipe,
                ablation=ablation_record(settings),
                hidden_pre_contexts=settings.hidden_pre_contexts,
            )  # fmt: skip
            sae_id = writer.add_sae(model_id, corpus_id, record, replace=settings.replace)
            rankings = Rankings.empty(run.model.d_vocab)
            bundles = feature_bundles(
                target, corpus, run.corpus_folder, zero, lens, rankings, statistics,
                coactivation_tokens=settings.coactivation_tokens,
                workers=torch.get_num_threads(),
            )  # fmt: skip
            writer.add_features(sae_id, _counted(bundles, advance))
            store_rankings(writer, sae_id, rankings)
            written[sae_id] = target
    return written


def _counted(
    bundles: Iterable[FeatureBundle], advance: Callable[[int], None]
) -> Iterator[FeatureBundle]:
    for bundle in bundles:
        yield bundle
        advance(1)


def _model_name(run: Run) -> str:
    """What pages call the model: the last part of its path or name, or what --name calls it."""
    return run.model_slug if run.settings.name else run.model.name.rstrip("/").split("/")[-1]


def _write_silent(run: Run, writer: AtlasWriter, written: Mapping[int, Target]) -> None:
    n_contexts = count_silent_contexts(writer, list(written))
    with run.reporter.stage("silent examples", n_contexts, "contexts") as advance:
        measure_silent_examples(
            writer, written, run.model, run.corpus,
            batch_contexts=run.batch_contexts, advance=advance,
        )  # fmt: skip


def _write_ablated_text(run: Run, writer: AtlasWriter, written: Mapping[int, Target]) -> None:
    """Stage 5; its cost is said before it is spent."""
    settings = run.settings
    how = AblatedTextSettings(
        settings.ablation_examples,
        settings.ablation_interval_examples,
        AblationSettings(settings.ablation_window, settings.replacements, settings.seed),
        ContextNeededSettings(settings.context_draws, settings.seed),
    )
    chosen = choose_examples(writer, list(written), run.corpus, how)
    if not chosen:
        return
    cost = price(chosen, how)
    run.reporter.say(
        f"Ablated text: {cost.n_examples:,} examples on {cost.n_texts:,} texts, "
        f"{cost.n_tokens:,} tokens of forward pass."
    )
    with run.reporter.stage("ablated text", 2 * len(chosen), "runs") as advance:
        add_ablated_text(writer, written, chosen, run.model, run.corpus, how, advance)


def _parts(run: Run) -> dict[str, Path]:
    """What is shipped beside the atlas, by its name there."""
    corpus = f"{run.model_slug}/corpus-{run.corpus.metadata['hash'][:12]}"
    return {corpus: run.corpus_folder} | {
        f"{run.model_slug}/{target.sae}": target.folder for target in run.targets
    }
