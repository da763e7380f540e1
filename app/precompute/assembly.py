"""The atlas put together from what all stages found; nothing is measured here.

Takes a run, its findings and a writer; writes every table once, in the order of its keys, so that
the file is as small as its content. A run cut short here starts this over, which takes seconds.
Knows which stage gives which field.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, repeat

import numpy as np
from jaxtyping import Bool

from app.db.records import AblationGroup, ContextRecord, FeatureBundle, FeatureRecord, Group
from app.db.writer import AtlasWriter
from app.precompute.ablation.stage import Chosen, ablation_groups
from app.precompute.events.events import PositionZeroSums, read_sums
from app.precompute.events.stage import n_shards
from app.precompute.panels import coactive_panels, range_bundles
from app.precompute.preparation import Run
from app.precompute.quality import quality_records
from app.precompute.ranges.near_misses import no_near_misses
from app.precompute.run_records import ablation_record, corpus_record, sae_record, token_records
from app.precompute.silent import gathered
from app.precompute.studies.storing import Harvests
from app.precompute.summaries import summarised
from app.precompute.target import Target, hooks_of
from app.precompute.token_rankings import Rankings, store_rankings
from app.precompute.weights import directions
from app.precompute.weights.stage import Weights, joined_weights
from app.precompute.workplace.findings import Findings
from app.precompute.workplace.recipe import command_of
from app.precompute.workplace.stage_recipes import (
    ABLATED,
    FINAL_NORM,
    NEAR,
    QUALITY,
    SILENT,
    stage_name,
)
from app.stats.corpus import Corpus

Ablations = Mapping[tuple[str, int], dict[Group, AblationGroup]]


@dataclass(frozen=True)
class Measured:
    """What stages measured on examples, for all dictionaries."""

    hidden_pre: Mapping[str, np.ndarray]
    """of the silent examples, by row"""
    ablations: Ablations


def measured_on_examples(
    findings: Findings, n_silent: Mapping[str, int], chosen: list[Chosen]
) -> Measured:
    """Gathers it; `n_silent`: silent examples of each dictionary."""
    return Measured(
        gathered(findings.of(SILENT), n_silent), ablation_groups(chosen, findings.of(ABLATED))
    )


def assemble(
    run: Run,
    findings: Findings,
    measured: Measured,
    writer: AtlasWriter,
    harvests: Harvests,
    recipe: Mapping[str, object],
    advance: Callable[[int], None],
) -> None:
    """Writes everything but what `publish` makes from the tables; `advance` counts features."""
    settings = run.job.settings
    model_id = writer.add_model(run.model_record, token_records(run.vocabulary))
    corpus_id = writer.add_corpus(
        model_id, corpus_record(run.corpus), run.corpus.occurrences, run.corpus.document_names
    )
    scale = next(findings.of(FINAL_NORM), None)
    qualities = quality_records(run, findings.of(QUALITY))
    told = {
        "command": command_of(settings),
        **recipe,
        "batch_contexts": run.job.batch_contexts,
        "tile_features": run.job.tile_features,
        "model_run_through": run.model.way(hooks_of(run.targets)),
    }
    wanted, sae_ids = np.zeros(run.corpus.n_contexts, np.bool_), dict[str, int]()
    for target in run.targets:
        parts = findings.of(stage_name("weights", target.sae))
        d_sae = target.dictionary.config.d_sae
        weights = joined_weights(parts, d_sae, run.model.d_vocab)
        record = sae_record(
            run.model_record.model, target, qualities[target.sae], weights.lens, scale, told,
            ablation=ablation_record(settings),
            hidden_pre_contexts=min(settings.hidden_pre_contexts, run.corpus.n_contexts),
        )  # fmt: skip
        sae_id = writer.add_sae(model_id, corpus_id, record, replace=settings.replace)
        sae_ids[target.sae] = sae_id
        rankings = Rankings.of_weights(weights, run.corpus.occurrences)
        bundles = _bundles(run, target, findings, weights, measured, rankings, wanted)
        writer.add_features(sae_id, _counted(_with_studies(bundles, harvests, target), advance))
        rows = target.dictionary.directions
        if rows is not None and directions.kept(rows, settings.decoder_megabytes):
            writer.add_directions(sae_id, directions.unit_rows(rows))
        store_rankings(writer, sae_id, rankings)
        for drawn in findings.of(stage_name("map", target.sae)):
            if drawn.found is not None:
                writer.add_direction_map(sae_id, drawn.found)
    harvests.store(writer, run.model_record.model, sae_ids)
    _store_contexts(writer, corpus_id, wanted, run.corpus)


def _bundles(
    run: Run,
    target: Target,
    findings: Findings,
    weights: Weights,
    measured: Measured,
    rankings: Rankings,
    wanted: np.ndarray,
) -> Iterator[FeatureBundle]:
    """Every feature of a dictionary, complete, in order; on the way fills the rankings and marks
    the contexts that examples point to."""
    _, zero = read_sums(target, n_shards(run))
    partners = findings.of(stage_name("co-activation", target.sae))
    coactive = (panel for found in partners for panel in coactive_panels(found))
    hidden_pre, n_silent = measured.hidden_pre[target.sae], 0
    threshold = target.firing_threshold()
    near_misses = chain(findings.of(stage_name(NEAR, target.sae)), repeat(None))
    for found, near in zip(findings.ranges(target.sae), near_misses, strict=False):
        rankings.of_events.add(found.pairs)
        own = slice(n_silent, n_silent + found.silent.position.size)
        n_silent = own.stop
        near = near or no_near_misses(found.first, found.n_features)
        for group in (found.top, found.interval, found.quantile, found.silent, near.examples):
            wanted[group.context_id] = True
        for bundle in range_bundles(found, hidden_pre[own], near):
            index = bundle.record.feature_index
            panels = replace(
                bundle.panels,
                logit_lens=weights.lenses[index],
                neighbors=weights.neighbors[index],
                coactive=next(coactive, None),
            )
            ablations = measured.ablations.get((target.sae, index), {})
            record = _record(bundle, weights, zero, threshold)
            whole = FeatureBundle(record, panels, bundle.examples, ablations)
            columns = summarised(whole, run.corpus, run.vocabulary.token)
            yield replace(whole, record=replace(whole.record, **columns))


def _with_studies(
    bundles: Iterator[FeatureBundle], harvests: Harvests, target: Target
) -> Iterator[FeatureBundle]:
    """The same, their rows with what studies found."""
    for bundle in bundles:
        columns = harvests.columns(target.sae, bundle.record.feature_index)
        yield replace(bundle, record=replace(bundle.record, **columns))


def _record(
    bundle: FeatureBundle,
    weights: Weights,
    zero: PositionZeroSums,
    threshold: np.ndarray | None,
) -> FeatureRecord:
    index = bundle.record.feature_index
    norms, cosines = weights.decoder_norm, weights.encoder_decoder_cosine
    lens = weights.lenses[index]
    return replace(
        bundle.record,
        decoder_norm=None if norms is None else float(norms[index]),
        threshold=None if threshold is None else float(threshold[index]),
        encoder_decoder_cosine=None if cosines is None else float(cosines[index]),
        max_logit=None if lens is None else float(lens.adjusted_positive[0]),
        position_zero_n_active=int(zero.n_active[index]),
        position_zero_max=float(zero.max[index]),
    )


def _store_contexts(
    writer: AtlasWriter, corpus_id: int, wanted: Bool[np.ndarray, " n_contexts"], corpus: Corpus
) -> None:
    """The contexts that examples point to."""
    writer.add_contexts(
        corpus_id,
        (
            ContextRecord(int(i), np.asarray(corpus.tokens[i]), np.asarray(corpus.document_ids[i]))
            for i in np.flatnonzero(wanted)
        ),
    )


def _counted(
    bundles: Iterator[FeatureBundle], advance: Callable[[int], None]
) -> Iterator[FeatureBundle]:
    """The same, while features are counted."""
    for bundle in bundles:
        yield bundle
        advance(1)
