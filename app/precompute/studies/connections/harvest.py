"""What the pieces of the connections found, made into records: of features, and of pairs.

Takes their results; gives the records, those of a dictionary below made from those above it, so
that a feature's page reads one row. Knows no model.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from app.db.connections import Upwards, links_of, strongest_single
from app.db.study_records.connections import (
    Causes,
    Effects,
    FeatureConnections,
    PairConnections,
    Removals,
    Rest,
)
from app.precompute.model.heights import height
from app.precompute.preparation import Run
from app.precompute.studies.connections.removal import DRAWN, STRONGEST
from app.precompute.studies.connections.study import STAGE
from app.precompute.studies.connections.sums import Checked, Measured, Parts
from app.precompute.studies.study import Harvest
from app.precompute.workplace.findings import Findings


def harvest_connections(run: Run, findings: Findings) -> Harvest:
    """The records of every pair and of every feature that has connections."""
    measured, checked = [], []
    for found in findings.of(STAGE):
        (measured if isinstance(found, Measured) else checked).append(found)
    heights = {target.sae: height(target.hook_name) for target in run.targets}
    written = {target.sae: height(target.output_hook) for target in run.targets}
    down = {sae: list[tuple[int, int, float, list[Causes]]]() for sae in heights}
    links = Upwards()
    for piece in measured:
        for row, feature_index in enumerate(piece.feature_index.tolist()):
            causes = [
                _causes(sae, parts, row, float(piece.hidden_pre[row]))
                for sae, parts in sorted(piece.below.items(), key=lambda item: written[item[0]])
            ]
            n = int(piece.n_examples[row])
            mean = float(piece.hidden_pre[row]) / n
            down[piece.sae].append((feature_index, n, mean, causes))
            links.add(piece.sae, feature_index, causes)
    up = links.effects(heights)
    pairs: dict[tuple[str, str], PairConnections] = {}
    for sae, rows in down.items():
        for below in dict.fromkeys(causes.sae for *_, listed in rows for causes in listed):
            record = _pair(run, (below, sae), [written[below], heights[sae]], rows, checked)
            pairs[sae, below] = pairs[below, sae] = record
    return Harvest(
        of_pairs=pairs,
        of_features={sae: list(_records(down[sae], up.get(sae, {}))) for sae in heights},
    )


def _records(
    rows: Sequence[tuple[int, int, float, list[Causes]]], up: Mapping[int, list[Effects]]
) -> Iterable[tuple[int, FeatureConnections]]:
    """In feature order; features without any connection have none."""
    own = {feature_index: (n, mean, causes) for feature_index, n, mean, causes in rows}
    for feature_index in sorted(own.keys() | up.keys()):
        n, mean, causes = own.get(feature_index, (0, 0.0, []))
        yield feature_index, FeatureConnections(n, mean, causes, up.get(feature_index, []))


def _causes(sae: str, parts: Parts, row: int, hidden_pre: float) -> Causes:
    kept = slice(parts.indptr[row], parts.indptr[row + 1])
    positive, n_positive, negative, n_negative = parts.others[row].tolist()
    return Causes(
        sae=sae,
        feature_index=parts.feature_index[kept].astype(np.uint32),
        share=(parts.total[kept] / hidden_pre).astype(np.float32),
        share_same=(parts.same[kept] / hidden_pre).astype(np.float32),
        n_examples=parts.n_examples[kept].astype(np.uint16),
        positive=positive / hidden_pre,
        n_positive=int(n_positive),
        negative=negative / hidden_pre,
        n_negative=int(n_negative),
        rest=Rest(*(parts.rest[row] / hidden_pre).tolist()),
    )


def _pair(
    run: Run,
    pair: tuple[str, str],
    heights: list[int],
    rows: Sequence[tuple[int, int, float, list[Causes]]],
    checked: Iterable[Checked],
) -> PairConnections:
    below, above = pair
    own = [causes for *_, listed in rows for causes in listed if causes.sae == below]
    rest = np.array([list(vars(causes.rest).values()) for causes in own]).mean(axis=0)
    settings = run.job.settings
    removed = [
        found
        for piece in checked
        for found in piece.removed
        if (found.below, found.sae) == (below, above)
    ]
    names = ("feature_index", "removed_index", "hidden_pre", "predicted", "real", "is_drawn")
    kinds = (np.uint32, np.uint32, np.float32, np.float32, np.float32, np.bool_)
    columns = [
        np.concatenate([np.zeros(0, kind), *(getattr(found, name) for found in removed)]).astype(
            kind
        )
        for name, kind in zip(names, kinds, strict=True)
    ]
    return PairConnections(
        below=below,
        above=above,
        heights=heights,
        n_features=len(rows),
        n_examples=sum(n for _, n, *_ in rows),
        examples_asked=settings.connection_examples,
        kept=settings.connection_kept,
        features=float(1 - rest.sum()),
        shown=float(np.mean([causes.share.sum() for causes in own])),
        rest=Rest(*rest.tolist()),
        strongest=strongest_single(
            [
                link
                for index, _, _, listed in rows
                for causes in listed
                if causes.sae == below
                for link in links_of(index, causes)
            ]
        ),
        seed=settings.seed,
        n_checked=sum(piece.n_examples for piece in checked if piece.sae == above),
        n_strongest=STRONGEST,
        n_drawn=DRAWN,
        removals=Removals(*columns),
    )
