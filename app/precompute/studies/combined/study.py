"""The study "combined": what several tokens deleted at once show that single deletions don't.

Takes a run whose ablated text is there; takes apart the examples that single deletions explain
least. A piece is a few examples. Gives a record for each feature that has one, the strength of its
strongest pair as a column, and the count of conjunctions and alternatives.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.db.study_records.combined import (
    CombinedExample,
    CombinedStudy,
    FeatureCombined,
)
from app.precompute.ablation.ablation import ablated_positions
from app.precompute.ablation.branches import Branch, BranchRunner, Plan
from app.precompute.ablation.combined import PAIRED, Combined, most_tokens, remove_combined
from app.precompute.ablation.deletions import Deletions
from app.precompute.ablation.stage import Chosen, ablated_text_settings, choose_examples
from app.precompute.ablation.texts import Mount
from app.precompute.drivers.driver import Piece, Task
from app.precompute.preparation import Run, first_contexts
from app.precompute.studies.catalog import COMBINED
from app.precompute.studies.combined.choosing import (
    FEWEST_MISSED,
    Missed,
    choose_missed,
    missed_of,
)
from app.precompute.studies.study import Harvest, Price, Study
from app.precompute.workplace.findings import Findings
from app.precompute.workplace.stage_recipes import ABLATED
from app.stats.interactions import STRONG, kind_of, strongest_pair

EXAMPLES_A_PIECE = 32
TEXTS_AT_ONCE = 4096
"""Nobody waits between them."""


@dataclass(frozen=True)
class Asked:
    """One example to take apart."""

    missed: Missed
    chosen: Chosen


def price(run: Run) -> Price:
    """Every feature with all its examples, each at the end of a context."""
    settings, size = run.job.settings, run.corpus.context_size
    if not (settings.context_examples or settings.ablation_interval_examples):
        return Price(0, "no example has the context it needs, which it is chosen by")
    n = min(settings.combined_examples, _ablated_of_feature(run))
    n_tokens = 0
    for target in run.targets:
        each = most_tokens(size - 1, settings.ablation_window, _as_trees(run, target.hook_name))
        n_tokens += target.dictionary.config.d_sae * n * each
    n_features = sum(target.dictionary.config.d_sae for target in run.targets)
    return Price(n_tokens, f"at most {n} examples of each of {n_features:,} features")


def pieces(run: Run, findings: Findings) -> list[Piece]:
    """The chosen examples, a few at a time."""
    asked = _asked(run, findings)
    return [
        Piece((COMBINED.name,), f"{start:08d}", len(part), part)
        for start in range(0, len(asked), EXAMPLES_A_PIECE)
        if (part := asked[start : start + EXAMPLES_A_PIECE])
    ]


def take_apart(run: Run, asked: list[Asked]) -> list[CombinedExample]:
    """The examples of one piece, in order."""
    runners: dict[str, BranchRunner] = {}
    for item in sorted(asked, key=lambda item: -item.chosen.example.position):
        hook_name = run.target(item.chosen.sae).hook_name
        if hook_name not in runners:  # the longest text decides how all are run
            runners[hook_name] = BranchRunner(run.model, [hook_name])
            runners[hook_name].check([_sample_plan(item.chosen.example.tokens)])
    window = run.job.settings.ablation_window
    found = []
    for item in asked:
        target, example = run.target(item.chosen.sae), item.chosen.example
        deletions = Deletions(
            run.model,
            Mount.of(target),
            example.feature_index,
            example.tokens[: example.position + 1],
            runner=runners[target.hook_name],
            texts_at_once=TEXTS_AT_ONCE,
        )
        found.append(_record(item, deletions, remove_combined(deletions, window), window))
    return found


def harvest(run: Run, findings: Findings) -> Harvest:
    """Every dictionary's features, from the results of all pieces in order."""
    settings = run.job.settings
    asked = _asked(run, findings)
    found = [example for piece in findings.of(COMBINED.name) for example in piece]
    studies, features, columns = {}, {}, {}
    for target in run.targets:
        own = [
            (item.chosen.feature_index, example)
            for item, example in zip(asked, found, strict=True)
            if item.chosen.sae == target.sae
        ]
        records = list(_by_feature(own))
        column = np.full(target.dictionary.config.d_sae, np.nan)
        for index, record in records:
            column[index] = _strongest(record)
        kinds = [kind_of(share) for share in column]
        studies[target.sae] = CombinedStudy(
            n_examples=settings.combined_examples,
            fewest_missed=FEWEST_MISSED,
            window=settings.ablation_window,
            paired=PAIRED,
            strong=STRONG,
            n_features=len(records),
            n_measured=len(own),
            n_alternative=kinds.count("alternative"),
            n_conjunction=kinds.count("conjunction"),
        )
        features[target.sae], columns[target.sae] = records, {"pair_interaction": column}
    return Harvest(of_dictionaries=studies, of_features=features, columns=columns)


