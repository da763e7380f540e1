"""The study "effects": every living feature removed at some of its firings, one at a time.

Takes a run whose examples are there; a piece is a stretch of the chosen firings in order of
context, so that features that fire in one context share its unchanged pass. Gives a record and two
columns for each feature.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float64, Int64, Integer
from torch import Tensor

from app.db.study_records.effects import EffectsStudy, FeatureEffects
from app.precompute.ablation.texts import Mount
from app.precompute.drivers.driver import Piece, Task
from app.precompute.preparation import Run, first_contexts
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import EFFECTS
from app.precompute.studies.effects.choosing import ChosenFirings, choose_firings
from app.precompute.studies.effects.removing import Firings, Kept, Removed, remove
from app.precompute.studies.effects.replay import Way, choose_way, site_of
from app.precompute.studies.effects.rows import most_tokens
from app.precompute.studies.study import Harvest, Price, Study
from app.precompute.workplace.findings import Findings
from app.stats.importance import weighted_mean

FIRINGS_A_PIECE = 512
"""Enough to fill passes, few enough to be lost."""

N_GROUPS = 5
"""Groups of equal count that firings are drawn from."""


@dataclass(frozen=True)
class Asked:
    """What one piece works on."""

    firings: Firings
    ways: dict[str, Way]
    """by the hook that is written"""


def price(run: Run) -> Price:
    """Every feature with all its firings, every context as long as it gets."""
    settings, size = run.job.settings, run.corpus.context_size
    a_feature = settings.effect_examples + N_GROUPS * _per_fifth(settings)
    n_features: Counter[str] = Counter()
    for target in run.targets:
        n_features[target.output_hook] += target.dictionary.config.d_sae
    n_tokens, ways = 0, _ways(run)
    for hook_name, n in n_features.items():
        n_texts = min(n * a_feature, run.corpus.n_contexts)
        n_tokens += most_tokens(
            *(n * a_feature, n_texts, size, min(settings.effect_tokens, size)),
            *(run.language_model.d_vocab, ways[hook_name].trees),
        )
        if site_of(hook_name).entry != hook_name or not run.job.keeps_activations:
            n_tokens += n_texts * size
    above = " above the hook" if all(way.skips for way in ways.values()) else ""
    return Price(
        n_tokens,
        f"{n_features.total():,} features, each removed at {a_feature} of its firings at most, "
        f"through the layers{above}",
    )


def pieces(run: Run, findings: Findings) -> list[Piece]:
    """The chosen firings in stretches of whole contexts, unless one alone has more."""
    chosen = _chosen(run, findings)
    ways = _ways(run) if len(chosen.sae) else {}
    found = []
    for start, stop in _stretches(chosen.context_id):
        own = slice(start, stop)
        firings = Firings(
            chosen.sae[own],
            chosen.feature_index[own],
            chosen.context_id[own],
            chosen.position[own],
            chosen.activation[own],
        )
        found.append(Piece((EFFECTS.name,), f"{start:010d}", stop - start, Asked(firings, ways)))
    return found


def measure(run: Run, asked: Asked) -> Removed:
    """The firings of one piece."""
    targets = [run.target(sae) for sae in _order(run)]
    mounts = [Mount.of(target) for target in targets]
    return remove(
        run.language_model,
        mounts,
        asked.ways,
        run.corpus.tokens,
        run.corpus.counted,
        asked.firings,
        run.job.settings.effect_tokens,
        _kept(run),
    )


def harvest(run: Run, findings: Findings) -> Harvest:
    """Every dictionary's features, from the results of all pieces in order."""
    chosen, settings = _chosen(run, findings), run.job.settings
    found = [Removed.empty(0, settings.effect_tokens), *findings.of(EFFECTS.name)]
    removed = Removed.joined(found)
    studies, features, columns = {}, {}, {}
    for number, target in enumerate(map(run.target, _order(run))):
        records = [(index, _record(chosen, removed, rows)) for index, rows in _rows(chosen, number)]
        if not records:
            continue
        n_firings = sum(len(record.weight) for _, record in records)
        study = EffectsStudy(
            settings.effect_examples, _per_fifth(settings), settings.effect_tokens, len(records),
            n_firings,
        )  # fmt: skip
        studies[target.sae], features[target.sae] = study, records
        columns[target.sae] = _columns(target.dictionary.config.d_sae, records)
    return Harvest(of_dictionaries=studies, of_features=features, columns=columns)


