"""Windows are cut at the context's edges; the activations kept are those of whole contexts."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.stats.windows import context_activations, windows


@given(data=st.data(), before=st.sampled_from([0, 2, 47]), after=st.sampled_from([0, 3, 16]))
def test_equal_to_slices(
    draw_world: Callable[..., Any], data: st.DataObject, before: int, after: int
) -> None:
    world = draw_world(data)
    events, size = world.events, world.corpus.context_size
    peaks = np.arange(0, events.n_active, 3)
    spans = windows(events.position[peaks], size, before, after)
    found = context_activations(events, events.context_id[peaks])
    for i, peak in enumerate(peaks):
        context, position = int(events.context_id[peak]), int(events.position[peak])
        start, stop = max(0, position - before), min(size, position + after + 1)
        assert (spans.start[i], spans.stop[i]) == (start, stop)
        row = world.dense[context]
        part = slice(found.indptr[i], found.indptr[i + 1])
        assert found.position[part].tolist() == np.flatnonzero(row).tolist()
        assert found.activation[part].tolist() == row[row > 0].tolist()
