"""The study of geometry, as pieces: ranges of features, the Gram matrix by columns, and chance.

Takes a run whose events are there (they say which features live and which are dense). Every piece
is of one dictionary and cut by its size alone. What is measured the other files of this folder say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from app.db.study_records.geometry import DENSER_THAN, NEAR, Geometry, RandomDirections
from app.precompute.drivers.driver import Piece, Task
from app.precompute.preparation import Run
from app.precompute.studies.catalog import GEOMETRY
from app.precompute.studies.geometry.activations import covariance_contexts, covariance_of
from app.precompute.studies.geometry.chance import MOST_ASKED, random_directions
from app.precompute.studies.geometry.forest import spanning_forest
from app.precompute.studies.geometry.neighbours import ROWS, Near, near_of_range
from app.precompute.studies.geometry.neurons import Neurons, neurons_of
from app.precompute.studies.geometry.pairs import WIDTH, PairSums, pair_cosines
from app.precompute.studies.study import Harvest, Price, Study
from app.precompute.target import Target
from app.precompute.workplace.findings import Findings
from app.sae.dictionary import Dictionary
from app.stats.directions import times_nearest
from app.stats.events import EventStore

OPERATIONS = 2**38
"""Multiplications in a piece of neighbours, about: seconds on a processor."""


@dataclass(frozen=True)
class Part:
    """What a piece measures: features [first, last), columns of the Gram matrix, or chance."""

    sae: str
    kind: Literal["features", "pairs", "isotropic", "covariance"]
    first: int
    last: int

    @property
    def name(self) -> str:
        """Of the piece: those of a kind in order."""
        return f"{self.sae}-{self.kind}-{self.first:08d}"


@dataclass(frozen=True)
class OfFeatures:
    """Of a range of features."""

    part: Part
    near: Near
    neurons: Neurons
    encoder_norm: Float32[ndarray, " n"]


@dataclass(frozen=True)
class OfPairs:
    """The sums over some columns of the Gram matrix."""

    part: Part
    sums: tuple[int, float, float]


@dataclass(frozen=True)
class OfChance:
    """Random directions, and how many tokens their covariance is of."""

    part: Part
    found: RandomDirections
    n_tokens: int
    n_contexts: int


def geometry_pieces(run: Run, _: Findings) -> list[Piece]:
    """Of every dictionary, in ranges of features whose neighbours take seconds."""
    parts = [part for target in run.targets for part in _parts(target)]
    return [Piece((GEOMETRY.name,), part.name, part.last - part.first, part) for part in parts]


def measure(run: Run, part: Part) -> OfFeatures | OfPairs | OfChance:
    """One piece."""
    target = run.target(part.sae)
    W_dec, seed = target.directions, run.job.settings.seed
    if part.kind == "features":
        own = slice(part.first, part.last)
        living = firings_of(target) > 0
        return OfFeatures(
            part,
            near_of_range(W_dec, (part.first, part.last), living),
            neurons_of(W_dec[own]),
            _encoder_norm(target, own),
        )
    if part.kind == "pairs":
        dense = np.flatnonzero(firings_of(target) > DENSER_THAN * run.corpus.n_tokens)
        sums = PairSums(W_dec.shape[1], (part.first, part.last))
        for start in range(0, len(dense), ROWS):
            sums.add(W_dec[dense[start : start + ROWS]])
        return OfPairs(part, sums.found)
    root, n_tokens, n_contexts = None, 0, 0
    if part.kind == "covariance":
        covariance = covariance_of(run, target.output_hook, W_dec.shape[1])
        root, n_tokens = covariance.root(), covariance.n
        n_contexts = len(covariance_contexts(run, W_dec.shape[1]))
    d_sae, d_out = W_dec.shape
    found = random_directions(part.kind, d_sae, d_out, seed, root, W_dec.device)
    return OfChance(part, found, n_tokens, n_contexts)


def price(run: Run) -> Price:
    """The sample behind the covariance, of each dictionary."""
    n_contexts = [len(covariance_contexts(run, target.d_out)) for target in run.targets]
    words = "the covariance of the activations; none where they are kept on disk"
    return Price(sum(n_contexts) * run.corpus.context_size, words)


def harvest(run: Run, findings: Findings) -> Harvest:
    """The record of every dictionary and its columns."""
    records, columns = {}, {}
    found = list(findings.of(GEOMETRY.name))
    for target in run.targets:
        own = [each for each in found if each.part.sae == target.sae]
        ranges = sorted(_only(OfFeatures, own), key=lambda each: each.part.first)
        chance = sorted(_only(OfChance, own), key=lambda each: each.part.kind, reverse=True)
        record, neurons = _record(target, ranges, _only(OfPairs, own), chance)
        records[target.sae] = record
        voted = times_nearest(record.nearest_index, firings_of(target) > 0)
        columns[target.sae] = {
            "nearest_cosine": record.cosine[0],
            "times_nearest": voted,
            "neuron_share": neurons,
            "encoder_norm": np.concatenate([each.encoder_norm for each in ranges]),
        }
    return Harvest(of_dictionaries=records, columns=columns)


def firings_of(target: Target) -> Int64[ndarray, " d_sae"]:
    """Counted tokens on which each feature fires."""
    return EventStore.open(target.folder).n_active()


def _encoder_norm(target: Target, own: slice) -> Float32[ndarray, " n"]:
    """NaN where the encoder is a function that was given."""
    if not isinstance(target.dictionary, Dictionary):
        return np.full(own.stop - own.start, np.nan, np.float32)
    return target.dictionary.W_enc[:, own].float().norm(dim=0).cpu().numpy()


def _parts(target: Target) -> Iterator[Part]:
    d_sae, d_out = target.directions.shape
    rows = ROWS * max(1, OPERATIONS // (ROWS * d_sae * d_out))
    yield from (
        Part(target.sae, "features", first, min(first + rows, d_sae))
        for first in range(0, d_sae, rows)
    )
    yield from (
        Part(target.sae, "pairs", first, min(first + WIDTH, d_out))
        for first in range(0, d_out, WIDTH)
    )
    asked = min(d_sae, MOST_ASKED)
    yield Part(target.sae, "isotropic", 0, asked)
    yield Part(target.sae, "covariance", 0, asked)


def _only(kind: type, found: Iterable[object]) -> list:
    return [each for each in found if isinstance(each, kind)]


def _record(
    target: Target, ranges: list[OfFeatures], pairs: list[OfPairs], chance: list[OfChance]
) -> tuple[Geometry, Float32[ndarray, " d_sae"]]:
    """(the record, the share of the L1 norm in each row's largest entry)."""
    d_sae, d_out = target.directions.shape
    forest = spanning_forest(d_sae, [each.near.forest for each in ranges])
    neurons = [each.neurons for each in ranges]
    record = Geometry(
        d_out=d_out,
        nearest_index=np.concatenate([each.near.nearest_index for each in ranges]),
        cosine=np.concatenate([each.near.cosine for each in ranges], axis=1),
        neuron_index=np.concatenate([each.index for each in neurons]),
        neuron_cosine=np.concatenate([each.cosine for each in neurons]),
        neuron_share_10=np.concatenate([each.share_10 for each in neurons]),
        pairs=pair_cosines(each.sums for each in pairs),
        near_first=forest.first,
        near_second=forest.second,
        near_cosine=forest.cosine,
        n_near_pairs=np.sum([each.near.n_pairs for each in ranges], axis=0).tolist(),
        random=[each.found for each in chance],
        covariance_tokens=sum(each.n_tokens for each in chance),
        covariance_contexts=sum(each.n_contexts for each in chance),
    )
    assert len(record.n_near_pairs) == len(NEAR)
    return record, np.concatenate([each.share for each in neurons])


STUDY = Study(GEOMETRY, "directions", Task(measure, "machine"), price, geometry_pieces, harvest)