def _columns(
    d_sae: int, records: list[tuple[int, FeatureEffects]]
) -> dict[str, Float64[np.ndarray, " d_sae"]]:
    delta_ce, kl = np.full((2, d_sae), np.nan)
    for index, record in records:
        delta_ce[index], _ = weighted_mean(record.delta_ce[:, 0], record.weight)
        kl[index], _ = weighted_mean(record.kl, record.weight)
    return {"delta_ce": delta_ce, "kl": kl}


def _record(
    chosen: ChosenFirings, removed: Removed, rows: Int64[np.ndarray, " n"]
) -> FeatureEffects:
    found = {field.name: getattr(removed, field.name)[rows] for field in fields(Removed)}
    return FeatureEffects(
        sample_rank=chosen.sample_rank[rows].astype(np.int16),
        top_rank=chosen.top_rank[rows].astype(np.int16),
        weight=chosen.weight[rows],
        **{
            name: values.astype(np.float16) if values.dtype == np.float32 else values
            for name, values in found.items()
        },
    )


def _rows(chosen: ChosenFirings, sae: int) -> Iterator[tuple[int, Int64[np.ndarray, " n"]]]:
    """(feature_index, rows of its firings): drawn ones in order of rank, then top ones."""
    never = np.iinfo(np.int64).max
    sample_rank = np.where(chosen.sample_rank < 0, never, chosen.sample_rank)
    order = np.lexsort((chosen.top_rank, sample_rank, chosen.feature_index))
    order = order[chosen.sae[order] == sae]
    if not order.size:
        return
    starts = np.flatnonzero(np.diff(chosen.feature_index[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        yield int(chosen.feature_index[rows[0]]), rows


def _stretches(context_id: Int64[np.ndarray, " n"]) -> Iterator[tuple[int, int]]:
    """Whole contexts, until a piece has its firings."""
    start = 0
    for stop in [*(np.flatnonzero(np.diff(context_id)) + 1).tolist(), len(context_id)]:
        if stop - start >= FIRINGS_A_PIECE or (stop == len(context_id) and stop > start):
            yield start, stop
            start = stop


def _order(run: Run) -> list[str]:
    """The dictionaries as firings number them: not as they were named to this run, which another
    one that goes on with its pieces may do differently."""
    return sorted(run.job.saes)


def _chosen(run: Run, findings: Findings) -> ChosenFirings:
    settings, saes = run.job.settings, _order(run)
    examples = findings.examples(saes, ["top", "quantile"])
    return choose_firings(examples, saes, settings.effect_examples, settings.effect_sampled)


def _per_fifth(settings: PrecomputeSettings) -> int:
    return min(settings.effect_sampled, settings.quantile_examples)


def _ways(run: Run) -> dict[str, Way]:
    """How texts go on from each hook that is written; the first context with a counted token shows
    it."""
    tokens = np.asarray(run.corpus.tokens[first_contexts(run.corpus, 1)[0]])
    n_read = run.job.settings.effect_tokens
    names = dict.fromkeys(target.output_hook for target in run.targets)
    return {name: choose_way(run.language_model, name, tokens, n_read) for name in names}


def _kept(run: Run) -> Kept:
    """The activations that the job keeps on disk."""

    def kept(
        hook_name: str,
        context_id: Integer[np.ndarray, " n"],
        position: Integer[np.ndarray, " n"],
    ) -> Tensor | None:
        width = run.model.hook_width(hook_name)
        return run.kept.rows(hook_name, width, context_id, position)

    return kept


STUDY = Study(EFFECTS, "firings", Task(measure, "model"), price, pieces, harvest)
