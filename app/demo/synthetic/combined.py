"""What several deletions at once would have shown of an invented feature, drawn at random.

Some features get a pair of which either token suffices, some one that needs both. Knows the
records, no database.
"""

from typing import Any

import numpy as np

from app.db.records import FeatureBundle
from app.db.study_records.combined import CombinedExample, FeatureCombined
from app.demo.synthetic.text import SyntheticText

N_EXAMPLES, WINDOW, PAIRED = 2, 32, 12
_JOINT = 0.05


def make_combined(
    bundle: FeatureBundle, text: SyntheticText, rng: np.random.Generator
) -> FeatureCombined | None:
    """Of up to two top examples of two features in three; None for the others."""
    if not bundle.record.n_active or rng.random() < 1 / 3:
        return None
    top = bundle.examples["top"]
    sign = rng.choice([-1, 1], p=[0.7, 0.3])
    rows = [row for row in range(min(N_EXAMPLES, top.position.size)) if top.position[row] >= 4]
    examples = [
        _example(
            row,
            float(top.activation[row]),
            int(top.position[row]),
            text.token_ids[int(top.context_id[row])],
            sign * rng.uniform(0.1, 1),
            rng,
        )
        for row in rows
    ]
    return FeatureCombined(examples) if examples else None


def _example(
    row: int,
    activation: float,
    position: int,
    token_ids: np.ndarray,
    share: float,
    rng: np.random.Generator,
) -> CombinedExample:
    """An interaction of that share between two of the last twelve tokens."""
    first = max(1, position - WINDOW)
    positions = np.arange(max(1, position - PAIRED), position)
    n = positions.size
    interactions = rng.normal(0, 0.025 * activation, (n, n))
    interactions = np.triu(interactions, k=1)
    i, j = sorted(rng.choice(n, 2, replace=False).tolist())
    interactions[i, j] = share * activation
    alone = np.minimum(0, rng.normal(-0.02, 0.03, n)) * activation
    if share > 0:
        alone[[i, j]] = -share * activation
    blocks = _halved(first, position, int(positions[i]), int(positions[j]), share < 0)
    size = [abs(share) if joint else 0.1 for *_, joint, _ in blocks]
    effect = -activation * np.array(size, np.float32)
    return CombinedExample(
        group="top",
        rank=row,
        baseline=activation,
        hidden_pre_baseline=activation,
        held=float(rng.uniform(0.5, 1)),
        singles=float(-alone.sum() / activation),
        first=first,
        token_ids=token_ids[first : position + 1].astype(np.int32),
        pair_positions=positions.astype(np.int32),
        alone=alone.astype(np.float32),
        interactions=(interactions + interactions.T).astype(np.float32),
        block_start=np.array([start for start, *_ in blocks], np.int32),
        block_stop=np.array([stop for _, stop, *_ in blocks], np.int32),
        block_effect=effect,
        block_hidden_pre_effect=effect * np.float32(1.1),
        block_parts=effect * np.array([0.1 if b[2] else 1.1 for b in blocks], np.float32),
        block_joint=np.array([joint for *_, joint, _ in blocks], bool),
        block_smallest=np.array([smallest for *_, smallest in blocks], bool),
        **_occurrences(first, position, token_ids, activation),
    )


def _halved(
    start: int, stop: int, one: int, other: int, joint: bool
) -> list[tuple[int, int, bool, bool]]:
    """(start, stop, joint, smallest) of the whole and of halves, while one holds both places."""
    found = []
    level = [(start, stop)]
    while level:
        below = []
        for low, high in level:
            holds = joint and low <= one < high and low <= other < high
            middle = (low + high) // 2
            halves = [half for half in ((low, middle), (middle, high)) if half[1] - half[0] > 1]
            again = any(low <= one < high and low <= other < high for low, high in halves)
            found.append((low, high, holds, holds and not again))
            below += halves if holds else []
        level = below
    return found


def _occurrences(
    first: int, position: int, token_ids: np.ndarray, activation: float
) -> dict[str, Any]:
    places: dict[int, list[int]] = {}
    for place in range(first, position):
        places.setdefault(int(token_ids[place]), []).append(place)
    several = [found for found in places.values() if len(found) > 1][:6]
    effect = (-activation * np.linspace(0.4, 0, len(several) + 1)[:-1]).astype(np.float32)
    return {
        "occurrences": several,
        "occurrence_effect": effect,
        "occurrence_hidden_pre_effect": effect * np.float32(1.1),
    }