def _strongest(record: FeatureCombined) -> float:
    """The strongest interaction, mean over the examples that have a pair; NaN where none has."""
    found = [strongest_pair(e.interactions, e.hidden_pre_baseline)[2] for e in record.examples]
    known = [share for share in found if np.isfinite(share)]
    return float(np.mean(known)) if known else float("nan")


def _by_feature(
    own: Sequence[tuple[int, CombinedExample]],
) -> Iterator[tuple[int, FeatureCombined]]:
    by_index: dict[int, list[CombinedExample]] = {}
    for index, example in own:
        by_index.setdefault(index, []).append(example)
    for index in sorted(by_index):
        yield index, FeatureCombined(by_index[index])


def _record(item: Asked, deletions: Deletions, found: Combined, window: int) -> CombinedExample:
    blocks, pairs = found.blocks, found.pairs
    first = int(ablated_positions(deletions.position, max(window, PAIRED))[0])
    alone = deletions.effects([(position,) for position in pairs.positions.tolist()])[1]
    return CombinedExample(
        group=item.chosen.group,
        rank=item.chosen.rank,
        baseline=deletions.baseline,
        hidden_pre_baseline=deletions.hidden_pre_baseline,
        held=item.missed.held,
        singles=item.missed.singles,
        first=first,
        token_ids=deletions.tokens[first:].astype(np.int32),
        pair_positions=pairs.positions.astype(np.int32),
        alone=alone.astype(np.float32),
        interactions=pairs.interactions.astype(np.float32),
        block_start=np.array([block.positions[0] for block in blocks], np.int32),
        block_stop=np.array([block.positions[-1] + 1 for block in blocks], np.int32),
        block_effect=np.array([block.effect for block in blocks], np.float32),
        block_hidden_pre_effect=np.array([b.hidden_pre_effect for b in blocks], np.float32),
        block_parts=np.array([block.parts for block in blocks], np.float32),
        block_joint=np.array([block.joint for block in blocks], bool),
        block_smallest=np.array([block.smallest for block in blocks], bool),
        occurrences=[list(each.positions) for each in found.occurrences],
        occurrence_effect=np.array([each.effect for each in found.occurrences], np.float32),
        occurrence_hidden_pre_effect=np.array(
            [each.hidden_pre_effect for each in found.occurrences], np.float32
        ),
    )


def _asked(run: Run, findings: Findings) -> list[Asked]:
    settings, saes = run.job.settings, run.job.saes
    examples = findings.examples(saes, ["top", "interval"])
    chosen = choose_examples(examples, saes, run.corpus, ablated_text_settings(settings))
    missed = choose_missed(missed_of(findings.of(ABLATED)), chosen, settings.combined_examples)
    return [Asked(item, chosen[item.row]) for item in missed]


def _ablated_of_feature(run: Run) -> int:
    settings = run.job.settings
    return settings.ablation_examples + 5 * settings.ablation_interval_examples


def _as_trees(run: Run, hook_name: str) -> bool:
    """Whether shortened texts can stand in one row, as the first context shows."""
    runner = BranchRunner(run.model, [hook_name])
    runner.check([_sample_plan(np.asarray(run.corpus.tokens[first_contexts(run.corpus, 1)[0]]))])
    return runner.uses_trees


def _sample_plan(tokens: np.ndarray) -> Plan:
    """A text as it is, and without each of its tokens but the first and last."""
    tokens, last = np.asarray(tokens, np.int64), len(tokens) - 1
    deleted = [Branch(i, tokens[i + 1 :]) for i in range(1, last)]
    return Plan(tokens, [Branch(last, tokens[last:]), *deleted])


STUDY = Study(COMBINED, "examples", Task(take_apart, "model"), price, pieces, harvest)
