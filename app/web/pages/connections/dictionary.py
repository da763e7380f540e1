"""`/{model}/{sae}/connections`: how much of a dictionary those below it explain, and whether single
connections hold when a feature is really removed.

`build` gives one part for every other dictionary it was measured with, below or above.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.studies import get_study, others_of
from app.db.study_records.connections import PairConnections
from app.web import text
from app.web.charts.plot import Chart
from app.web.notebook.reader import NO_NOTEBOOK, Reader
from app.web.pages.connections.linked import STUDY, Told, words_of
from app.web.pages.connections.removals import (
    Dot,
    JudgedRow,
    judged_by_kind,
    judged_row,
    removal_scatter,
)
from app.web.pages.connections.rows import RestRow, direction, rest_row, rest_rows
from app.web.pages.policy import corpus_sentence
from app.web.pages.studies.ways import Way, not_measured, ways_of

N_MISSES = 8


@dataclass(frozen=True)
class End:
    """A feature at one end of a connection."""

    sae: Sae
    feature_index: int
    told: Told


@dataclass(frozen=True)
class SingleRow:
    """One strong connection."""

    below: End
    above: End
    share: str
    css: str
    examples: int


@dataclass(frozen=True)
class MissRow:
    """A removal that did something else than predicted."""

    below: End
    above: End
    hidden_pre: str
    predicted: str
    real: str


@dataclass(frozen=True)
class PairPart:
    """What was found between two dictionaries."""

    below: Sae
    above: Sae
    record: PairConnections
    shares: list[RestRow]
    strongest: list[SingleRow]
    judged: list[JudgedRow]
    chart: Chart | None
    """axes and the line on which a removal does what was predicted; None without removals"""
    dots: list[Dot]
    misses: list[MissRow]


@dataclass(frozen=True)
class ConnectionsPage:
    """Context of `pages/studies/connections.html`."""

    sae: Sae
    ways: list[Way]
    pairs: list[PairPart]
    corpus_note: str

    def as_json(self) -> dict[str, Any]:
        """All that is stored, and the agreement of the removals."""
        return {
            "model": self.sae.record.model,
            "sae": self.sae.record.sae,
            "pairs": [
                _plain(asdict(part.record))
                | {
                    "judged": {
                        kind: asdict(found)
                        for kind, found in judged_by_kind(part.record.removals).items()
                    }
                }
                for part in self.pairs
            ],
        }


def build(connection: Connection, sae: Sae, reader: Reader = NO_NOTEBOOK) -> ConnectionsPage:
    """The page of a dictionary.

    Raises:
        HTTPException: 404 where the study was skipped, or all dictionaries sat at one hook.
    """
    others = set(others_of(connection, STUDY, sae.sae_id))
    found = {other.sae_id: other for other in list_saes(connection) if other.sae_id in others}
    records = [(get_study(connection, PairConnections, sae.sae_id, i), o) for i, o in found.items()]
    pairs = [_part(connection, sae, other, record, reader) for record, other in records if record]
    if not pairs:
        raise not_measured(sae, STUDY)
    return ConnectionsPage(
        sae=sae,
        ways=ways_of(connection, sae, STUDY),
        pairs=sorted(pairs, key=lambda part: (part.record.heights, part.record.below)),
        corpus_note=corpus_sentence(sae),
    )


def _part(
    connection: Connection, sae: Sae, other: Sae, record: PairConnections, reader: Reader
) -> PairPart:
    own = {sae.record.sae: sae, other.record.sae: other}
    below, above = own[record.below], own[record.above]
    removals, strongest = record.removals, record.strongest
    missed = np.argsort(-np.abs(removals.real - removals.predicted), kind="stable")[:N_MISSES]
    wanted = {
        *((record.below, int(i)) for i in strongest.below_index),
        *((record.above, int(i)) for i in strongest.feature_index),
        *((record.below, int(removals.removed_index[i])) for i in missed),
        *((record.above, int(removals.feature_index[i])) for i in missed),
    }
    words = words_of(connection, own, wanted, reader)

    def end(side: Sae, index: int) -> End:
        return End(side, index, words[side.record.sae, index])

    chart, dots = removal_scatter(removals, below, above)
    return PairPart(
        below=below,
        above=above,
        record=record,
        shares=[
            rest_row(f"features shown, {record.kept} of each sign at most", record.shown, 1.0),
            rest_row("its other features", record.features - record.shown, 1.0),
            *rest_rows(record.rest, 1.0),
        ],
        strongest=[
            SingleRow(
                end(below, int(strongest.below_index[i])),
                end(above, int(strongest.feature_index[i])),
                text.signed_percent(float(strongest.share[i])),
                direction(float(strongest.share[i])),
                int(strongest.n_examples[i]),
            )
            for i in range(len(strongest.share))
        ],
        judged=[judged_row(kind, found) for kind, found in judged_by_kind(removals).items()],
        chart=chart,
        dots=dots,
        misses=[
            MissRow(
                end(below, int(removals.removed_index[i])),
                end(above, int(removals.feature_index[i])),
                text.number(float(removals.hidden_pre[i])),
                text.signed(float(removals.predicted[i])),
                text.signed(float(removals.real[i])),
            )
            for i in missed
        ],
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value
