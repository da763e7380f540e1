"""The job, in the order it is done: this file is the table of contents of `app.precompute`.

Takes settings, leaves an atlas. It alone knows the order of the stages. A stage is a list of pieces
and a task (see `driver.py`), which a file of its own gives; what it reads of other stages are their
files and results, as `stage_recipes` lists. Which pieces are already done the workplace knows, how
the others get done is the driver's business.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from app.db.engine import read_meta
from app.db.writer import AtlasWriter
from app.hub.fetching import fetch_dictionary, fetch_model
from app.precompute import counting
from app.precompute.ablation.stage import (
    ABLATED_TEXT,
    COST_OPTIONS,
    Chosen,
    ablated_text_pieces,
    ablated_text_settings,
    choose_examples,
    price,
)
from app.precompute.assembly import assemble, measured_on_examples
from app.precompute.corpus.documents import Named
from app.precompute.drivers.driver import Driver, Piece, Task
from app.precompute.drivers.interruption import Stop
from app.precompute.drivers.loop import Loop
from app.precompute.drivers.ray_cluster import check_workers, cluster
from app.precompute.drivers.ray_driver import RayDriver
from app.precompute.events.events import write_manifests
from app.precompute.events.stage import EVENTS, event_pieces
from app.precompute.job import TOKENS
from app.precompute.preparation import Inputs, Run, prepare, read_inputs
from app.precompute.progress.closing import sizes_of
from app.precompute.progress.reporter import Reporter
from app.precompute.quality import QUALITIES, quality_pieces
from app.precompute.settings import PrecomputeSettings
from app.precompute.silent import SILENT_EXAMPLES, asked_of, silent_pieces
from app.precompute.studies.registry import asked_for
from app.precompute.studies.storing import Harvests
from app.precompute.weights.direction_map import check_map_choice
from app.precompute.weights.map_stage import MAP, map_pieces
from app.precompute.weights.norm_scale import NORM_SCALE, norm_pieces
from app.precompute.weights.stage import WEIGHTS, weight_pieces
from app.precompute.workplace.findings import Findings
from app.precompute.workplace.ledger import fingerprint
from app.precompute.workplace.recipe import generator
from app.precompute.workplace.stage_recipes import (
    ABLATED,
    FINAL_NORM,
    NEAR,
    QUALITY,
    SILENT,
    stage_name,
)
from app.precompute.workplace.workplace import Workplace, check_writable
from app.stats.corpus import Corpus
from app.stats.event_places import corpus_part, sae_part


def run(
    settings: PrecomputeSettings,
    documents: Iterable[Named] | None = None,
    reporter: Reporter | None = None,
    stop: Stop | None = None,
) -> None:
    """Runs the whole job and publishes the atlas at `settings.output`.

    `documents` takes the place of a corpus that is read from disk; `settings.corpus` is its name.
    `stop` says when the user wants an end.

    Raises:
        AtlasError: anything a user can put right. Nothing that looks like an atlas is left behind.
        Interrupted: the user stopped it; what is finished is kept.
    """

    def inputs_in(folder: Path, reporter: Reporter) -> Inputs:
        return read_inputs(settings, documents, folder, fetched(settings, reporter))

    run_on(settings, inputs_in, reporter, stop)


def run_on(
    settings: PrecomputeSettings,
    inputs_in: Callable[[Path, Reporter], Inputs],
    reporter: Reporter | None = None,
    stop: Stop | None = None,
) -> None:
    """The same for inputs that come another way; `inputs_in` is given the building folder."""
    reporter, stop = reporter or Reporter(kind=settings.progress), stop or Stop()
    stop.say = reporter.say
    check_writable(settings.output)
    check_map_choice(settings.direction_map)
    check_workers(settings)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    with Workplace(settings.output) as workplace, _workers(settings) as driver_of:
        inputs = inputs_in(workplace.folder, reporter)
        recipe = fingerprint(inputs.recipe | {"corpus": inputs.corpus})
        if workplace.has_published(recipe):
            reporter.say("An earlier run published this atlas; only its events were left to ship.")
        else:
            prepared = prepare(settings, inputs, workplace, reporter)
            stages = _Stages(prepared, workplace, driver_of(prepared, stop), reporter)
            stages.say_prices()
            stages.run()
            stages.publish(inputs, recipe)
        workplace.ship_events(_parts(inputs, workplace.folder))
    reporter.summary(sizes_of(settings.output))
    build_id = read_meta(settings.output)["build_id"]
    reporter.say(f"Wrote {settings.output} (build {build_id}).")


def fetched(settings: PrecomputeSettings, reporter: Reporter) -> dict[str, str]:
    """What the user named on the hub is in its cache from here on; where the names led."""
    found = [fetch_model(settings.model, reporter)]
    found += [fetch_dictionary(named, reporter) for named in settings.sae]
    return {each.named: each.commit for each in found if each.commit}


@contextmanager
def _workers(settings: PrecomputeSettings) -> Iterator[Callable[[Run, Stop], Driver]]:
    """Whoever gets the pieces done, for as long as it lasts."""
    if settings.workers == "loop":
        yield Loop
    else:
        with cluster(settings) as found:
            yield lambda prepared, stop: RayDriver(found, prepared.job, stop)


class _Stages:
    """Stages 2 to 6, one after the other, and the atlas made from what they found."""

    def __init__(
        self, prepared: Run, workplace: Workplace, driver: Driver, reporter: Reporter
    ) -> None:
        self._run = prepared
        self._workplace = workplace
        self._driver = driver
        self._reporter = reporter
        self._findings = Findings(prepared.job, workplace.ledger)
        self._chosen: list[Chosen] = []
        self._n_silent: dict[str, int] = {}
        self._asked = asked_for(prepared.job.settings)

    def say_prices(self) -> None:
        """What each study will cost, before anything is spent."""
        for study in self._asked:
            price = study.price(self._run)
            passes = f"{price.n_tokens:,} tokens of forward pass" if price.n_tokens else ""
            said = "; ".join(filter(None, (passes, price.words)))
            if not said:  # nothing to measure in this run
                continue
            self._reporter.say(f"Study {study.listed.name}: {said} (--skip {study.listed.name}).")

    def run(self) -> None:
        """Does every piece that is not done yet."""
        self._events()
        self._quality_and_weights()
        try:
            self._counting()
        finally:
            counting.forget()
        self._silent()
        self._ablated_text()
        try:
            self._studies()
        finally:
            counting.forget()

    def publish(self, inputs: Inputs, recipe: str) -> None:
        """Stage 7: the atlas, which appears when it is whole."""
        prepared, settings = self._run, self._run.job.settings
        measured = measured_on_examples(self._findings, self._n_silent, self._chosen)
        harvests = Harvests(tuple(study.harvest(prepared, self._findings) for study in self._asked))
        total = sum(target.dictionary.config.d_sae for target in prepared.targets)
        with AtlasWriter(settings.output, generator()) as writer:
            with self._reporter.stage("atlas", total, "features") as advance:
                told = inputs.recipe
                assemble(prepared, self._findings, measured, writer, harvests, told, advance)
            writer.publish(lambda file: self._workplace.will_publish(recipe, file))

    def _events(self) -> None:
        """Stage 2: the corpus once through the model."""
        stages = self._verified("events")
        prepared = self._run
        write_manifests(prepared.targets, prepared.corpus, prepared.job.per_shard)
        done = {sae: self._workplace.done(stage_name("events", sae)) for sae in prepared.job.saes}
        self._do("events", "tokens", EVENTS, event_pieces(prepared, done), stages)

    def _quality_and_weights(self) -> None:
        """Stages 6 and 4: how good the dictionaries are; what their weights say."""
        prepared = self._run
        for stage, task, pieces in (
            (QUALITY, QUALITIES, quality_pieces(prepared)),
            (FINAL_NORM, NORM_SCALE, norm_pieces(prepared)),
        ):
            self._workplace.verify(stage, self._reporter.say)
            tokens = sum(piece.units for piece in pieces) * prepared.corpus.context_size
            self._do(stage, "contexts", task, pieces, [stage], tokens)
        stages = self._verified("weights")
        pieces = [piece for sae in prepared.job.saes for piece in weight_pieces(prepared, sae)]
        self._do("weights", "features", WEIGHTS, pieces, stages)
        stages, pieces = self._verified("map"), map_pieces(prepared)
        self._do("map", "features", MAP, pieces, stages)
        for stage in stages:
            for drawn in self._findings.of(stage):
                for sentence in drawn.said:
                    self._reporter.say(f"Warning: {stage}: {sentence}")

    def _counting(self) -> None:
        """Stage 3: every statistic that events alone give."""
        job, n_tokens = self._run.job, self._run.corpus.tokens.size
        first = min(job.settings.coactivation_tokens, n_tokens)
        near = {
            target.sae: counting.near_miss_pieces(job, target.sae, target.firing_threshold())
            for target in self._run.targets
        }
        for kind, task, pieces_of, tokens in (
            ("statistics", counting.STATISTICS, counting.statistics_pieces, n_tokens),
            ("co-activation", counting.CO_ACTIVATION, counting.partner_pieces, first),
            (NEAR, counting.NEAR_MISSES, lambda _, sae: near[sae], 0),
        ):
            stages = self._verified(kind)
            pieces = [piece for sae in job.saes for piece in pieces_of(job, sae)]
            self._do(kind, "features", task, pieces, stages, tokens)

    def _silent(self) -> None:
        """Stage 5: `hidden_pre` where features could have fired and did not."""
        job = self._run.job
        asked = []
        for sae in job.saes:
            groups = self._findings.examples([sae], ["silent"])
            asked.append(asked_of(sae, ((index, found) for _, index, _, found in groups)))
        self._n_silent = {item.sae: len(item.row) for item in asked}
        can_tell = {
            target.sae for target in self._run.targets if target.dictionary.gives_hidden_pre
        }
        asked = [item for item in asked if item.sae in can_tell]
        pieces = silent_pieces(asked, job.batch_contexts)
        self._workplace.verify(SILENT, self._reporter.say)
        tokens = sum(piece.units for piece in pieces) * self._run.corpus.context_size
        self._do(SILENT, "contexts", SILENT_EXAMPLES, pieces, [SILENT], tokens)

    def _ablated_text(self) -> None:
        """Stage 5 as well; its cost is said before it is spent."""
        job, how = self._run.job, ablated_text_settings(self._run.job.settings)
        examples = self._findings.examples(job.saes, ["top", "interval"])
        self._chosen = choose_examples(examples, job.saes, self._run.corpus, how)
        self._workplace.verify(ABLATED, self._reporter.say)
        pieces, tokens = ablated_text_pieces(self._chosen, how), 0
        if pieces and not self._workplace.done(ABLATED):
            cost = price(self._chosen, how)
            tokens = cost.n_tokens
            self._reporter.say(
                f"Ablated text: {cost.n_examples:,} examples on {cost.n_texts:,} texts, "
                f"{cost.n_tokens:,} tokens of forward pass (less with {COST_OPTIONS})."
            )
        self._do(ABLATED, "runs", ABLATED_TEXT, pieces, [ABLATED], tokens)

    def _studies(self) -> None:
        """What is measured of the dictionaries as a whole."""
        for study in self._asked:
            name = study.listed.name
            self._workplace.verify(name, self._reporter.say)
            pieces, price = study.pieces(self._run, self._findings), study.price(self._run)
            self._do(name, study.unit, study.task, pieces, [name], price.n_tokens)

    def _verified(self, kind: str) -> list[str]:
        """The stages of a kind, one for each dictionary, without what is damaged."""
        stages = [stage_name(kind, sae) for sae in self._run.job.saes]
        for stage in stages:
            self._workplace.verify(stage, self._reporter.say)
        return stages

    def _do(
        self,
        name: str,
        unit: str,
        task: Task,
        pieces: Sequence[Piece],
        stages: Sequence[str],
        tokens: int = 0,
    ) -> None:
        """Gets the pieces done that are not; each is recorded once its files are on disk.

        `tokens`: of text, that all pieces together stand for.
        """
        ledger = self._workplace.ledger
        todo = [
            piece
            for piece in pieces
            if any(piece.name not in self._workplace.done(stage) for stage in piece.stages)
        ]
        n_done = sum(len(self._workplace.done(stage)) for stage in stages)
        if n_done:
            left = f"{len(todo):,} pieces are left" if todo else "nothing is left"
            self._reporter.say(f"{name}: {n_done:,} pieces were finished earlier, {left}.")
        if not todo:
            return
        units = sum(piece.units for piece in todo)
        left = round(tokens * units / max(sum(piece.units for piece in pieces), 1))
        with self._reporter.stage(name, units, unit, left) as advance:
            for piece, outcome in self._driver.map(task, todo):
                for stage, seals in outcome.items():
                    ledger.finish(stage, piece.name, seals)
                advance(piece.units)


def _parts(inputs: Inputs, folder: Path) -> dict[str, Path]:
    """What is shipped beside the atlas, by its name there; the corpus last, as it names itself."""
    model = inputs.loaded.model_record.model
    parts = {sae_part(model, target.sae): target.folder for target in inputs.loaded.targets}
    contexts = folder / TOKENS
    if contexts.exists():
        corpus_hash = Corpus.open(contexts).metadata["hash"]
        parts[corpus_part(model, corpus_hash)] = contexts
    return parts
