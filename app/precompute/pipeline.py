"""The job, in the order it is done: this file is the table of contents of `app.precompute`.

Takes settings, leaves an atlas. It alone knows the order of the stages; each of them is a file of
its own and knows none of the others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import torch

from app.db.engine import read_meta
from app.db.records import FeatureBundle
from app.db.writer import AtlasWriter
from app.precompute import directions
from app.precompute.ablated_text import (
    AblatedTextSettings,
    add_ablated_text,
    choose_examples,
    price,
    with_context,
)
from app.precompute.ablation import AblationSettings
from app.precompute.context_needed import ContextNeededSettings
from app.precompute.corpus import Named
from app.precompute.describe import ablation_record, corpus_record, sae_record, token_records
from app.precompute.direction_map import check_map_choice, direction_map
from app.precompute.events import Target, extract_events, read_sums, sampled_contexts
from app.precompute.features import Rankings, feature_bundles
from app.precompute.logit_lens import LogitLens, mean_final_norm_scale
from app.precompute.preparation import (
    Inputs,
    Run,
    first_contexts,
    is_published,
    prepare,
    read_inputs,
)
from app.precompute.quality import measure_quality
from app.precompute.recipe import command_of, generator
from app.precompute.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.silent import count_silent_contexts, measure_silent_examples
from app.precompute.store import store_contexts, store_rankings
from app.precompute.summaries import add_summaries
from app.precompute.workplace import Workplace, check_writable
from app.stats.corpus import Corpus
from app.stats.event_places import corpus_part, sae_part
from app.stats.feature import StatisticsSettings

NORM_SCALE_CONTEXTS = 32


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
    check_map_choice(settings.direction_map)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    with Workplace(settings.output) as workplace:
        inputs = read_inputs(settings, documents, workplace.folder / "events")
        if workplace.resumes(inputs.run_key) and is_published(settings, inputs):
            reporter.say("An earlier run published this atlas; only its events were left to ship.")
        else:
            prepared = prepare(settings, inputs, workplace, reporter)
            _extract(prepared)
            _write(prepared)
        workplace.ship_events(_parts(inputs, workplace.folder / "corpus"))
    reporter.summary()
    size = settings.output.stat().st_size
    build_id = read_meta(settings.output)["build_id"]
    reporter.say(f"Wrote {settings.output} ({size / 1e6:,.1f} MB, build {build_id}).")


def _extract(run: Run) -> None:
    """Stage 2: the corpus once through the model."""
    n_tokens = run.corpus.n_contexts * run.corpus.context_size
    with run.reporter.stage("events", n_tokens, "tokens") as advance:
        extract_events(
            run.inputs.model,
            run.targets,
            run.corpus,
            per_shard=run.per_shard,
            batch_contexts=run.batch_contexts,
            sample=sampled_contexts(
                run.corpus.n_contexts, run.settings.hidden_pre_contexts, run.settings.seed
            ),
            advance=advance,
        )


def _write(run: Run) -> None:
    """Stages 3 to 7: everything else, into an atlas that appears when it is whole."""
    settings = run.settings
    with AtlasWriter(settings.output, generator()) as writer:
        model_id = writer.add_model(run.inputs.model_record, token_records(run.inputs.vocabulary))
        corpus_id = writer.add_corpus(
            model_id,
            corpus_record(run.corpus),
            run.corpus.occurrences,
            run.corpus.document_names,
        )
        written = _write_saes(run, writer, model_id, corpus_id)
        _write_maps(run, writer, written)
        _write_silent(run, writer, written)
        _write_ablated_text(run, writer, written)
        total = sum(target.dictionary.config.d_sae for target in run.targets)
        with run.reporter.stage("summaries", total, "features") as advance:
            for sae_id in written:
                add_summaries(writer, sae_id, run.corpus, run.inputs.vocabulary.token, advance)
        store_contexts(writer, corpus_id, list(written), run.corpus)
        writer.publish()


def _write_saes(run: Run, writer: AtlasWriter, model_id: int, corpus_id: int) -> dict[int, Target]:
    """Stages 3, 4 and 6: each dictionary with its features' statistics; targets by sae_id."""
    settings, inputs, corpus = run.settings, run.inputs, run.corpus
    n_shards = -(-corpus.n_contexts // run.per_shard)
    sums = [read_sums(target, n_shards) for target in run.targets]
    n_quality = min(settings.quality_contexts, corpus.n_contexts)
    with run.reporter.stage("quality", n_quality, "contexts") as advance:
        qualities = measure_quality(
            inputs.model, run.targets, [found for found, _ in sums], corpus,
            n_contexts=settings.quality_contexts, seed=settings.seed, advance=advance,
        )  # fmt: skip
    chosen = first_contexts(corpus, NORM_SCALE_CONTEXTS)
    scale = mean_final_norm_scale(inputs.model, corpus.tokens[chosen], corpus.counted[chosen])
    recipe = inputs.recipe | {
        "command": command_of(settings),
        "batch_contexts": run.batch_contexts,
    }
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
            lens = LogitLens(inputs.model, target.hook_name, inputs.vocabulary.producible)
            record = sae_record(
                inputs.model_record.model, target, quality, lens, scale, recipe,
                ablation=ablation_record(settings),
                hidden_pre_contexts=min(settings.hidden_pre_contexts, corpus.n_contexts),
            )  # fmt: skip
            sae_id = writer.add_sae(model_id, corpus_id, record, replace=settings.replace)
            rankings = Rankings.empty(inputs.model.d_vocab)
            bundles = feature_bundles(
                target, corpus, run.corpus_folder, zero, lens, rankings, statistics,
                coactivation_tokens=settings.coactivation_tokens,
                workers=torch.get_num_threads(),
            )  # fmt: skip
            writer.add_features(sae_id, _counted(bundles, advance))
            if directions.kept(target.dictionary.W_dec, settings.decoder_megabytes):
                writer.add_directions(sae_id, directions.unit_rows(target.dictionary.W_dec))
            store_rankings(writer, sae_id, rankings)
            written[sae_id] = target
    return written


def _counted(
    bundles: Iterable[FeatureBundle], advance: Callable[[int], None]
) -> Iterator[FeatureBundle]:
    for bundle in bundles:
        yield bundle
        advance(1)


def _write_maps(run: Run, writer: AtlasWriter, written: Mapping[int, Target]) -> None:
    """Stage 4 as well: the decoder directions in two dimensions."""
    settings, reporter = run.settings, run.reporter
    if settings.direction_map == "none":
        return
    total = sum(target.dictionary.config.d_sae for target in written.values())
    with reporter.stage("map", total, "features") as advance:
        for sae_id, target in written.items():
            W_dec = target.dictionary.W_dec
            found = direction_map(W_dec, settings.direction_map, settings.seed, reporter.say)
            if found is not None:
                writer.add_direction_map(sae_id, found)
            advance(len(W_dec))


def _write_silent(run: Run, writer: AtlasWriter, written: Mapping[int, Target]) -> None:
    n_contexts = count_silent_contexts(writer, list(written))
    with run.reporter.stage("silent examples", n_contexts, "contexts") as advance:
        measure_silent_examples(
            writer, written, run.inputs.model, run.corpus,
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
        settings.context_examples,
    )
    chosen = choose_examples(writer, list(written), run.corpus, how)
    if not chosen:
        return
    cost = price(chosen, how)
    run.reporter.say(
        f"Ablated text: {cost.n_examples:,} examples on {cost.n_texts:,} texts, "
        f"{cost.n_tokens:,} tokens of forward pass."
    )
    n_runs = len(chosen) + len(with_context(chosen, how))
    with run.reporter.stage("ablated text", n_runs, "runs") as advance:
        add_ablated_text(writer, written, chosen, run.inputs.model, run.corpus, how, advance)


def _parts(inputs: Inputs, corpus_folder: Path) -> dict[str, Path]:
    """What is shipped beside the atlas, by its name there; the corpus last, as it names itself."""
    model = inputs.model_record.model
    parts = {sae_part(model, target.sae): target.folder for target in inputs.targets}
    if corpus_folder.exists():
        corpus_hash = Corpus.open(corpus_folder).metadata["hash"]
        parts[corpus_part(model, corpus_hash)] = corpus_folder
    return parts
